/** A live stream: what it shows now with masks over it, what was told of it, and what is followed in it. */
import { address, get, listen, post } from "./api.js";
import { button, clock, count, el, fill } from "./dom.js";
import { Painter } from "./draw.js";
import { colouredOf } from "./named.js";
import { trouble } from "./tray.js";

const STATES = { stopped: "not followed", opening: "opening…", running: "live", ended: "the stream has ended", failed: "broke off" };

export class Stream {
  constructor(app, name) {
    this.name = name;
    this.path = `streams/${encodeURIComponent(name)}`;
    this.text = el("input", { type: "text", name: "what", placeholder: "a red car", autocomplete: "off", required: true, maxlength: "1000", "aria-label": "What to follow" });
    this.begin = el("button", { type: "submit", class: "button primary", text: "Follow" });
    this.end = button("Stop", () => this.#stop(), { hidden: true });
    this.form = el("form", { class: "follow", onsubmit: (event) => this.#start(event) }, this.text, this.begin, this.end);
    this.picture = el("img", { alt: `What ${name} shows` });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.stage = el("div", { class: "stage", hidden: true }, this.picture, this.canvas);
    this.blank = el("p", { class: "blank", text: "Say what to follow, then press Follow." });
    this.facts = el("p", { class: "hint num", role: "status" });
    this.state = el("span", { class: "state" });
    this.objects = el("ul", { class: "seen" });
    this.alerts = el("ol", { class: "alerts", "aria-live": "polite" });
    this.quiet = el("p", { class: "soft", text: "Nothing yet." });
    this.element = el("div", { class: "workspace live" },
      el("div", { class: "title" }, el("a", { class: "button quiet", href: "#/", text: "← Videos" }), el("h1", { text: name }), this.state),
      el("div", { class: "theatre" }, el("div", { class: "stagebox" }, this.stage, this.blank), this.form, this.facts),
      el("aside", { class: "side" },
        el("section", { class: "panel", "aria-label": "In view" }, el("h2", { text: "In view" }), this.objects),
        el("section", { class: "panel", "aria-label": "Alerts" }, el("h2", { text: "Alerts" }), this.quiet, this.alerts)));
    this.shown = -1;
    this.told = 0;
  }

  async open() {
    document.title = `${this.name} · seektrack`;
    const now = await get(this.path);
    this.text.value ||= now.text; // somebody may be typing already,
    if (!this.now) this.#take(now); // or have begun
    this.hang = listen(`${this.path}/events`, { stream: (told) => this.#take(told) });
    this.sized = new ResizeObserver(() => this.#draw());
    this.sized.observe(this.stage);
    return this;
  }

  close() {
    this.hang?.();
    this.sized?.disconnect();
  }

  async #start(event) {
    event.preventDefault();
    this.begin.disabled = true;
    try {
      this.#take(await post(`${this.path}/start`, { text: this.text.value.trim() }));
    } catch (error) {
      trouble(error, "It was not followed");
    }
    this.begin.disabled = false;
  }

  async #stop() {
    this.#take(await post(`${this.path}/stop`).catch((error) => (trouble(error), this.now)));
  }

  #take(now) {
    const going = ["opening", "running"].includes(now.state);
    this.now = now;
    this.state.textContent = STATES[now.state] ?? now.state;
    this.state.dataset.state = now.state;
    this.begin.hidden = going;
    this.end.hidden = !going;
    this.text.readOnly = going;
    if (now.error) this.blank.textContent = `${now.error.message}${now.error.hint ? `. ${now.error.hint}` : ""}`;
    else if (going && !now.frame) this.blank.textContent = "Waiting for the first picture…";
    else if (!now.frame) this.blank.textContent = "Say what to follow, then press Follow.";
    if (!now.frame || now.error) this.stage.hidden = true;
    this.blank.hidden = Boolean(now.frame) && !now.error;
    this.#list(now);
    if (now.frame && !this.loading) this.#show(now.frame);
  }

  /** One picture at a time: while it comes, later frames are passed over. */
  async #show(frame) {
    if (frame.frame_index === this.shown) return;
    this.loading = true;
    const next = new Image();
    next.src = address(`${this.path}/frames/${frame.frame_index}.jpg`);
    const [here, outlined] = await Promise.all([next.decode().then(() => true, () => false), colouredOf(frame.objects)]);
    this.loading = false;
    if (here && !this.now.error) {
      this.shown = frame.frame_index;
      this.picture.src = next.src;
      this.stage.hidden = false;
      this.stage.style.setProperty("--ratio", frame.width / frame.height);
      if (this.painter?.width !== frame.width) this.painter = new Painter(this.canvas, frame.width, frame.height);
      this.frame = frame;
      this.outlined = outlined;
      this.#draw();
      this.facts.textContent = `${clock(frame.time_s)} · ${Math.round(1000 * frame.latency_s)} ms behind · ${count(frame.dropped, "frame")} passed over`;
    }
    if (this.now.frame && this.now.frame.frame_index > frame.frame_index) this.#show(this.now.frame);
  }

  #draw() {
    if (!this.frame || !this.painter) return;
    const labels = new Map(this.frame.objects.map((one) => [one.obj_id, one.label]));
    this.painter.resize();
    this.painter.draw(this.frame.objects, {
      masks: true, boxes: false, trails: false, tags: true, chosen: null,
      outlined: (id) => this.outlined.has(id), label: (id) => labels.get(id), trail: () => [],
    });
  }

  #list(now) {
    const objects = now.frame?.objects ?? [];
    fill(this.objects, objects.length ? objects.map((one) => el("li", {}, el("span", { text: `${one.label || "object"} ${one.obj_id}` }),
      el("span", { class: "soft num", text: one.visible ? `${Math.round(100 * one.confidence)}%` : "hidden" }))) : el("li", { class: "soft", text: "Nothing that was asked for." }));
    const last = now.alerts.at(-1)?.number ?? 0;
    if (last === this.told) return;
    this.told = last;
    this.quiet.hidden = now.alerts.length > 0;
    fill(this.alerts, [...now.alerts].reverse().map((one) => el("li", { class: one.kind }, el("span", { class: "num soft", text: new Date(1000 * one.clock_s).toLocaleTimeString() }), " ", el("span", { text: one.text }))));
  }
}
