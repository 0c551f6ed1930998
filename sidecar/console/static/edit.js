// One document in two shapes. It is judged while it is typed, kept in this browser until it is published, and written
// only over what its author has seen.

import { button, counted, el } from "./edit-dom.js";
import { ask, cancel, close, content, effects, problemsOf, reason, versions, why } from "./edit-dialogs.js";
import { createForm } from "./edit-form.js";
import { createMirror } from "./edit-mirror.js";
import { createText } from "./edit-text.js";

const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const { file } = facts;
const KEY = `draft:${file}`, QUIET_MS = 300, FOLLOW_MS = 120;
const API = `/v1/promos/files/${file.split("/").map(encodeURIComponent).join("/")}`;

// `tag`: of the version that was edited, "" where there was none. `base`: its text.
let text = facts.text, tag = facts.tag, base = facts.text;
let verdict = null, newest = 0, timer = 0, asking = null, busy = false, touched = false, leaving = false;

// --- the draft in this browser -------------------------------------------------------------------------------------

function keep(always = false) {
  try {
    if (text === base && !always) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ text, tag, base, at: Date.now() }));
  } catch { /* storage is full or refused: leaving the page asks first */ }
  byId("discard").disabled = text === base;
}

function forget() {
  try { localStorage.removeItem(KEY); } catch { /* there is none then */ }
  leaving = true;
}

function restore() {
  let draft = null;
  try { draft = JSON.parse(localStorage.getItem(KEY)); } catch { /* none that can be read */ }
  // One that was stored to be previewed alone says what was there.
  if (typeof draft?.text !== "string" || draft.text === facts.text || draft.text === draft.base) return;
  [text, tag] = [draft.text, String(draft.tag)];
  const at = new Date(draft.at);
  const day = at.toDateString() === new Date().toDateString() ? "" : `${at.toLocaleDateString("en-GB")} `;
  const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  notice("restored", [`Your unsaved draft of ${day}${clock} is back.`], [button("Discard it", discard, "small")]);
}

function discard() {
  const before = text, was = tag;
  notice("restored", null);
  notice("changed", null);
  tag = facts.tag;
  use(base);
  notice("discarded", ["The draft is discarded."], [button("Undo", () => {
    notice("discarded", null);
    tag = was;
    use(before);
  }, "small")]);
}

// What was restored and not touched is where it was.
addEventListener("beforeunload", (event) => {
  if (touched && text !== base && !leaving) event.preventDefault();
});

// --- notices -------------------------------------------------------------------------------------------------------

function notice(name, parts, tools = [], kind = "") {
  byId(`notice-${name}`)?.remove();
  if (!parts) return;
  byId("notices").append(el("div", { class: `notice-line ${kind}`.trim(), id: `notice-${name}`, role: "status" },
    el("p", {}, parts), tools, el("button", { type: "button", class: "close", "aria-label": "Dismiss",
      onclick: () => byId(`notice-${name}`).remove() }, "×")));
}

// --- the two shapes ------------------------------------------------------------------------------------------------

const parsed = () => {
  try { return { doc: JSON.parse(text) }; } catch (error) { return { error }; }
};

function changed() {
  touched = true;
  keep();
  clearTimeout(timer);
  timer = setTimeout(check, QUIET_MS);
  byId("verdict").dataset.state = "busy";
}

// By the form: the text follows.
const form = facts.campaign ? createForm(facts, (doc, said) => {
  const before = text;
  text = JSON.stringify(doc, null, 2) + "\n";
  area.set(text);
  changed();
  if (said) {
    notice("removed", [said], [button("Undo", () => { notice("removed", null); use(before); }, "small")]);
  }
}) : null;

// By the text: the form follows where it can be read.
const byText = (typed) => {
  text = typed;
  changed();
  follow();
};
const area = (facts.mirror && await createMirror(facts.mirror, byText)) || createText(byText);

let following = 0;
function follow() {
  if (!form) return;
  clearTimeout(following);
  following = setTimeout(() => {
    const { doc, error } = parsed();
    if (error) form.refuse("The form follows again once the JSON can be read.");
    else if (verdict && verdict.text === text && !verdict.plain) {
      form.refuse("The JSON has a mistake that a form would lose, such as a name that stands twice. Mend it there.");
    }
    else form.show(doc);
  }, FOLLOW_MS);
}

// Another text as a whole.
function use(next) {
  text = next;
  area.set(text);
  changed();
  follow();
}

// --- what is said of it --------------------------------------------------------------------------------------------

async function asked(body) {
  const answer = await fetch("/console/edit/check", {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
    signal: asking.signal,
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).message ?? `${answer.status}`);
  return answer.json();
}

// Answers may come in another order than they were asked for; only the newest counts.
async function check() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const mine = ++newest, sent = text;
  byId("verdict").dataset.state = "busy";
  try {
    const told = await asked({ file, text: sent });
    if (mine !== newest || sent !== text) return null;
    verdict = { ...told, text: sent };
    tell();
    return verdict;
  } catch (error) {
    if (mine !== newest || error.name === "AbortError") return null;
    verdict = null;
    said("away", `Not checked: ${error.message}. Your text is kept.`);
    timer = setTimeout(check, 5000);
    return null;
  }
}

function said(state, sentence) {
  const box = byId("verdict");
  box.dataset.state = state;
  if (box.textContent !== sentence) box.textContent = sentence;
}

function tell() {
  const { problems, elsewhere, differences, count } = verdict;
  const changes = differences.reduce((sum, each) => sum + Math.max(1, each.members.length), 0);
  if (count) said("bad", counted(count, "problem"));
  else said("good", changes ? `Good, ${counted(changes, "change")}` : text === base && tag ? "No changes" : "Good");
  area.mark(problems);
  if (form) {
    if (!verdict.plain && !parsed().error) follow();
    form.mark(problems);
  }
  foresee();
  byId("wrongs").hidden = !count;
  byId("wrongs-list").replaceChildren(...problems.map(wrong), ...elsewhere.map((each) => el("li", {},
    el("a", { href: `/console/edit/${each.file}` }, `${each.file}:${each.line}`), " ", each.message,
    each.remedy && el("em", {}, each.remedy))));
  if (!busy && verdict.tag !== tag) {
    const compare = button("Compare", () => conflict(), "small");
    notice("changed", ["Somebody else has changed this file meanwhile."], [compare], "warn");
  } else {
    notice("changed", null);
  }
}

// What it would do, while it is typed.
function foresee() {
  const box = byId("ahead");
  box.hidden = verdict.count > 0 || !(verdict.effects.length || verdict.findings.length);
  if (box.hidden) return;
  const changes = verdict.effects.length + verdict.more_effects;
  const doubts = verdict.findings.length + verdict.more_findings;
  byId("ahead-said").textContent = [counted(changes, "change for visitors", "changes for visitors"),
    doubts && counted(doubts, "thing to look at", "things to look at")].filter(Boolean).join(", ");
  box.dataset.state = doubts ? "warn" : "";
  byId("ahead-in").replaceChildren(effects(verdict));
}

function wrong(each) {
  const toLine = () => { pane("text"); area.go(each.line, each.column); };
  const jump = () => {
    if (form && byId("editor").dataset.pane === "form" && form.focus(each.pointer, each)) {
      area.reveal(each.line);
      return;
    }
    toLine();
  };
  return el("li", {}, el("button", { type: "button", class: "jump", onclick: jump },
    el("span", {}, each.message, each.remedy && el("em", {}, each.remedy))),
  el("button", { type: "button", class: "jump-line", onclick: toLine,
    "aria-label": `Line ${each.line} in the JSON: ${each.message}` }, `line ${each.line}`),
  each.excerpt && el("pre", {}, each.excerpt));
}

const again = () => { if (!busy && !document.hidden) check(); };
document.addEventListener("edited", again);
document.addEventListener("visibilitychange", again);

// --- publishing ----------------------------------------------------------------------------------------------------

const preview = () => el("a", { href: byId("see").href, target: "_blank", class: "button",
  onclick: () => keep(true) }, "Preview it");

async function review() {
  const told = (verdict?.text === text && verdict) || await check();
  if (!told) return;
  if (told.count) {
    byId("wrongs").focus();
    byId("wrongs").scrollIntoView({ block: "nearest" });
    return;
  }
  if (told.tag !== tag) { conflict(); return; }
  const same = text === base && tag !== "";
  const go = button("Publish", () => send("PUT"), "main");
  go.disabled = same;
  ask("Review and publish", [content(told.differences, same), effects(told), reason()], [preview(), cancel(), go]);
}

async function removal() {
  asking?.abort();
  asking = new AbortController();
  let told;
  try {
    told = await asked({ file, text: null });
  } catch (error) {
    ask("Remove this file", [el("p", {}, error.message)], [cancel()]);
    return;
  }
  const seen = told.count ? problemsOf([...told.problems, ...told.elsewhere]) : effects(told);
  ask(`Remove ${file}?`, [content(told.differences, false), seen, reason()],
    [cancel(), button("Remove the file", () => send("DELETE"), "main bad")]);
}

async function send(method) {
  const sent = text, reasons = why();
  const seen = tag ? { "If-Match": `"${tag}"` } : { "If-None-Match": "*" };
  const headers = { "Content-Type": "application/json", ...seen };
  busy = true;
  for (const each of byId("dialog").querySelectorAll("button, input")) each.disabled = true;
  try {
    const answer = await fetch(`${API}?${new URLSearchParams(reasons ? { why: reasons } : {})}`,
      { method, headers, body: method === "PUT" ? sent : undefined });
    const told = await answer.json().catch(() => ({ message: `the sidecar answers ${answer.status}` }));
    if (answer.ok) written(method, sent, told);
    else if (answer.status === 412) conflict(told.current ?? null);
    else refused(answer.status, told);
  } catch {
    refused(0, { message: "The sidecar does not answer. Your text is kept in this browser; try again." });
  } finally {
    busy = false;
  }
}

function written(method, sent, told) {
  if (method === "DELETE") {
    forget();
  } else {
    [tag, base, facts.tag] = [told.tag, sent, told.tag];
    history.replaceState(null, "", location.pathname + location.hash);
    keep();
    check();
  }
  for (const name of ["restored", "changed", "discarded", "removed"]) notice(name, null);
  outcome(method, told);
}

const STATES = {
  good: "Live", kept: "Kept as it was", held: "Waits to be confirmed", refused: "Not live", removed: "Removed",
};

async function outcome(method, told) {
  const state = byId("state");
  state.className = `pill state ${told.state}`;
  state.textContent = STATES[told.state] ?? told.state;
  const gone = method === "DELETE";
  const done = gone ? [el("a", { class: "button main", href: "/console/edit", "data-first": true }, "All files")]
    : [el("a", { class: "button", href: "/console/now" }, "See it on Now"),
      el("button", { type: "button", class: "button main", "data-first": true, onclick: close }, "Go on editing")];
  if (told.state === "held") {
    const waits = await waiting();
    if (waits) {
      const then = gone ? "It stays live until somebody else has approved its removal."
        : "It is written, and goes live once somebody else has approved it. What was live before stays until then.";
      ask("Waits for approval", [el("p", {}, then)], done);
      return;
    }
    ask("Waits to be confirmed", [el("p", {}, "It is written, but it would take away much of what visitors see now. ",
      "What was live stays until somebody says that it is meant."), problemsOf(told.problems)],
    [...done, button("It is meant: confirm", () => confirm(method), "main bad")]);
    return;
  }
  const titles = { good: "It is live", removed: "It is removed", kept: "Written, but what was before stays live",
    refused: "Written, but not live" };
  const parts = [el("p", {}, { good: `${file} is published.`, removed: `${file} is gone.` }[told.state]
    ?? "See what is wrong:"), told.problems?.length ? problemsOf(told.problems) : null];
  ask(titles[told.state] ?? "Written", parts, done);
}

async function waiting() {
  try { return file in (await (await fetch("/v1/promos/status")).json()).waiting; } catch { return false; }
}

async function confirm(method) {
  const answer = await fetch("/v1/promos/confirm", { method: "POST", body: JSON.stringify({ files: [file] }),
    headers: { "Content-Type": "application/json" } });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) { refused(answer.status, told); return; }
  outcome(method, { state: method === "DELETE" ? "removed" : "good", problems: [] });
}

function refused(status, told) {
  const parts = [el("p", {}, told.message ?? "It was not written.")];
  if (told.problems?.length) parts.push(problemsOf(told.problems));
  const tools = [cancel()];
  if (status === 401) {
    parts.push(el("p", {}, "Your text is kept in this browser; sign in, and it is back."));
    tools.push(el("a", { class: "button main", href: `/console/login?next=/console/edit/${file}`, "data-first": true,
      onclick: () => { leaving = true; } }, "Sign in"));
  } else if (!status || status >= 500) {
    tools.push(button("Try again", review, "main"));
  }
  ask("Not published", parts, tools);
  check();
}

// Somebody else was faster. Nothing is taken or written before both were seen.
async function conflict(current) {
  if (current === undefined) {
    const answer = await fetch(API).catch(() => null);
    if (!answer || (!answer.ok && answer.status !== 404)) {
      refused(0, { message: "The sidecar does not answer." });
      return;
    }
    current = answer.ok ? { text: await answer.text(), tag: answer.headers.get("ETag").replaceAll('"', "") } : null;
  }
  const theirs = current === null ? null : current.text;
  const take = () => {
    if (current === null) {
      forget();
      location.assign("/console/edit");
      return;
    }
    [tag, facts.tag, base] = [current.tag, current.tag, theirs];
    close();
    use(theirs);
    for (const name of ["restored", "changed"]) notice(name, null);
  };
  const go = async () => {
    [tag, facts.tag, base] = [current?.tag ?? "", current?.tag ?? "", theirs ?? ""];
    close();
    use(text);
    await check();
    await review();
  };
  const parts = [el("p", {}, "Nothing of yours is written. Look at both, and choose."), versions(theirs, text)];
  const back = button(theirs === null ? "Leave it removed" : "Take theirs", take);
  ask("Changed by somebody else meanwhile", parts, [cancel(), back,
    button("Go on with mine, over theirs", go, "main")]);
}

// --- start ---------------------------------------------------------------------------------------------------------

function pane(name) {
  byId("editor").dataset.pane = name;
  for (const each of document.querySelectorAll("[data-show]")) {
    each.setAttribute("aria-pressed", String(each.dataset.show === name));
  }
}
for (const each of document.querySelectorAll("[data-show]")) {
  each.addEventListener("click", () => pane(each.dataset.show));
}
byId("review").addEventListener("click", review);
byId("see").addEventListener("click", () => keep(true));
byId("discard").addEventListener("click", discard);
byId("remove")?.addEventListener("click", removal);
if (!facts.tag && byId("remove")) byId("remove").parentElement.hidden = true;

const named = () => decodeURIComponent(location.hash.replace(/^#promo-/, ""));
addEventListener("hashchange", () => form?.openFirst(named()));

restore();
area.set(text);
if (form) {
  const { doc, error } = parsed();
  if (error) form.refuse("The form follows once the JSON can be read.");
  else { form.show(doc); form.openFirst(named()); }
  pane("form");
} else {
  pane("text");
}
keep();
check();
