// One document in two shapes. It is judged while it is typed, kept in this browser until it is published, and written
// only over what its author has seen.

import { button, counted, el } from "./edit-dom.js";
import { effects } from "./edit-dialogs.js";
import { createForm } from "./edit-form.js";
import { createMirror } from "./edit-mirror.js";
import { createPublishing } from "./edit-publish.js";
import { createText } from "./edit-text.js";

const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const { file } = facts;
const KEY = `draft:${file}`, QUIET_MS = 300, FOLLOW_MS = 120;

// `tag`: of the version that was edited, "" where there was none. `seen` and `base`: tag and text of what is there.
const draft = { text: facts.text, tag: facts.tag, seen: facts.tag, base: facts.text };
let verdict = null, newest = 0, timer = 0, asking = null, busy = false, touched = false, leaving = false;

// --- the draft in this browser -------------------------------------------------------------------------------------

function keep(always = false) {
  try {
    if (draft.text === draft.base && !always) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ ...draft, at: Date.now() }));
  } catch { /* storage is full or refused: leaving the page asks first */ }
  byId("discard").disabled = draft.text === draft.base;
}

function forget() {
  try { localStorage.removeItem(KEY); } catch { /* there is none then */ }
  leaving = true;
}

function restore() {
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(KEY)); } catch { /* none that can be read */ }
  // One that was stored to be previewed alone says what was there.
  if (typeof kept?.text !== "string" || kept.text === facts.text || kept.text === kept.base) return;
  Object.assign(draft, { text: kept.text, tag: String(kept.tag) });
  const at = new Date(kept.at);
  const day = at.toDateString() === new Date().toDateString() ? "" : `${at.toLocaleDateString("en-GB")} `;
  const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  notice("restored", [`Your unsaved draft of ${day}${clock} is back.`], [button("Discard it", discard, "small")]);
}

function discard() {
  const { text, tag } = draft;
  notice("restored", null);
  notice("changed", null);
  draft.tag = draft.seen;
  use(draft.base);
  notice("discarded", ["The draft is discarded."], [button("Undo", () => {
    notice("discarded", null);
    draft.tag = tag;
    use(text);
  }, "small")]);
}

// What was restored and not touched is where it was.
addEventListener("beforeunload", (event) => {
  if (touched && draft.text !== draft.base && !leaving) event.preventDefault();
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
  try { return { doc: JSON.parse(draft.text) }; } catch (error) { return { error }; }
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
  const before = draft.text;
  draft.text = JSON.stringify(doc, null, 2) + "\n";
  area.set(draft.text);
  changed();
  if (said) {
    notice("removed", [said], [button("Undo", () => { notice("removed", null); use(before); }, "small")]);
  }
}) : null;

// By the text: the form follows where it can be read.
const byText = (typed) => {
  draft.text = typed;
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
    else if (verdict && verdict.text === draft.text && !verdict.plain) {
      form.refuse("The JSON has a mistake that a form would lose, such as a name that stands twice. Mend it there.");
    }
    else form.show(doc);
  }, FOLLOW_MS);
}

// Another text as a whole.
function use(next) {
  draft.text = next;
  area.set(next);
  changed();
  follow();
}

// --- what is said of it --------------------------------------------------------------------------------------------

async function asked(text, signal = null) {
  const answer = await fetch("/console/edit/check", {
    method: "POST", body: JSON.stringify({ file, text }), headers: { "Content-Type": "application/json" },
    signal,
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).message ?? `${answer.status}`);
  return answer.json();
}

// Answers may come in another order than they were asked for; only the newest counts.
async function check() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const mine = ++newest, sent = draft.text;
  byId("verdict").dataset.state = "busy";
  try {
    const told = await asked(sent, asking.signal);
    if (mine !== newest || sent !== draft.text) return null;
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
  else said("good", changes ? `Good, ${counted(changes, "change")}` : draft.text === draft.base && draft.tag ? "No changes" : "Good");
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
  if (!busy && verdict.tag !== draft.tag) {
    const compare = button("Compare", () => publishing.conflict(), "small");
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
const publishing = createPublishing(file, draft, {
  check, asked, use, keep, forget, notice,
  verdict: () => verdict,
  busy: (is) => { busy = is; },
  leave: () => { leaving = true; },
});
byId("review").addEventListener("click", publishing.review);
byId("see").addEventListener("click", () => keep(true));
byId("discard").addEventListener("click", discard);
byId("remove")?.addEventListener("click", publishing.removal);
if (!draft.tag && byId("remove")) byId("remove").parentElement.hidden = true;

const named = () => decodeURIComponent(location.hash.replace(/^#promo-/, ""));
addEventListener("hashchange", () => form?.openFirst(named()));

restore();
area.set(draft.text);
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
