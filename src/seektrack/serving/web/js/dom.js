/** Making elements without a template language: text is always text, never markup. */

const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 4.5h3.6v15H7zM13.4 4.5H17v15h-3.6z",
  back: "M15 5l-7 7 7 7",
  forth: "M9 5l7 7-7 7",
  select: "M5 3.5l13.5 8-6 1.6 3.4 6.1-2.6 1.4-3.3-6.1L5 19z",
  point: "M12 4v5M12 15v5M4 12h5M15 12h5M12 12h.01",
  box: "M5 6h14v12H5z",
  brush: "M14.5 4.5l5 5-8.5 8.5c-2 2-5 2.3-7.5 1.5 1.4-.8 1.2-2.4 2.5-4z",
  undo: "M8.5 5L4 9.5 8.5 14M4.5 9.5H14a5.5 5.5 0 0 1 0 11h-3",
  redo: "M15.5 5L20 9.5 15.5 14M19.5 9.5H10a5.5 5.5 0 0 0 0 11h3",
  next: "M5 5l8 7-8 7zM18 5v14",
  help: "M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 1.9M12 17.5h.01",
  theme: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 4v11M7 11l5 5 5-5M5 20h14",
};

/**
 * An element with its properties and children.
 * `on…` are listeners, `class`, `text` and `style` what they say, everything else an attribute; null leaves it out.
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else if (name === "class") node.className = value;
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A small drawing, hidden from screen readers: what it is on says what it does. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  const solid = name === "play" || name === "pause";
  path.setAttribute("fill", solid ? "currentColor" : "none");
  if (!solid) {
    for (const [k, v] of Object.entries({ stroke: "currentColor", "stroke-width": name === "point" ? 2.4 : 1.9,
      "stroke-linecap": "round", "stroke-linejoin": "round" })) path.setAttribute(k, v);
  }
  svg.append(path);
  return svg;
}

/** A button with a drawing; its label is read out and shown when pointed at. */
export function tool(name, label, onclick, more = {}) {
  return el("button", { type: "button", class: "button icon", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

/** A button with a word. */
export function button(text, onclick, more = {}) {
  return el("button", { type: "button", class: "button", onclick, ...more }, text);
}

/** Put new children in place of what is there. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** Scroll a box, and nothing around it, until something in it can be seen. */
export function reveal(box, inside) {
  if (!inside) return;
  const outer = box.getBoundingClientRect(), inner = inside.getBoundingClientRect(), edge = inner.height;
  if (inner.top < outer.top + edge) box.scrollTop -= outer.top + edge - inner.top;
  else if (inner.bottom > outer.bottom - edge) box.scrollTop += inner.bottom - outer.bottom + edge;
}

/** Seconds as `m:ss.d`, or `h:mm:ss.d`. */
export function clock(seconds, decimals = 1) {
  const unit = 10 ** decimals;
  const all = Math.round(Math.max(0, seconds) * unit);
  const s = Math.floor(all / unit), rest = decimals ? "." + String(all % unit).padStart(decimals, "0") : "";
  const head = s >= 3600 ? `${Math.floor(s / 3600)}:${String(Math.floor(s / 60) % 60).padStart(2, "0")}` : `${Math.floor(s / 60)}`;
  return `${head}:${String(s % 60).padStart(2, "0")}${rest}`;
}

/** A number with its noun: `1 frame`, `2 frames`. */
export function count(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
