// The document as text: line numbers, marks where something is wrong, and a Tab key that can be left.

import { el } from "./edit-dom.js";

export function createText(onInput) {
  const area = document.getElementById("text");
  const numbers = document.getElementById("numbers"), lines = document.getElementById("lines");
  let count = 0, leaving = false;

  const number = () => {
    const many = area.value.split("\n").length;
    if (many === count) return;
    count = many;
    numbers.textContent = Array.from({ length: many }, (_, i) => i + 1).join("\n");
  };
  const scroll = () => {
    numbers.style.setProperty("transform", `translateY(${-area.scrollTop}px)`);
    lines.style.setProperty("transform", `translateY(${-area.scrollTop}px)`);
  };
  const insert = (text) => {
    // So that it can be undone; where browsers have it no more, the text comes all the same.
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input"));
    }
  };
  area.addEventListener("input", () => { number(); onInput(area.value); });
  area.addEventListener("scroll", scroll, { passive: true });
  area.addEventListener("blur", () => { leaving = false; });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leaving = true; return; }
    if (event.key === "Tab" && !event.shiftKey && !leaving) {
      event.preventDefault();
      insert("  ");
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const before = area.value.slice(0, area.selectionStart);
      insert("\n" + /[^\n]*$/.exec(before)[0].match(/^ */)[0]);
    }
    if (event.key !== "Shift") leaving = false;
  });

  return {
    set(text) {
      if (area.value === text) return;
      const { scrollTop, scrollLeft } = area;
      area.value = text;
      area.scrollTo(scrollLeft, scrollTop);
      number();
      scroll();
    },
    mark(problems) {
      const worst = new Map();
      for (const each of problems) worst.set(each.line, [...(worst.get(each.line) ?? []), each.message]);
      lines.replaceChildren(...[...worst].map(([line, messages]) => {
        const mark = el("i", { title: messages.join("\n"), "data-line": line });
        mark.style.setProperty("--line", line);
        return mark;
      }));
    },
    reveal(line) {
      area.scrollTop = Math.max(0, (line - 5) * parseFloat(getComputedStyle(area).lineHeight));
    },
    go(line, column) {
      const all = area.value.split("\n");
      const at = all.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
      // Columns count characters, selections count halves of pairs.
      const into = [...(all[line - 1] ?? "")].slice(0, column - 1).join("").length;
      area.focus({ preventScroll: true });
      area.setSelectionRange(at + into, at + into);
      area.scrollLeft = 0;
      this.reveal(line);
      area.closest(".pane").scrollIntoView({ block: "nearest" });
    },
  };
}
