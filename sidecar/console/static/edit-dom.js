// Elements. Whatever text is put into them stays text.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const button = (label, onclick, kind = "") =>
  el("button", { type: "button", class: `button ${kind}`.trim(), onclick }, label);

export const counted = (many, one, more = `${one}s`) => `${many} ${many === 1 ? one : more}`;

export const escaped = (part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1");

export const pointerOf = (path) => path.map((part) => `/${escaped(part)}`).join("");
