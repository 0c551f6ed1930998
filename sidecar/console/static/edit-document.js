// The document: its members, read and written by path.

const ORDER = ["$schema", "promos", "id", "kind", "slot", "priority", "content", "title", "text", "action", "image",
  "src", "alt", "link", "start", "end", "timezone", "audience", "jurisdictions", "languages", "devices", "segments",
  "visitors", "rollout", "variants", "terms", "short", "odds", "provider", "event", "market", "selection", "price",
  "bookmaker", "max_age_s"];

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
export const said = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

export const get = (value, path) => path.reduce((here, part) => (here === null || here === undefined ? undefined
  : Object.hasOwn(Object(here), part) ? here[part] : undefined), value);

// New members stand where people expect them; what is there keeps its place.
function put(object, name, value) {
  const place = ORDER.indexOf(name);
  const later = place < 0 ? -1 : Object.keys(object).findIndex((key) => ORDER.indexOf(key) > place);
  if (Array.isArray(object) || Object.hasOwn(object, name) || later < 0) { object[name] = value; return; }
  const entries = Object.entries(object);
  entries.splice(later, 0, [name, value]);
  for (const key of Object.keys(object)) delete object[key];
  for (const [key, each] of entries) object[key] = each;
}

export function set(value, path, member) {
  let here = value;
  for (const part of path.slice(0, -1)) {
    if (here[part] === null || typeof here[part] !== "object") put(here, part, {});
    here = here[part];
  }
  if (member === undefined) delete here[path.at(-1)];
  else put(here, path.at(-1), member);
}
