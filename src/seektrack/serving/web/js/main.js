/** The page: which view is shown, the question, the keys, and the door of servers that ask for a key. */
import { get, post } from "./api.js";
import { button, el, fill, tool } from "./dom.js";
import { help, key as askKey } from "./dialogs.js";
import { Home } from "./home.js";
import { Search, reading } from "./search.js";
import { Stream } from "./stream.js";
import { Workspace } from "./workspace.js";
import { note, trouble } from "./tray.js";
import { turn } from "./theme.js";

const main = document.getElementById("main"), question = document.getElementById("question"), actions = document.getElementById("actions");
const app = { about: null, library: null, view: null, last: "#/", back: () => app.last };
let asking = 0;

/** `#/video/ID?q=…` taken apart. */
function where() {
  const [path, params] = location.hash.replace(/^#/, "").split("?");
  return { parts: path.split("/").filter(Boolean), params: new URLSearchParams(params ?? "") };
}

async function show() {
  const mine = ++asking, { parts, params } = where();
  const library = params.get("in");
  if (library && app.about.libraries.includes(library)) app.library = library;
  app.view?.close();
  question.value = params.get("q") ?? "";
  reading(null);
  if (parts[0] === "video" && parts[1]) {
    app.view = new Workspace(app, parts[1], params);
  } else if (parts[0] === "stream" && parts[1]) {
    app.view = new Stream(app, decodeURIComponent(parts[1]));
  } else {
    app.last = location.hash || "#/";
    app.view = params.get("q") ? new Search(app, params.get("q")) : new Home(app);
  }
  fill(main, app.view.element);
  scrollTo(0, 0);
  const opening = app.view;
  try {
    await opening.open();
  } catch (error) {
    if (mine !== asking || error.status === 401) return;
    fill(main, el("div", { class: "empty" }, el("strong", { text: error.message }), el("p", { text: error.hint || "" }),
      el("div", {}, button("Try again", show, { class: "button primary" }), " ", el("a", { class: "button", href: "#/", text: "All videos" }))));
  }
  if (mine !== asking) opening.close();
}

function ask(event) {
  event.preventDefault();
  const text = question.value.trim();
  const next = text ? `#/?q=${encodeURIComponent(text)}` : "#/";
  if (location.hash !== next) location.hash = next;
  else if (app.about) show();
  question.blur();
  main.focus();
}

/** How a question is read while it is typed. */
let typing = 0;
function typed() {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const text = question.value.trim();
    if (!text || document.activeElement !== question) return;
    const told = await post("read", { text }).catch(() => null);
    if (told && question.value.trim() === text && document.activeElement === question) reading(told);
  }, 250);
}

function keys(event) {
  const command = event.ctrlKey || event.metaKey, taken = command && !["z", "y"].includes(event.key.toLowerCase());
  if (event.defaultPrevented || taken || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, [role=menu]");
  if (event.key === "Escape" && event.target === question) question.blur();
  if (typing) return;
  if (event.key === "/") question.focus(), question.select();
  else if (event.key === "?") help();
  else if ([" ", "Enter"].includes(event.key) && event.target.closest("button, a, label")) return;
  else if (!app.view?.key?.(event)) return;
  event.preventDefault();
}

function build() {
  const libraries = app.about.libraries;
  fill(actions,
    libraries.length > 1 ? el("select", { class: "button", "aria-label": "Library", onchange: (e) => (app.library = e.target.value, show()) }, libraries.map((name) => el("option", { text: name }))) : null,
    tool("theme", "Light, dark, or as the machine has it", () => note("Colours").done(turn())), tool("help", "Keys (?)", help));
}

async function start(wrong = "") {
  try {
    app.about = await get("about");
  } catch (error) {
    if (error.status === 401) {
      const given = await askKey(wrong);
      if (given !== null) {
        const refused = await post("login", { key: given }).then(() => "", (e) => e.message);
        return start(refused);
      }
    }
    return fill(main, el("div", { class: "empty" }, el("strong", { text: error.message }), el("p", { text: error.hint || "" }), button("Try again", () => start())));
  }
  app.library ??= app.about.libraries[0];
  build();
  addEventListener("hashchange", show);
  const early = question.value, shown = show();
  question.value ||= early;
  await shown;
}

// Before the server has answered too: what is typed early is asked when it has.
addEventListener("keydown", keys);
document.getElementById("ask").addEventListener("submit", ask);
question.addEventListener("input", typed);

addEventListener("unhandledrejection", (event) => trouble(event.reason));
start();
