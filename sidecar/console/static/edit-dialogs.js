// What is asked before something is written: what changes, and for whom; both versions where somebody was faster.

import { button, el } from "./edit-dom.js";
import { besides, clipped } from "./edit-lines.js";

const dialog = document.getElementById("dialog");

export function ask(title, parts, tools) {
  const cross = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: close }, "×");
  dialog.replaceChildren(
    el("header", {}, el("h2", { id: "dialog-title", tabindex: "-1" }, title), cross),
    el("div", { class: "dialog-in" }, parts),
    el("footer", {}, tools),
  );
  if (!dialog.open) dialog.showModal();
  (dialog.querySelector("[data-first]") ?? dialog.querySelector("#dialog-title")).focus();
}

export const close = () => dialog.close();
export const cancel = () => button("Cancel", close, "quiet");

export function reason() {
  return el("div", { class: "f" }, el("label", { for: "why" }, "Why"),
    el("input", { type: "text", id: "why", maxlength: "500", autocomplete: "off", "aria-describedby": "why-hint" }),
    el("p", { class: "f-hint", id: "why-hint" }, "For the history; you may leave it empty."));
}
export const why = () => dialog.querySelector("#why")?.value.trim() ?? "";

// --- what changes --------------------------------------------------------------------------------------------------

const words = (pointer) => pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
  .join(" › ");
const shown = (value) => (typeof value === "string" ? value || "(empty)" : Array.isArray(value)
  && value.every((each) => typeof each !== "object") ? value.join(", ") || "(none)" : JSON.stringify(value, null, 1));

function member(each) {
  return el("div", { class: "member" }, el("dt", {}, words(each.pointer) || "all of it"), el("dd", {},
    "old" in each && el("del", {}, el("span", { class: "unseen" }, "before: "), shown(each.old)),
    "new" in each && el("ins", {}, el("span", { class: "unseen" }, "after: "), shown(each.new))));
}

export function content(differences, same) {
  const what = { added: "New", removed: "Removed", changed: "Changed" };
  const items = differences.map((each) => el("li", { class: `change ${each.what}` },
    el("p", {}, el("span", { class: "pill" }, what[each.what]), " ", el("strong", {}, each.promo || each.file)),
    each.members.length ? el("dl", {}, each.members.map(member)) : null,
    each.text ? el("pre", {}, each.text) : null));
  const none = same ? "Nothing." : "Only how it is written: spaces, or the order of members.";
  return el("section", { class: "changes", id: "content-diff" }, el("h3", {}, "What you change"),
    items.length ? el("ul", {}, items) : el("p", {}, none));
}

export function effects(verdict) {
  const { effects: told, findings, more_effects: more, more_findings: others } = verdict;
  const parts = [el("h3", {}, "What visitors see, the next four weeks")];
  if (verdict.too_many) {
    parts.push(el("p", {}, "So much is planned there that it is not looked at here; look at the preview, and run ",
      el("code", {}, "holdover promos occupancy"), " afterwards."));
  } else if (told.length) {
    parts.push(el("ul", {}, told.map((each) => el("li", {}, each))));
    if (more) parts.push(el("p", {}, `And ${more} more.`));
  } else {
    parts.push(el("p", {}, "Nobody sees anything else."));
  }
  if (findings.length) {
    parts.push(el("div", { class: "trouble" }, el("h4", {}, "Look at this"),
      el("ul", {}, findings.map((each) => el("li", {}, each))), others ? el("p", {}, `And ${others} more.`) : null));
  }
  return el("section", { class: "effects" }, parts);
}

// --- both versions -------------------------------------------------------------------------------------------------

// Written alike, so that only what they say differs; unless nothing else does, or one cannot be read.
function comparable(...texts) {
  try {
    const alike = texts.map((text) => JSON.stringify(JSON.parse(text), null, 2));
    return alike[0] === alike[1] ? texts : alike;
  } catch { return texts; }
}

export function versions(theirs, mine) {
  const rows = clipped(besides(...comparable(theirs ?? "", mine)));
  const cell = (line, kind) => el("td", { class: line === null ? "none" : kind }, line ?? "");
  const body = rows.map((row) => (row === null ? el("tr", { class: "left-out" }, el("td", { colspan: "2" }, "⋯"))
    : el("tr", { class: row.same ? "same" : "other" }, cell(row.left, row.same ? "" : "gone"),
      cell(row.right, row.same ? "" : "come"))));
  return el("div", { class: "versions", tabindex: "0", role: "group", "aria-label": "Both versions" },
    el("table", {}, el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, theirs === null ? "There: it was removed" : "There now"),
      el("th", { scope: "col" }, "Yours"))), el("tbody", {}, body)));
}

export const problemsOf = (problems) => el("ul", { class: "said" }, problems.map((each) => el("li", {},
  each.file && el("code", {}, `${each.file}:${each.line}:${each.column}`), " ",
  each.pointer && el("code", {}, each.pointer), " ", each.message,
  each.remedy && el("em", {}, ` → ${each.remedy}`))));
