// The usual members of a campaign as a form. What it does not show stays in the document as it is.

import { button, counted, el, pointerOf } from "./edit-dom.js";
import { get, isObject, said } from "./edit-document.js";
import { createFields } from "./edit-fields.js";


const SHOWN = new Set(["id", "kind", "slot", "priority", "content", "image", "link", "start", "end", "timezone",
  "audience", "rollout", "terms", "odds"]);
const IMAGE = ["banner", "carousel-item"];
const names = new Intl.DisplayNames(["en"], { type: "language" });
function language(code) {
  try { return `${names.of(code)} (${code})`; } catch { return code; }
}

export function createForm(facts, onChange) {
  const form = document.getElementById("form");
  const { words } = facts;
  const page = { doc: null, places: new Map(), onChange, show };
  const { change, rebuild, place, field, text, number, choice, time, chips, group } = createFields(page);
  let problems = [], open = new Set();

  form.addEventListener("submit", (event) => event.preventDefault());

  // --- a promo -----------------------------------------------------------------------------------------------------

  function body(at, promo) {
    const slots = Object.entries(words.slots).map(([name, slot]) => [name, `${slot.title} (${name})`]);
    const taken = words.slots[promo.slot]?.kinds ?? Object.keys(facts.kinds);
    const kinds = Object.entries(facts.kinds).filter(([kind]) => taken.includes(kind) || kind === promo.kind);
    return [
      group("What it is", null, [
        text("Name", [...at, "id"], { needed: true, spellcheck: "false", autocapitalize: "none",
          hint: "For ever, and distinct over all files." }),
        choice("Where it appears", [...at, "slot"], slots, { again: true }),
        choice("Kind", [...at, "kind"], kinds, { again: true }),
        number("Priority", [...at, "priority"], { min: 0, max: 1000, step: 1, placeholder: "500",
          hint: "0 to 1000; the higher one is shown when there is not room for all." }),
      ]),
      ...texts(at, promo),
      picture(at, promo),
      when(at),
      whom(at),
      ...terms(at, promo),
      ...odds(at, promo),
      rest(promo),
    ];
  }

  function texts(at, promo) {
    const content = isObject(promo.content) ? promo.content : {};
    const here = Object.keys(content);
    const pictured = isObject(promo.image) || IMAGE.includes(promo.kind);
    const termed = isObject(promo.terms);
    const one = (code) => group(language(code), [...at, "content", code], [
      text("Title", [...at, "content", code, "title"], { needed: true, wide: true, lang: code }),
      text("Text", [...at, "content", code, "text"], { lines: 2, lang: code }),
      text("Button", [...at, "content", code, "action"], { lang: code }),
      pictured && text("What the image shows", [...at, "image", "alt", code], { lang: code,
        hint: "For those who do not see it." }),
      termed && text("Terms in short", [...at, "terms", "short", code], { lines: 2, lang: code }),
    ], here.length > 1 ? [button(`Without ${language(code)}`, () => without(code), "quiet small")] : []);
    const without = (code) => {
      for (const path of [["content"], ["image", "alt"], ["terms", "short"]]) {
        if (isObject(get(promo, path))) delete get(promo, path)[code];
      }
      onChange(page.doc);
      show(page.doc);
    };
    const missing = words.languages.filter((code) => !here.includes(code));
    const more = missing.map((code) => button(`+ ${language(code)}`, () => {
      rebuild([...at, "content", code], { title: "" });
      focus(pointerOf([...at, "content", code, "title"]));
    }, "quiet small"));
    const box = el("div", { class: "languages" }, here.map(one),
      more.length ? el("p", { class: "adders" }, more) : null);
    box.append(place([...at, "content"], box, null));
    return [box];
  }

  function picture(at, promo) {
    const source = said(get(promo, ["image", "src"]));
    const shown = el("img", { class: "thumb-small", alt: "", hidden: true });
    const look = (name) => {
      const known = name.startsWith("https://") ? name : facts.images.includes(name)
        ? `/v1/promos/images/${encodeURIComponent(name)}` : "";
      shown.hidden = !known;
      if (known && shown.getAttribute("src") !== known) shown.src = known;
    };
    // What is half typed is no address yet.
    shown.addEventListener("error", () => { shown.hidden = true; });
    const control = el("input", { type: "text", list: "images", spellcheck: "false", autocapitalize: "none" });
    control.value = source;
    const write = (typed) => {
      const alone = !IMAGE.includes(promo.kind) && Object.keys(get(promo, ["image", "alt"]) ?? {}).length === 0;
      if (typed === "" && alone) change([...at, "image"], undefined);
      else change([...at, "image", "src"], typed);
    };
    control.addEventListener("change", () => look(control.value));
    look(source);
    const where = field("Image", [...at, "image", "src"], { control, write,
      hint: "A file beside the campaigns, or an https address." });
    return group("Image and link", [...at, "image"], [
      where, text("Link", [...at, "link"], { spellcheck: "false", hint: "Begins with / or https://" }), shown,
    ]);
  }

  function when(at) {
    return group("When", null, [
      time("Start", [...at, "start"]),
      time("End", [...at, "end"]),
      text("Time zone", [...at, "timezone"], { needed: true, list: "zones", spellcheck: "false" }),
    ]);
  }

  function whom(at) {
    const whose = [...at, "audience"];
    return group("For whom", whose, [
      chips("Jurisdictions", [...whose, "jurisdictions"], words.jurisdictions, { needed: true }),
      chips("Languages", [...whose, "languages"], words.languages, { hint: "none chosen: all" }),
      chips("Devices", [...whose, "devices"], words.devices, { hint: "none chosen: all" }),
      words.segments.length ? chips("Segments", [...whose, "segments"], words.segments, { hint: "none chosen: all" })
        : null,
      choice("Visitors", [...whose, "visitors"],
        [["", "new and returning"], ["new", "new"], ["returning", "returning"]], { optional: true }),
      number("Roll-out in %", [...at, "rollout"], { min: 0, max: 100, step: "any", placeholder: "100" }),
    ]);
  }

  function terms(at, promo) {
    if (!isObject(promo.terms)) {
      const add = () => rebuild([...at, "terms"], {
        short: Object.fromEntries(Object.keys(promo.content ?? {}).map((code) => [code, ""])), link: "/terms" });
      const box = el("p", { class: "adders" }, button("+ Terms", add, "quiet small"));
      box.append(place([...at, "terms"], box, null));
      return [box];
    }
    const drop = promo.kind === "boosted-odds" ? []
      : [button("Without terms", () => rebuild([...at, "terms"], undefined), "quiet small")];
    return [group("Terms", [...at, "terms"], [
      text("Link to all terms", [...at, "terms", "link"], { needed: true, spellcheck: "false" })], drop)];
  }

  function odds(at, promo) {
    if (promo.kind !== "boosted-odds" && !isObject(promo.odds)) return [];
    const of = [...at, "odds"];
    const plain = { needed: true, spellcheck: "false", autocapitalize: "none" };
    return [group("Boosted odds", of, [
      text("Provider", [...of, "provider"], plain),
      text("Event", [...of, "event"], plain),
      text("Market", [...of, "market"], plain),
      text("Selection", [...of, "selection"], plain),
      number("Boosted price", [...of, "price"], { needed: true, min: 1, step: "any", hint: "Decimal." }),
      text("Bookmaker", [...of, "bookmaker"], { spellcheck: "false",
        hint: "Whose price counts; the best of all if empty." }),
      number("Oldest price in seconds", [...of, "max_age_s"], { min: 1, step: "any" }),
    ])];
  }

  function rest(promo) {
    const left = Object.keys(promo).filter((name) => !SHOWN.has(name));
    if (!left.length) return null;
    const each = left.map((name) => Array.isArray(promo[name]) ? `${name} (${promo[name].length})` : name);
    return el("p", { class: "f-hint" }, `In the JSON alone, and left as they are: ${each.join(", ")}.`);
  }

  // --- the campaign ------------------------------------------------------------------------------------------------

  function card(promo, number) {
    const at = ["promos", number];
    const title = said(Object.values(promo.content ?? {}).map((each) => each?.title).find(Boolean)) || said(promo.id);
    const summary = el("summary", {}, el("span", { class: "promo-title" }, title || "no title"),
      el("span", { class: `pill kind ${facts.kinds[promo.kind] ? promo.kind : ""}` }, facts.kinds[promo.kind] ?? "?"),
      el("code", {}, said(promo.id)), el("span", { class: "pill count", hidden: true }));
    const box = el("details", { class: "promo", id: `promo-${said(promo.id)}`, "data-number": number }, summary);
    const fill = () => {
      if (box.dataset.filled) return;
      box.dataset.filled = "yes";
      box.append(el("div", { class: "promo-in" }, body(at, promo), el("div", { class: "promo-tools" },
        button("Duplicate", () => duplicate(number), "quiet"),
        button("Remove", () => remove(number), "quiet bad"))));
    };
    if (open.has(number)) { box.open = true; fill(); }
    box.addEventListener("toggle", () => {
      if (box.open === open.has(number)) return;
      if (box.open) { open.add(number); fill(); mark(problems); } else open.delete(number);
    });
    box.append(place(at, box, null));
    return box;
  }

  const ids = () => new Set(page.doc.promos.map((promo) => promo?.id));
  function fresh(wanted) {
    const taken = ids(), stem = wanted.replace(/-\d+$/, "");
    let id = wanted, many = 2;
    while (taken.has(id)) id = `${stem}-${many++}`;
    return id;
  }
  function insert(number, promo) {
    page.doc.promos.splice(number, 0, promo);
    open = new Set([number]);
    onChange(page.doc);
    show(page.doc);
    focus(`/promos/${number}/id`);
  }
  function duplicate(number) {
    const copy = structuredClone(page.doc.promos[number]);
    copy.id = fresh(said(copy.id) || "promo");
    insert(number + 1, copy);
  }
  function remove(number) {
    const [gone] = page.doc.promos.splice(number, 1);
    open = new Set();
    onChange(page.doc, `Removed "${said(gone?.id)}".`);
    show(page.doc);
    (form.querySelector("summary") ?? form.querySelector("button"))?.focus();
  }
  function add() {
    const like = page.doc.promos.findLast(isObject) ?? {};
    const [slot, told] = Object.entries(words.slots)[0] ?? ["", { kinds: ["notice"] }];
    const kind = said(like.kind) || told.kinds[0];
    const day = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    const after = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    const code = Object.keys(like.content ?? {})[0] ?? words.languages[0] ?? "en";
    insert(page.doc.promos.length, {
      id: fresh(`${facts.file.replace(/\.json$/, "")}-2`), kind, slot: said(like.slot) || slot,
      content: { [code]: { title: "" } },
      ...(IMAGE.includes(kind) ? { image: { src: "", alt: { [code]: "" } }, link: "/" } : {}),
      start: `${day}T12:00`, end: `${after}T12:00`,
      timezone: said(like.timezone) || Intl.DateTimeFormat().resolvedOptions().timeZone,
      audience: structuredClone(like.audience ?? { jurisdictions: words.jurisdictions.slice(0, 1) }),
      ...(isObject(like.terms) ? { terms: structuredClone(like.terms) } : {}),
    });
  }

  function show(next) {
    page.doc = next;
    const focused = form.contains(document.activeElement) ? document.activeElement.dataset.pointer : "";
    page.places = new Map();
    const promos = Array.isArray(page.doc?.promos) ? page.doc.promos : null;
    if (!promos) {
      refuse("The form shows a campaign, an object with a list of promos. Mend it in the JSON.");
      return;
    }
    if (!promos.length) open = new Set();
    const cards = promos.map((promo, number) => (isObject(promo) ? card(promo, number)
      : el("p", { class: "f-hint" }, `Number ${number + 1} is no promo; mend it in the JSON.`)));
    form.classList.remove("off");
    form.replaceChildren(...cards, el("p", { class: "adders" }, button("+ Add a promo", add)), lists());
    mark(problems);
    if (focused) page.places.get(focused)?.control?.focus({ preventScroll: true });
  }

  function lists() {
    const options = (values) => values.map((value) => el("option", { value }));
    return el("div", { hidden: true }, el("datalist", { id: "images" }, options(facts.images)),
      el("datalist", { id: "zones" }, options(Intl.supportedValuesOf("timeZone"))));
  }

  function refuse(sentence) {
    // What was there stays to be seen, and cannot be typed into.
    form.classList.add("off");
    for (const each of form.querySelectorAll("input, select, textarea, button")) each.disabled = true;
    const note = form.querySelector(".form-note") ?? form.insertBefore(el("p", { class: "form-note trouble line" }),
      form.firstChild);
    note.textContent = sentence;
  }

  // --- what is wrong -----------------------------------------------------------------------------------------------

  function find(problem) {
    const missing = /^(\w+) is missing$/.exec(problem.message);
    let pointer = missing ? `${problem.pointer}/${missing[1]}` : problem.pointer;
    while (pointer) {
      if (page.places.has(pointer)) return page.places.get(pointer);
      pointer = pointer.slice(0, pointer.lastIndexOf("/"));
    }
    return null;
  }

  function mark(next) {
    problems = next;
    for (const { box, control, wrong } of page.places.values()) {
      wrong.hidden = true;
      wrong.replaceChildren();
      box.classList.remove("is-wrong");
      control?.removeAttribute("aria-invalid");
      if (!control) continue;
      if (control.dataset.hint) control.setAttribute("aria-describedby", control.dataset.hint);
      else control.removeAttribute("aria-describedby");
    }
    const counts = new Map();
    for (const problem of problems) {
      const [, number] = /^\/promos\/(\d+)/.exec(problem.pointer) ?? [];
      if (number !== undefined) counts.set(number, (counts.get(number) ?? 0) + 1);
      const found = find(problem);
      if (!found) continue;
      found.wrong.append(el("span", {}, problem.message, problem.remedy && el("em", {}, problem.remedy)));
      found.wrong.hidden = false;
      found.box.classList.add("is-wrong");
      found.control?.setAttribute("aria-invalid", "true");
      const told = [found.control?.dataset.hint, found.wrong.id].filter(Boolean).join(" ");
      found.control?.setAttribute("aria-describedby", told);
    }
    for (const pill of form.querySelectorAll(".count")) {
      const many = counts.get(pill.closest("details").dataset.number) ?? 0;
      pill.hidden = !many;
      pill.textContent = counted(many, "problem");
    }
  }

  function openAt(number) {
    const box = form.querySelector(`details[data-number="${number}"]`);
    if (!box) return null;
    if (!box.open) {
      open.add(number);
      show(page.doc);
    }
    return form.querySelector(`details[data-number="${number}"]`);
  }

  function focus(pointer, problem = { pointer, message: "" }) {
    const [, number] = /^\/promos\/(\d+)/.exec(pointer) ?? [];
    if (number !== undefined) openAt(Number(number));
    const found = find(problem);
    if (!found) return false;
    const control = found.control ?? found.box.querySelector("summary, input, select, textarea, button");
    control?.focus({ preventScroll: true });
    found.box.scrollIntoView({ block: "center" });
    return true;
  }

  return {
    show, mark, refuse, focus,
    // The promo that the address names, or the only one.
    openFirst(id) {
      const promos = Array.isArray(page.doc?.promos) ? page.doc.promos : [];
      const wanted = promos.findIndex((promo) => id && promo?.id === id);
      const number = wanted >= 0 ? wanted : promos.length === 1 ? 0 : -1;
      if (number < 0) return;
      const box = openAt(number);
      if (wanted > 0) box?.scrollIntoView();
    },
  };
}
