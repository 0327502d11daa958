/** Every object's life over the video: where it is seen, hidden, out of view or lost, what is doubtful, what was put right. */
import { clock, el, fill, reveal } from "./dom.js";
import { css } from "./colours.js";

const CLASS = { visible: "visible", occluded: "occluded", "out of view": "out", lost: "lost" };
const SAID = { visible: "seen", occluded: "hidden", "out of view": "out of view", lost: "lost" };

export class Timeline extends EventTarget {
  constructor(player) {
    super();
    this.player = player;
    this.start = player.times[0] ?? 0;
    this.end = player.times[player.last] + (player.times.length > 1 ? (player.times[player.last] - player.times[0]) / player.last : 0.04);
    this.head = el("i");
    this.slider = el("div", {
      class: "strip", role: "slider", tabindex: "0", "aria-label": "Frame shown", "aria-valuemin": 0, "aria-valuemax": player.last,
    });
    this.lanes = el("div", { class: "lanes" });
    this.element = el("section", { class: "timeline", "aria-label": "Timeline" }, el("div", { class: "scroll" }, this.lanes),
      el("p", { class: "legend" }, el("span", { text: "solid: seen" }), el("span", { text: "dashed: hidden" }),
        el("span", { text: "thin: out of view" }), el("span", { text: "hatched: lost" }),
        el("span", { text: "● doubtful" }), el("span", { text: "◆ put right" })));
    this.#drag(this.slider);
    player.addEventListener("frame", () => this.move());
    this.show([], {});
  }

  /** @param objects with `spans`; @param more `{chosen, moment, doubts, said, mended}`. */
  show(objects, { chosen = null, moment = null, doubts = [], said = [], mended = new Map() } = {}) {
    const focused = this.lanes.contains(document.activeElement) ? document.activeElement.dataset?.key : null;
    const rows = objects.map((object) => this.#lane(object, {
      chosen: object.obj_id === chosen,
      doubts: doubts.filter((d) => d.obj_id === object.obj_id),
      said: said.filter((one) => one.obj_id === object.obj_id),
      mended: mended.get(object.obj_id) ?? [],
    }));
    fill(this.slider, moment && this.#bar("moment", moment.start_s, moment.end_s, "the moment found"));
    fill(this.lanes, el("div", { class: "lane axis" }, el("span"), this.slider), rows,
      el("div", { class: "lane scale" }, el("span"), this.#ticks()), el("div", { class: "playhead", "aria-hidden": "true" }, this.head));
    if (focused) this.lanes.querySelector(`[data-key="${focused}"]`)?.focus();
    if (chosen !== this.chosen) reveal(this.lanes.parentElement, this.lanes.querySelector(".lane.chosen"));
    this.chosen = chosen;
    this.move();
  }

  move() {
    const { index, last } = this.player;
    this.head.style.left = `${this.#share(this.player.time)}%`;
    this.slider.setAttribute("aria-valuenow", index);
    this.slider.setAttribute("aria-valuetext", `frame ${index} of ${last}, ${clock(this.player.time)}`);
  }

  #share(time) {
    return Math.min(100, Math.max(0, 100 * (time - this.start) / (this.end - this.start)));
  }

  #time(frame) {
    return frame > this.player.last ? this.end : this.player.times[Math.max(0, frame)];
  }

  #bar(kind, from, to, title) {
    const left = this.#share(from);
    return el("i", { class: kind, title, style: { left: `${left}%`, width: `${Math.max(0, this.#share(to) - left)}%` } });
  }

  #lane(object, { chosen, doubts, said, mended }) {
    const strip = el("div", { class: "strip", style: { "--c": css(object.obj_id) } });
    for (const span of object.spans) {
      const title = `${SAID[span.state] ?? span.state} ${clock(this.#time(span.first_frame))} – ${clock(this.#time(span.last_frame))}`;
      strip.append(this.#bar(CLASS[span.state] ?? "lost", this.#time(span.first_frame), this.#time(span.last_frame + 1), title));
    }
    for (const [first, last] of mended) strip.append(this.#bar("mended", this.#time(first), this.#time(last + 1), "followed anew"));
    for (const one of doubts) strip.append(this.#mark("doubt", one.frame_index, one.why));
    for (const one of said) strip.append(this.#mark("said", one.frame_index, "put right here"));
    strip.addEventListener("pointerdown", (event) => this.#choose(object.obj_id, event));
    const states = object.spans.map((s) => `${SAID[s.state] ?? s.state} ${clock(this.#time(s.first_frame))} to ${clock(this.#time(s.last_frame))}`);
    return el("div", { class: `lane${chosen ? " chosen" : ""}` },
      el("button", {
        type: "button", "data-key": `lane-${object.obj_id}`, "aria-pressed": String(chosen), onclick: () => this.#choose(object.obj_id),
        "aria-label": `${object.label || "object"} ${object.obj_id}: ${states.join(", ") || "nowhere seen"}`,
      }, el("i", { class: "swatch", style: { "--c": css(object.obj_id) } }), el("span", { text: `${object.label || "object"} ${object.obj_id}` })),
      strip);
  }

  #mark(kind, frame, title) {
    return el("b", { class: kind, title, style: { left: `${this.#share(this.#time(frame))}%` } });
  }

  #choose(id, event = null) {
    this.dispatchEvent(Object.assign(new Event("choose"), { id }));
    if (event) this.#seek(event.currentTarget, event);
  }

  #seek(strip, event) {
    const box = strip.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
    this.player.seek(this.player.at(this.start + Math.min(Math.max(share, 0), 1) * (this.end - this.start)));
  }

  #drag(strip) {
    strip.addEventListener("pointerdown", (event) => {
      strip.setPointerCapture(event.pointerId);
      this.player.pause();
      this.#seek(strip, event);
    });
    strip.addEventListener("pointermove", (event) => strip.hasPointerCapture(event.pointerId) && this.#seek(strip, event));
    strip.addEventListener("keydown", (event) => {
      const { index, last } = this.player;
      const to = { ArrowLeft: index - 1, ArrowRight: index + 1, PageUp: index + 10, PageDown: index - 10, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.player.pause();
      this.player.seek(to);
    });
  }

  #ticks() {
    const span = this.end - this.start, most = innerWidth < 640 ? 4 : 8;
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200].find((s) => span / s <= most) ?? span / most;
    const marks = [];
    for (let n = Math.ceil(this.start / step - 1e-9); n * step <= this.end + 1e-9; n++) {
      marks.push(el("span", { class: "num", text: clock(n * step, step < 1 ? 1 : 0), style: { left: `${this.#share(n * step)}%` } }));
    }
    return el("div", { class: "ticks", "aria-hidden": "true" }, marks);
  }
}
