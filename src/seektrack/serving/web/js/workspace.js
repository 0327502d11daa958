/** One video: what is followed in it, shown over it, put right by pointing at it. */
import { get, post, download } from "./api.js";
import { button, clock, count, el, fill, tool } from "./dom.js";
import { Painter, trailOf } from "./draw.js";
import { decode, encode, whole } from "./rle.js";
import { doubtsOf, nextDoubt } from "./doubts.js";
import { follow, note, trouble } from "./tray.js";
import { menu } from "./dialogs.js";
import { colouredOf } from "./named.js";
import { Objects } from "./objects.js";
import { Player } from "./player.js";
import { Session } from "./session.js";
import { Timeline } from "./timeline.js";
import { Tools, TOOLS, paint } from "./tools.js";

const LOOKS = [["masks", "Masks"], ["outlines", "Outlines"], ["boxes", "Boxes"], ["trails", "Trails"], ["tags", "Names"]];

export class Workspace {
  constructor(app, id, params) {
    this.app = app;
    this.id = id;
    this.question = params.get("q") || "";
    this.moment = params.has("t") ? { start_s: Number(params.get("t")), end_s: Number(params.get("e") ?? params.get("t")) } : null;
    this.session = null;
    this.chosen = null;
    this.doubted = null;
    this.mended = new Map();
    this.outlined = new Set();
    this.looks = { masks: true, outlines: false, boxes: false, trails: true, tags: true };
    this.element = el("div", { class: "workspace" }, el("p", { class: "empty", text: "Opening…" }));
  }

  async open() {
    const [video, { times }, sessions] = await Promise.all([
      get(`videos/${this.id}`), get(`videos/${this.id}/times`), Session.of(this.id),
    ]);
    document.title = `${video.name} · seektrack`;
    this.video = video;
    this.player = new Player(video, times);
    this.painter = new Painter(this.player.canvas, video.width, video.height);
    this.tools = new Tools(this.player);
    this.timeline = new Timeline(this.player);
    this.objects = new Objects();
    this.#build();
    this.#wire();
    if (sessions.length) {
      await Session.open(sessions[0].id).then((kept) => this.#take(kept), (error) => trouble(error, "Its session was not opened"));
    }
    this.player.seek(this.moment ? this.player.at(this.moment.start_s) : 0);
    this.#show();
    this.#again(sessions[0]?.created_s ?? 0);
    return this;
  }

  close() {
    this.away?.abort();
    cancelAnimationFrame(this.soon);
    this.watch?.disconnect();
    this.player?.close();
  }

  #build() {
    const v = this.video, p = this.player;
    this.playing = tool("play", "Play (space)", () => p.toggle());
    this.clock = el("span", { class: "clock", "aria-hidden": "true" });
    this.hint = el("p", { class: "hint", role: "status" });
    this.chooser = TOOLS.map(([name, label]) => tool(name, label, () => this.tools.use(name), { "data-tool": name, "aria-pressed": "false" }));
    this.another = tool("plus", "The next click begins another object (a)", () => this.choose(null));
    this.follower = el("span", { class: "right" });
    this.onward = button("Follow on", () => this.#mend(), { hidden: true, title: "Follow what was put right into the frames around it" });
    this.boxes = LOOKS.map(([name, word]) => el("label", {}, el("input", {
      type: "checkbox", name, checked: this.looks[name], onchange: (e) => this.look(name, e.target.checked),
    }), word));
    fill(this.element,
      el("div", { class: "title" },
        el("a", { class: "button quiet", href: this.app.back(), text: this.app.back().includes("q=") ? "← Moments" : "← Videos" }), el("h1", { text: v.name }),
        el("span", { class: "facts num", text: `${v.width}×${v.height} · ${Number(v.fps.toFixed(2))} frames/s · ${clock(this.player.times[p.last] ?? 0)}` }), this.follower, this.onward),
      el("div", { class: "theatre" }, el("div", { class: "stagebox" }, p.stage),
        el("div", { class: "transport" }, tool("back", "One frame back (,)", () => p.step(-1)), this.playing, tool("forth", "One frame on (.)", () => p.step(1)),
          tool("next", "Next doubtful frame (n)", () => this.doubt(1)), this.clock,
          el("span", { class: "tools", role: "group", "aria-label": "Tools" }, this.chooser, this.another)), this.hint),
      el("aside", { class: "side" }, this.objects.element,
        el("section", { class: "panel", "aria-label": "What is drawn" }, el("h2", { text: "Show" }), el("div", { class: "looks" }, this.boxes))),
      this.timeline.element);
    this.#offers();
  }

  #offers() {
    const formats = this.app.about.formats.map((f) => [f.name, f.about, () => this.export(f.name)]);
    fill(this.follower,
      this.question && this.session?.told.query !== this.question ? button(`Follow “${this.question}”`, () => this.followText(this.question), { class: "button primary" }) : null,
      this.session ? menu("Export", formats) : null);
  }

  #wire() {
    const on = (what, name, act) => what.addEventListener(name, act);
    on(this.player, "frame", () => this.draw());
    on(this.player, "state", () => {
      const shown = tool(this.player.playing ? "pause" : "play", this.player.playing ? "Pause (space)" : "Play (space)", () => this.player.toggle());
      if (document.activeElement === this.playing) queueMicrotask(() => shown.focus());
      this.playing.replaceWith(shown);
      this.playing = shown;
    });
    on(this.tools, "tool", () => this.#tooled());
    on(this.tools, "pick", ({ x, y }) => this.choose(this.under(x, y)));
    on(this.tools, "click", ({ x, y, positive }) => this.correct(positive ? { positive: [[x, y]] } : { negative: [[x, y]] }));
    on(this.tools, "box", ({ box }) => this.correct({ box }));
    on(this.tools, "paint", (stroke) => this.#painted(stroke));
    on(this.timeline, "choose", ({ id }) => this.choose(id));
    on(this.objects, "choose", ({ id }) => this.choose(id));
    on(this.objects, "rename", ({ id, label }) => this.edit((s) => s.rename(id, label)));
    on(this.objects, "merge", ({ id, into }) => this.edit((s) => s.merge(id, into)).then(() => this.choose(into)));
    on(this.objects, "split", ({ id }) => this.edit((s) => s.split(id, this.player.index)));
    on(this.objects, "delete", ({ id }) => this.edit((s) => s.delete(id)));
    on(this.objects, "undo", () => this.edit((s) => s.undo()));
    on(this.objects, "redo", () => this.edit((s) => s.redo()));
    this.watch = new ResizeObserver(() => (this.painter.resize(), this.draw(), this.tools.draw()));
    this.watch.observe(this.player.stage);
    this.#tooled();
  }

  async #take(session) {
    this.session = session;
    session.addEventListener("change", () => this.#show());
    session.addEventListener("masks", () => this.draw());
    this.#offers();
    this.#show();
  }

  #tooled() {
    for (const one of this.chooser) one.setAttribute("aria-pressed", String(one.dataset.tool === this.tools.tool));
    const [, , what] = TOOLS.find(([name]) => name === this.tools.tool);
    const whom = this.chosen === null ? "A new object begins." : `It goes to object ${this.chosen}; a begins another.`;
    this.hint.textContent = this.tools.tool === "select" ? what : `${what} ${whom}`;
  }

  /** Objects, timeline and picture as the session has them. */
  #show() {
    const objects = this.session?.objects ?? [], edits = this.session?.told.edits ?? [];
    if (this.chosen !== null && !objects.some((o) => o.obj_id === this.chosen)) this.chosen = null;
    this.doubts = this.session ? doubtsOf(this.session.told) : [];
    this.objects.show(objects, this.chosen, edits);
    this.onward.hidden = Boolean(this.away) || !this.session?.told.pending.length;
    this.timeline.show(objects, {
      chosen: this.chosen, moment: this.moment, doubts: this.doubts, mended: this.mended,
      said: this.session?.said ?? [],
    });
    this.#tooled();
    this.draw();
    colouredOf(objects).then((found) => {
      if (found.size !== this.outlined.size || [...found].some((id) => !this.outlined.has(id))) {
        this.outlined = found;
        this.draw();
      }
    });
  }

  /** Draw what is known of the frame shown; what was drawn of it before stays until more is known. */
  draw() {
    const index = this.player.index, frames = this.session?.frames;
    this.clock.replaceChildren(clock(this.player.time, 2), el("small", { text: `  frame ${index} of ${this.player.last}` }));
    const seen = frames ? frames.at(index) : [];
    if (seen === undefined && this.drawn === index) return;
    this.drawn = index;
    const names = new Map((this.session?.objects ?? []).map((o) => [o.obj_id, o.label]));
    this.painter.draw(seen ?? [], {
      ...this.looks, chosen: this.chosen, label: (id) => names.get(id),
      outlined: (id) => this.looks.outlines || this.outlined.has(id),
      trail: (id) => trailOf(frames, this.player.times, id, index),
    });
    const said = (this.session?.said ?? []).filter((one) => one.frame_index === index);
    this.tools.show(said.flatMap((what) => [...(what.positive ?? []).map(([x, y]) => ({ x, y, positive: true })),
      ...(what.negative ?? []).map(([x, y]) => ({ x, y, positive: false }))]));
  }

  look(name, on = !this.looks[name]) {
    this.looks[name] = on;
    for (const label of this.boxes) if (label.firstChild.name === name) label.firstChild.checked = on;
    this.draw();
  }

  choose(id) {
    this.chosen = id;
    this.#show();
  }

  /** Choose the object before or after the chosen one. */
  turn(by) {
    const ids = (this.session?.objects ?? []).map((o) => o.obj_id), at = ids.indexOf(this.chosen);
    if (ids.length) this.choose(ids[at < 0 ? 0 : (at + by + ids.length) % ids.length]);
  }

  /** The object at a point of the frame shown, the smallest of several; null where there is none. */
  under(x, y) {
    let found = null, least = Infinity;
    for (const one of this.session?.frames.peek(this.player.index) ?? []) {
      const cut = one.mask && decode(one.mask);
      const inside = cut ? cut.bits[(Math.floor(y) - cut.y) * cut.w + Math.floor(x) - cut.x] && x >= cut.x && x < cut.x + cut.w
        : x >= one.box[0] && x < one.box[2] && y >= one.box[1] && y < one.box[3];
      const area = (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]);
      if (inside && area < least) [found, least] = [one.obj_id, area];
    }
    return found;
  }

  /** The session, begun where there is none yet. */
  async #ready() {
    if (!this.session) await this.#take(await Session.begin(this.id));
    return this.session;
  }

  /** Add or correct an object on the frame shown: its mask first, then the frames around it. */
  async correct(what) {
    const frame = this.player.index;
    this.player.busy.hidden = false;
    try {
      const session = await this.#ready();
      const label = this.chosen === null && !session.objects.length ? this.question : "";
      const made = await session.correct({ frame_index: frame, obj_id: this.chosen, ...what, ...(label ? { label } : {}) });
      this.choose(made.obj_id);
    } catch (error) {
      trouble(error, "Nothing was changed");
      return;
    } finally {
      this.player.busy.hidden = true;
    }
    await this.#mend();
  }

  /** Follow what was put right into the frames around it, while one watches. */
  async #mend() {
    this.away?.abort();
    const away = (this.away = new AbortController());
    this.mended = new Map();
    const told = note("Following what was put right", { stop: () => away.abort() });
    let done = 0;
    try {
      await this.session.propagate((frame, id) => {
        const [first, last] = this.mended.get(id)?.[0] ?? [frame, frame];
        this.mended.set(id, [[Math.min(first, frame), Math.max(last, frame)]]);
        told.step(`${count(++done, "frame")}`);
        this.soon ??= requestAnimationFrame(() => {
          this.soon = null;
          this.#show();
        });
      }, away.signal);
      told.close();
      this.hint.textContent = `${count(done, "frame")} followed anew.`;
    } catch (error) {
      if (error.name !== "AbortError") told.wrong(error);
      else told.close();
      if (this.away === away) this.hint.textContent = "Stopped. Follow on does what is left.";
    }
    if (this.away !== away) return;
    this.away = null;
    this.onward.hidden = !this.session.told.pending.length;
  }

  #painted({ points, radius, wipe }) {
    const { width, height } = this.video;
    const now = this.session?.frames.peek(this.player.index)?.find((one) => one.obj_id === this.chosen);
    const bits = whole(now?.mask ? decode(now.mask) : null, width, height);
    paint(bits, width, height, points, radius, wipe ? 0 : 1);
    if (bits.includes(1)) this.correct({ mask: encode(bits, width, height) });
    else note("Nothing was changed").wrong(new Error("nothing of the object would be left: delete it, or paint it first"));
  }

  async edit(act) {
    if (!this.session) return;
    this.away?.abort();
    try {
      await act(this.session);
      this.mended = new Map();
      this.#show();
    } catch (error) {
      trouble(error, "Nothing was changed");
    }
  }

  /** Follow a text through the whole video: a job, whose session is shown when it is there. */
  async followText(text) {
    try {
      await this.#followed(await post("track_objects", { video: this.id, text, seeds: this.moment ? [this.player.at(this.moment.start_s)] : [] }));
    } catch (error) {
      trouble(error, `“${text}” was not followed`);
    }
  }

  async #followed(job) {
    const { text } = job.request;
    fill(this.follower, el("span", { class: "soft", role: "status", text: `Following “${text}”…` }));
    try {
      const done = await follow(job, `Following “${text}”`);
      const [tracks] = done.result.tracks;
      await this.#take(await Session.begin(this.id, { tracks: tracks.id }));
      if (!this.session.objects.length) this.hint.textContent = tracks.remarks?.missed?.[0]?.reason ?? "Nothing was found to follow. Click on it instead.";
    } finally {
      this.#offers();
    }
  }

  /** Take up a text that was followed from here, and was left before its session began. */
  async #again(since) {
    const { jobs } = await get("jobs", { limit: 200 }).catch(() => ({ jobs: [] }));
    const job = jobs.find((one) => one.kind === "track_objects" && one.request.video === this.id && one.request.text);
    if (job && (!job.ended_s || (job.state === "done" && job.ended_s > since))) await this.#followed(job).catch(trouble);
  }

  doubt(by) {
    const to = nextDoubt(this.doubts, this.player.aim, by, this.doubted);
    if (!to) {
      this.hint.textContent = "No doubtful frame.";
      return;
    }
    this.doubted = to;
    this.player.pause();
    this.player.seek(to.frame_index);
    this.chosen = to.obj_id;
    this.#show();
    this.hint.textContent = `Object ${to.obj_id}, frame ${to.frame_index}: ${to.why}`;
  }

  export(format) {
    download("GET", `sessions/${this.session.id}/export`, { params: { format } }).catch((error) => trouble(error, "Nothing was exported"));
  }

  /** What a key does here; false where it does nothing. */
  key(event) {
    const p = this.player, plain = !event.shiftKey;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key; // whatever Caps Lock makes of it
    if (!p) return false;
    const act = {
      " ": () => p.toggle(), ",": () => p.step(-1), ".": () => p.step(1), ArrowLeft: () => p.step(-10), ArrowRight: () => p.step(10),
      Home: () => p.seek(0), End: () => p.seek(p.last), n: () => this.doubt(plain ? 1 : -1),
      v: () => this.tools.use("select"), c: () => this.tools.use("point"), b: () => this.tools.use("box"), r: () => this.tools.use("brush"),
      a: () => this.choose(null), "[": () => this.turn(-1), "]": () => this.turn(1), "+": () => this.tools.grow(1.25), "-": () => this.tools.grow(0.8),
      F2: () => this.objects.rename(), Delete: () => this.chosen !== null && this.edit((s) => s.delete(this.chosen)),
      z: () => this.edit((s) => (plain ? s.undo() : s.redo())), y: () => this.edit((s) => s.redo()),
      m: () => this.look("masks"), o: () => this.look("outlines"), t: () => this.look("trails"), l: () => this.look("tags"),
      Escape: () => this.tools.tool !== "select" ? this.tools.use("select") : this.chosen !== null ? this.choose(null) : (location.hash = this.app.back()),
    }[name];
    act?.();
    return Boolean(act);
  }
}
