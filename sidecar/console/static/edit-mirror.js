// The document as text in CodeMirror, where it was installed (scripts/codemirror). It does what edit-text.js does, with
// colours, folding, search, and what is wrong under its own words.

import { el } from "./edit-dom.js";

// null when the library cannot be used: the plain text does.
export async function createMirror(address, onInput) {
  let cm;
  try { cm = await import(address); } catch { return null; }
  const box = document.getElementById("code"), host = el("div");
  box.classList.add("mirror");
  box.replaceChildren(host);
  // Within a shadow its styles are sheets that the policy allows; in the document they would be inline.
  const root = host.attachShadow({ mode: "open" });
  const { tags: t } = cm;
  const colours = cm.HighlightStyle.define([
    { tag: t.propertyName, color: "var(--banner)" },
    { tag: t.string, color: "var(--brand-2)" },
    { tag: [t.number, t.bool, t.null], color: "var(--boosted-odds)" },
  ]);
  const look = cm.EditorView.theme({
    "&": { height: "100%", fontSize: "13px", color: "var(--ink)" },
    "&.cm-focused": { outline: "none" },
    ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "21px" },
    ".cm-content": { padding: "12px 0", caretColor: "var(--ink)" },
    ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink-3)", border: "0" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--sunk) 55%, transparent)" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--brand-soft) !important" },
    ".cm-cursor": { borderLeftColor: "var(--ink)" },
    ".cm-tooltip, .cm-panels": { backgroundColor: "var(--panel)", color: "var(--ink)", border: "1px solid var(--edge-2)" },
    ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  });
  let quiet = false;
  const attributes = { "aria-label": document.querySelector("h1").textContent + " as JSON", id: "text" };
  const view = new cm.EditorView({
    root, parent: root,
    extensions: [
      cm.basicSetup, cm.json(), cm.lintGutter(), cm.keymap.of([cm.indentWithTab]), look,
      cm.syntaxHighlighting(colours), cm.EditorView.contentAttributes.of(attributes),
      cm.EditorView.updateListener.of((update) => {
        if (update.docChanged && !quiet) onInput(view.state.doc.toString());
      }),
    ],
  });
  const at = (line, column) => {
    const doc = view.state.doc, found = doc.line(Math.min(Math.max(line, 1), doc.lines));
    // Columns count characters, positions count halves of pairs.
    return Math.min(found.to, found.from + [...found.text].slice(0, column - 1).join("").length);
  };
  return {
    set(text) {
      const doc = view.state.doc.toString();
      if (doc === text) return;
      // Only what differs, so that the place and the history of undoing stay.
      let from = 0, tail = 0;
      const most = Math.min(doc.length, text.length);
      while (from < most && doc[from] === text[from]) from++;
      while (tail < most - from && doc.at(-1 - tail) === text.at(-1 - tail)) tail++;
      quiet = true;
      view.dispatch({ changes: { from, to: doc.length - tail, insert: text.slice(from, text.length - tail) } });
      quiet = false;
    },
    mark(problems) {
      view.dispatch(cm.setDiagnostics(view.state, problems.map(({ line, column, message, remedy }) => {
        const from = at(line, column), rest = view.state.doc.lineAt(from).to;
        const told = remedy ? `${message} → ${remedy}` : message;
        return { from, to: rest, severity: "error", message: told };
      })));
    },
    reveal(line) {
      view.dispatch({ effects: cm.EditorView.scrollIntoView(at(line, 1), { y: "center" }) });
    },
    go(line, column) {
      view.dispatch({ selection: { anchor: at(line, column) } });
      this.reveal(line);
      view.focus();
    },
  };
}
