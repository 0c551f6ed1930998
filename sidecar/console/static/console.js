// Times of the viewer, countdowns, and pages that follow what is live. Without it, every page still says everything.

const root = document.documentElement;
const status = document.getElementById("status");
const live = document.getElementById("live");

// --- theme ---------------------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
const toggle = document.getElementById("theme");
const label = () => {
  toggle.setAttribute("aria-pressed", String(theme() === "dark"));
};
toggle.addEventListener("click", () => {
  root.dataset.theme = theme() === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* kept until the page is left */ }
  label();
});
dark.addEventListener("change", label);
label();

// --- times ---------------------------------------------------------------------------------------------------------

const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
function duration(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  for (let i = 0; i < 3; i++) {
    const [size, unit] = units[i], [lesser, small] = units[i + 1];
    if (left < size) continue;
    const rest = left % size;
    return `${Math.floor(left / size)} ${unit}` + (rest >= lesser ? ` ${Math.floor(rest / lesser)} ${small}` : "");
  }
  return `${left} s`;
}

const day = { weekday: "short", day: "numeric", month: "short" };
const near = new Intl.DateTimeFormat("en-GB", { ...day, hour: "2-digit", minute: "2-digit" });
const far = new Intl.DateTimeFormat("en-GB", { ...day, year: "numeric", hour: "2-digit", minute: "2-digit" });
function local(at) {
  const shape = Math.abs(at - Date.now()) > 300 * 86_400_000 ? far : near;
  return shape.format(at).replaceAll(",", "") + " your time";
}
function localise(within) {
  for (const time of within.querySelectorAll("time[data-local]")) {
    time.textContent = local(new Date(time.dateTime));
  }
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const link of within.querySelectorAll("a[data-zone]")) {
    const target = new URL(link.href);
    target.searchParams.set("zone", zone);
    link.href = target;
    link.hidden = false;
    link.title = zone;
  }
  for (const scroller of within.querySelectorAll("[data-scroll]")) {
    const line = scroller.querySelector(".now-line");
    if (line) scroller.scrollLeft = Number(line.getAttribute("x1")) - scroller.clientWidth / 3;
  }
  count();
}

// Clocks differ; what counts is the time since the page was made.
let made = Date.now();
function count() {
  const now = Number(main().dataset.now) + (Date.now() - made) / 1000;
  for (const time of document.querySelectorAll("[data-until]")) {
    const left = Number(time.dataset.until) - now;
    const said = duration(left);
    if (time.textContent !== said) time.textContent = said;
  }
  for (const bar of document.querySelectorAll("progress[data-from]")) {
    const from = Number(bar.dataset.from), to = Number(bar.dataset.to);
    bar.value = Math.min(1, Math.max(0, (now - from) / (to - from)));
  }
  const change = Number(main().dataset.change);
  if (change && now >= change + 0.2) { main().dataset.change = ""; refresh(); }
}
setInterval(count, 1000);

// --- following -----------------------------------------------------------------------------------------------------

const main = () => document.getElementById("main");
let asking = null, stream = null;

// So that others see that this page, too, shows what was edited or killed.
function acknowledge() {
  if (stream !== null) fetch(`/v1/promos?stream=${stream}`, { method: "HEAD" }).catch(() => {});
}

// A draft is in this browser alone: with each question about it the server is told what it says.
function question(address) {
  const file = new URL(address, location.href).searchParams.get("draft");
  if (!file) return {};
  let text = null;
  try { text = JSON.parse(localStorage.getItem(`draft:${file}`)).text; } catch { /* there is none */ }
  return { method: "POST", body: JSON.stringify({ file, text }) };
}

// A form that is on its way leads to another page; what it changes may be told before that has come.
let leaving = false;
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  leaving = true;
  asking?.abort();
});
addEventListener("pageshow", () => { leaving = false; });

async function refresh(address = location.href, say = "Updated") {
  // What somebody types there is not swapped away.
  if (main().dataset.stay) { document.dispatchEvent(new Event("edited")); acknowledge(); return; }
  asking?.abort();
  if (leaving) return;
  const mine = asking = new AbortController();
  try {
    const headers = { Accept: "text/html", "Content-Type": "application/json" };
    const answer = await fetch(address, { signal: mine.signal, headers, ...question(address) });
    // A session has ended.
    if (answer.redirected) { location.assign(answer.url); return; }
    if (answer.status >= 500) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("main");
    if (!next) throw new Error("no page");
    swap(next, page.title);
    const links = page.querySelectorAll(".tabs a");
    document.querySelectorAll(".tabs a").forEach((link, n) => { link.href = links[n].getAttribute("href"); });
    document.querySelector(".foot").replaceChildren(...page.querySelector(".foot").childNodes);
    status.textContent = say;
    offline(false);
    acknowledge();
  } catch (error) {
    if (error.name !== "AbortError") offline(true);
  }
}

function swap(next, title) {
  const old = main(), focused = document.activeElement;
  const id = old.contains(focused) ? focused.id : "";
  const typed = id && focused.matches("input[type=text], input[type=date]")
    ? { value: focused.value, start: focused.selectionStart, end: focused.selectionEnd } : null;
  const filled = new Map([...old.querySelectorAll("form[method=post] input[id]")].map((each) => [each.id, each]));
  const open = new Map([...old.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
  const scrolled = new Map([...old.querySelectorAll("[data-scroll]")].map((each) => [each.id, each.scrollLeft]));
  for (const name of Object.keys(old.dataset)) delete old.dataset[name];
  Object.assign(old.dataset, next.dataset);
  old.replaceChildren(...next.childNodes);
  document.title = title;
  made = Date.now();
  for (const each of old.querySelectorAll("form[method=post] input[id]")) {
    const before = filled.get(each.id);
    if (before) [each.value, each.checked] = [before.value, before.checked];
  }
  for (const each of old.querySelectorAll("details[id]")) if (open.has(each.id)) each.open = open.get(each.id);
  prepare();
  for (const each of old.querySelectorAll("[data-scroll]")) {
    if (scrolled.has(each.id)) each.scrollLeft = scrolled.get(each.id);
  }
  const again = id && document.getElementById(id);
  if (!again) return;
  if (typed) {
    again.value = typed.value;
    if (typed.start !== null) again.setSelectionRange(typed.start, typed.end);
  }
  again.focus({ preventScroll: true });
}

// --- forms ---------------------------------------------------------------------------------------------------------

function go(address) {
  history.pushState(null, "", address);
  refresh(address, "Shown");
}
addEventListener("popstate", () => refresh());

function address(form) {
  const target = new URL(form.action);
  target.search = "";
  for (const [name, value] of new FormData(form)) if (value) target.searchParams.append(name, value);
  return target;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form && form.checkValidity()) go(address(form));
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-auto]")) return;
  event.preventDefault();
  go(address(event.target));
});

// On a phone the pickers are folded until somebody opens them.
const narrow = matchMedia("(max-width: 719px)");
let opened = false;
function prepare() {
  localise(main());
  const box = document.getElementById("pickers");
  if (box && !box.dataset.ready) {
    if (narrow.matches && !opened) box.open = false;
    box.dataset.ready = "yes";
    box.addEventListener("toggle", () => { opened = box.open; });
  }
  const slider = document.getElementById("slider");
  if (!slider) return;
  const turns = [...document.querySelectorAll("#turns a")];
  const said = document.getElementById("slider-said");
  const tell = () => {
    const turn = turns[Number(slider.value)];
    slider.setAttribute("aria-valuetext", turn.dataset.when + ": " + turn.dataset.what);
    said.textContent = turn.dataset.when + " · " + turn.dataset.what;
  };
  slider.addEventListener("input", tell);
  slider.addEventListener("change", () => go(turns[Number(slider.value)].href));
}

// --- events --------------------------------------------------------------------------------------------------------

function offline(is) {
  live.dataset.state = is ? "away" : "live";
  live.querySelector("span").textContent = is ? "Reconnecting" : "Live";
}

if ("EventSource" in window) {
  const events = new EventSource("/v1/promos/events?instance=console");
  events.addEventListener("open", () => offline(false));
  events.addEventListener("error", () => offline(true));
  events.addEventListener("revision", (event) => {
    offline(false);
    stream = JSON.parse(event.data).stream;
    if (event.lastEventId === main().dataset.event) acknowledge(); else refresh();
  });
  live.hidden = false;
}
// A list that is open would close; nothing tells that it is.
let touched = 0;
for (const name of ["pointerdown", "keydown"]) addEventListener(name, () => { touched = Date.now(); });
const busy = () => document.activeElement.matches("select") && Date.now() - touched < 20000;
// Mistakes in files change nothing that is shown.
const follow = () => { if (!document.hidden && main().dataset.follow && !busy()) refresh(location.href, ""); };
setInterval(follow, 10000);
document.addEventListener("visibilitychange", follow);

prepare();
if (question(location.href).body) refresh(location.href, "Shown");
