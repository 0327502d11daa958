/** Dialogs: a choice, a key, what the keys do; and menus. */
import { button, el } from "./dom.js";

function open(dialog, first = null) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.showModal();
  first?.focus();
}

/** One of some `[value, text]`; null when it is left. */
export function choice(title, options, word) {
  return new Promise((resolve) => {
    const select = el("select", { "aria-label": title }, options.map(([value, text]) => el("option", { value, text })));
    const dialog = el("dialog", { "aria-label": title });
    dialog.append(el("form", { method: "dialog" }, el("h2", { text: title }), select,
      el("div", { class: "row" }, button("Cancel", () => dialog.close()), el("button", { class: "button primary", value: "yes", text: word }))));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? select.value : null));
    open(dialog, select);
  });
}

/** The API key a server asks for; null when it is left. */
export function key(wrong) {
  return new Promise((resolve) => {
    const input = el("input", { type: "password", autocomplete: "current-password", "aria-label": "API key" });
    const dialog = el("dialog", { "aria-label": "API key" });
    dialog.append(el("form", { method: "dialog" }, el("h2", { text: "This server asks for a key" }),
      el("p", { class: "soft", text: wrong || "Whoever runs it has one for you. It is kept until you close the browser." }), input,
      el("div", { class: "row" }, el("button", { class: "button primary", value: "yes", text: "Open" }))));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value : null));
    open(dialog, input);
  });
}

const KEYS = [
  ["/", "ask something else"], ["space", "play, pause"], [", .", "one frame back, forth"], ["← →", "ten frames back, forth"],
  ["n", "next doubtful frame"], ["Shift n", "doubtful frame before"], ["[ ]", "object before, after"],
  ["v c b r", "look, click, box, brush"], ["arrows, Enter, x", "with a tool, in the picture: move the mark, set it, set it as not the object"],
  ["Alt or right click", "click on what is not the object; brush that wipes"], ["+ −", "a larger, a smaller brush"],
  ["a", "the next click begins another object"], ["F2, Del", "rename, delete the chosen object"], ["z, Shift z", "undo, redo; also with Ctrl"],
  ["m o t l", "masks, outlines, trails, names on and off"], ["Esc", "leave a tool, an object, the video"], ["?", "these keys"],
];

/** What the keys do. */
export function help() {
  const dialog = el("dialog", { "aria-label": "Keys" });
  dialog.append(el("h2", { text: "Keys" }), el("dl", {}, KEYS.map(([keys, what]) => [
    el("dt", {}, keys.split(", ").map((one) => [el("kbd", { text: one }), " "])), el("dd", { text: what }),
  ])), el("div", { class: "row" }, button("Close", () => dialog.close())));
  open(dialog);
}

/** A button that opens a menu of `[name, about, chosen]`. */
export function menu(label, items, props = {}) {
  const list = el("div", { role: "menu", hidden: true, "aria-label": label });
  const opener = button(label, () => toggle(list.hidden), { "aria-haspopup": "menu", "aria-expanded": "false", ...props });
  const whole = el("div", { class: "menu" }, opener, list);
  const outside = (event) => whole.contains(event.target) || toggle(false);
  function toggle(shown) {
    list.hidden = !shown;
    opener.setAttribute("aria-expanded", String(shown));
    if (shown) {
      list.firstElementChild?.focus();
      addEventListener("pointerdown", outside);
    } else {
      removeEventListener("pointerdown", outside);
    }
  }
  list.append(...items.map(([name, about, chosen]) => el("button", {
    type: "button", role: "menuitem", tabindex: "-1", onclick: () => (toggle(false), opener.focus(), chosen()),
  }, name, about && el("small", { text: about }))));
  list.addEventListener("keydown", (event) => {
    const rows = [...list.children], at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + rows.length, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) rows[to % rows.length].focus();
    else if (event.key === "Escape") (toggle(false), opener.focus());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return whole;
}
