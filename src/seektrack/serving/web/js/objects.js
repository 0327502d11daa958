/** The objects of a session as a list: chosen, renamed, merged, split, deleted. */
import { button, clock, el, fill, reveal, tool } from "./dom.js";
import { css } from "./colours.js";
import { choice } from "./dialogs.js";

export class Objects extends EventTarget {
  constructor() {
    super();
    this.list = el("ul", { class: "objects", "aria-label": "Objects" });
    this.edit = el("div", { class: "edit" });
    this.undo = tool("undo", "Undo (z)", () => this.#tell("undo"));
    this.redo = tool("redo", "Redo (Shift+Z)", () => this.#tell("redo"));
    this.element = el("section", { class: "panel", "aria-label": "Objects" },
      el("h2", {}, el("span", { text: "Objects" }), el("span", { class: "right" }, this.undo, this.redo)), this.list, this.edit);
    this.items = [];
    this.chosen = null;
    this.show([], null, []);
  }

  #tell(name, more = {}) {
    this.dispatchEvent(Object.assign(new Event(name), more));
  }

  /** @param edits what was done by hand, as the session tells it. */
  show(items, chosen, edits) {
    const turned = chosen !== this.chosen, at = this.list.scrollTop;
    this.items = items;
    this.chosen = chosen;
    this.undo.disabled = !edits.some((e) => !e.undone);
    this.redo.disabled = !edits.some((e) => e.undone);
    const focused = document.activeElement?.dataset?.object;
    fill(this.list, items.length ? items.map((one) => this.#item(one)) : el("li", { class: "soft pad" },
      el("p", { text: "None yet. Take the click tool and click on something in the picture, or draw a box around it." })));
    this.list.scrollTop = at;
    if (focused) this.list.querySelector(`[data-object="${focused}"]`)?.focus();
    if (turned) reveal(this.list, this.list.querySelector(".object.chosen"));
    this.edit.hidden = chosen === null;
    fill(this.edit, chosen === null ? [] : [
      button("Rename", () => this.rename(), { title: "Rename (F2)" }),
      button("Split here", () => this.#tell("split", { id: chosen }), { title: "From this frame on it is another object" }),
      button("Merge into…", () => this.#merge(), { disabled: items.length < 2 }),
      button("Delete", () => this.#tell("delete", { id: chosen }), { title: "Delete (Del)" }),
    ]);
  }

  #item(one) {
    const first = one.first_s === undefined ? null : `${clock(one.first_s)} – ${clock(one.last_s)}`;
    const sure = one.score === null ? "unknown" : `${Math.round(100 * (one.score ?? 0))}%`;
    return el("li", { class: `object${one.obj_id === this.chosen ? " chosen" : ""}`, onclick: () => this.#tell("choose", { id: one.obj_id }) },
      el("i", { class: "swatch", style: { "--c": css(one.obj_id) } }),
      el("button", {
        type: "button", class: "what", "data-object": one.obj_id, "aria-pressed": String(one.obj_id === this.chosen),
        ondblclick: () => this.rename(), onkeydown: (e) => e.key === "F2" && this.rename(),
      }, el("span", { text: `${one.label || "object"} ${one.obj_id}` }), el("small", { class: "num", text: first ?? "one frame" })),
      el("small", { class: "soft num", text: sure, title: "how sure it is that this is what was asked for" }));
  }

  /** Write another name in place of the chosen object's. */
  rename() {
    const one = this.items.find((o) => o.obj_id === this.chosen);
    const row = this.list.querySelector(`[data-object="${this.chosen}"]`);
    if (!one || !row) return;
    const input = el("input", { type: "text", maxlength: 200, "aria-label": `Name of object ${one.obj_id}` });
    input.value = one.label;
    let done = false;
    const end = (keep) => {
      if (done) return;
      done = true;
      input.replaceWith(row);
      if (keep && input.value.trim() !== one.label) this.#tell("rename", { id: one.obj_id, label: input.value.trim() });
      row.focus();
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") end(event.key === "Enter");
    });
    input.addEventListener("blur", () => end(true));
    row.replaceWith(input);
    input.select();
  }

  async #merge() {
    const others = this.items.filter((o) => o.obj_id !== this.chosen).map((o) => [o.obj_id, `${o.label || "object"} ${o.obj_id}`]);
    const into = await choice(`Object ${this.chosen} is the same as`, others, "Merge");
    if (into !== null) this.#tell("merge", { id: this.chosen, into: Number(into) });
  }
}
