// Fields of a form, each bound to one place in the document.

import { el, pointerOf } from "./edit-dom.js";
import { get, said, set } from "./edit-document.js";

// `page`: `doc`, `onChange`, `show`, and `places`, by pointer: what each field consists of.
export function createFields(page) {
  let told = 0;

  const unique = (prefix) => `${prefix}-${++told}`;
  const change = (path, value) => { set(page.doc, path, value); page.onChange(page.doc); };
  const rebuild = (path, value) => { change(path, value); page.show(page.doc); };

  function place(path, box, control) {
    const wrong = el("p", { class: "f-wrong", id: unique("wrong"), hidden: true });
    page.places.set(pointerOf(path), { box, control, wrong });
    return wrong;
  }

  function field(label, path, { control, hint = "", wide = false, write, event = "input" }) {
    const id = unique("f");
    control.id = id;
    control.dataset.pointer = pointerOf(path);
    if (hint) control.dataset.hint = `${id}-hint`;
    if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
    control.addEventListener(event, () => write(control.value));
    const box = el("div", { class: wide ? "f wide" : "f" }, el("label", { for: id }, label), control);
    if (hint) box.append(el("p", { class: "f-hint", id: `${id}-hint` }, hint));
    box.append(place(path, box, control));
    return box;
  }

  function text(label, path, { needed = false, lines = 0, wide = false, hint, list, type = "text", ...more } = {}) {
    const value = said(get(page.doc, path));
    const control = lines ? el("textarea", { rows: lines, ...more }) : el("input", { type, list, ...more });
    control.value = value;
    const write = (typed) => change(path, typed === "" && !needed ? undefined : typed);
    return field(label, path, { control, hint, wide: wide || lines > 0, write });
  }

  function number(label, path, { needed = false, ...more } = {}) {
    const { hint, ...rest } = more;
    const control = el("input", { type: "number", inputmode: "decimal", ...rest });
    control.value = said(get(page.doc, path));
    const write = (typed) => change(path, typed === "" ? (needed ? "" : undefined) : Number(typed));
    return field(label, path, { control, hint, write });
  }

  function choice(label, path, options, { hint, again = false, optional = false } = {}) {
    const value = said(get(page.doc, path));
    const known = options.some(([each]) => each === value) ? options : [[value, value || "choose"], ...options];
    const control = el("select", {}, known.map(([each, title]) =>
      el("option", { value: each, selected: each === value }, title)));
    const write = (chosen) => (again ? rebuild : change)(path, chosen === "" && optional ? undefined : chosen);
    return field(label, path, { control, hint, write, event: "change" });
  }

  function time(label, path) {
    const value = said(get(page.doc, path));
    const plain = value === "" || /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(value);
    const step = /:\d\d:\d\d$/.test(value) ? "1" : null;
    return text(label, path, plain ? { needed: true, type: "datetime-local", step, max: "9999-12-31T23:59" }
      : { needed: true, hint: "As 2026-11-26T12:00, with its offset where clocks change." });
  }

  function chips(label, path, known, { hint = "", needed = false } = {}) {
    const chosen = Array.isArray(get(page.doc, path)) ? get(page.doc, path) : [];
    const all = [...new Set([...known, ...chosen.filter((each) => typeof each === "string")])];
    const box = el("fieldset", { class: "f wide chips" }, el("legend", {}, label, hint && el("small", {}, hint)));
    for (const each of all) {
      const input = el("input", { type: "checkbox", value: each, checked: chosen.includes(each) });
      input.addEventListener("change", () => {
        const now = Array.isArray(get(page.doc, path)) ? get(page.doc, path) : [];
        const next = input.checked ? [...now, each] : now.filter((other) => other !== each);
        change(path, next.length || needed ? next : undefined);
      });
      box.append(el("label", { class: "chip" }, input, el("span", {}, each)));
    }
    box.append(place(path, box, box.querySelector("input")));
    return box;
  }

  function group(title, path, children, tools = []) {
    const box = el("fieldset", { class: "group" }, el("legend", {}, title), el("div", { class: "fs" }, children));
    if (tools.length) box.append(el("div", { class: "group-tools" }, tools));
    if (path) box.append(place(path, box, null));
    return box;
  }

  return { change, rebuild, place, field, text, number, choice, time, chips, group };
}
