// What is written, once it was looked at, and only over what its author has seen.

import { button, el } from "./edit-dom.js";
import { ask, cancel, close, content, effects, problemsOf, reason, versions, why } from "./edit-dialogs.js";

const byId = (id) => document.getElementById(id);
const STATES = {
  good: "Live", kept: "Kept as it was", held: "Waits to be confirmed", refused: "Not live", removed: "Removed",
};

export function createPublishing(file, draft, page) {
  const API = `/v1/promos/files/${file.split("/").map(encodeURIComponent).join("/")}`;

  const preview = () => el("a", { href: byId("see").href, target: "_blank", class: "button",
    onclick: () => page.keep(true) }, "Preview it");

  async function review() {
    const told = (page.verdict()?.text === draft.text && page.verdict()) || await page.check();
    if (!told) return;
    if (told.count) {
      byId("wrongs").focus();
      byId("wrongs").scrollIntoView({ block: "nearest" });
      return;
    }
    if (told.tag !== draft.tag) { conflict(); return; }
    const same = draft.text === draft.base && draft.tag !== "";
    const go = button("Publish", () => send("PUT"), "main");
    go.disabled = same;
    ask("Review and publish", [content(told.differences, same), effects(told), reason()], [preview(), cancel(), go]);
  }

  async function removal() {
    let told;
    try {
      told = await page.asked(null);
    } catch (error) {
      ask("Remove this file", [el("p", {}, error.message)], [cancel()]);
      return;
    }
    const seen = told.count ? problemsOf([...told.problems, ...told.elsewhere]) : effects(told);
    ask(`Remove ${file}?`, [content(told.differences, false), seen, reason()],
      [cancel(), button("Remove the file", () => send("DELETE"), "main bad")]);
  }

  async function send(method) {
    const sent = draft.text, reasons = why();
    const seen = draft.tag ? { "If-Match": `"${draft.tag}"` } : { "If-None-Match": "*" };
    const headers = { "Content-Type": "application/json", ...seen };
    page.busy(true);
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
      page.busy(false);
    }
  }

  function written(method, sent, told) {
    if (method === "DELETE") {
      page.forget();
    } else {
      Object.assign(draft, { tag: told.tag, base: sent, seen: told.tag });
      byId("remove")?.parentElement.removeAttribute("hidden");
      history.replaceState(null, "", location.pathname + location.hash);
      page.keep();
      page.check();
    }
    for (const name of ["restored", "changed", "discarded", "removed"]) page.notice(name, null);
    outcome(method, told);
  }

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
        onclick: page.leave }, "Sign in"));
    } else if (!status || status >= 500) {
      tools.push(button("Try again", review, "main"));
    }
    ask("Not published", parts, tools);
    page.check();
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
        page.forget();
        location.assign("/console/edit");
        return;
      }
      Object.assign(draft, { tag: current.tag, base: theirs, seen: current.tag });
      close();
      page.use(theirs);
      for (const name of ["restored", "changed"]) page.notice(name, null);
    };
    const go = async () => {
      const there = current?.tag ?? "";
      Object.assign(draft, { tag: there, base: theirs ?? "", seen: there });
      close();
      page.use(draft.text);
      await page.check();
      await review();
    };
    const parts = [el("p", {}, "Nothing of yours is written. Look at both, and choose."), versions(theirs, draft.text)];
    const back = button(theirs === null ? "Leave it removed" : "Take theirs", take);
    ask("Changed by somebody else meanwhile", parts, [cancel(), back,
      button("Go on with mine, over theirs", go, "main")]);
  }

  return { review, removal, conflict };
}
