/** What was found for a question, as cards. */
import { address, download, get, post } from "./api.js";
import { button, clock, count, el, fill } from "./dom.js";
import { menu } from "./dialogs.js";
import { trouble } from "./tray.js";

const FIRST = 24, MORE = 4, MOST = 1000;
const FILES = [["csv", "a table"], ["edl", "edit decision list"], ["vtt", "WebVTT cues"], ["otio", "OpenTimelineIO"]];

/** How a question was read, as chips below it. */
export function reading(told, quietly = false) {
  const box = document.getElementById("reading");
  if (!told) return fill(box);
  const facts = told.explained.filter((line) => !line.startsWith("note:") && !(line === "language: English"));
  fill(box, told.corrected ? el("span", { text: `searched for “${told.query.typed}”` }) : null,
    facts.map((line) => el("span", { text: line })), quietly ? [] : told.notices.map((line) => el("span", { class: "notice", text: line })));
}

/** How sure a result is: a share with a bar, or that it cannot be known. */
export function sure(one) {
  if (one.confidence === null) return el("span", { class: "sure unknown", title: one.warning ?? "the model was not shown pictures like these", text: "unknown" });
  const share = Math.round(100 * one.confidence);
  const level = one.confidence >= 0.75 ? "" : one.confidence >= 0.4 ? " medium" : " low";
  return el("span", { class: `sure${level}` }, el("span", { class: "meter", "aria-hidden": "true" }, el("i", { style: { width: `${share}%` } })),
    el("span", { class: "num", text: `${share}%` }), el("span", { class: "vh", text: " sure" }));
}

function card(one, question, sizes) {
  const name = one.video.split(/[\\/]/).pop();
  const when = one.end_s > one.start_s ? `${clock(one.start_s)} – ${clock(one.end_s)}` : clock(one.start_s);
  const size = sizes.get(one.video_id), box = size && one.key.box;
  const fit = size ? { "aspect-ratio": `${size.width} / ${size.height}`, [size.width / size.height > 16 / 9 ? "width" : "height"]: "100%" } : { width: "100%", height: "100%" };
  return el("a", {
    class: "card", "aria-label": `${name}, ${when}, ${one.confidence === null ? "confidence unknown" : `${Math.round(100 * one.confidence)} percent sure`}`,
    href: `#/video/${one.video_id}?q=${encodeURIComponent(question)}&t=${one.start_s}&e=${one.end_s}`,
  }, el("span", { class: "still" },
    el("span", { class: "fit", style: fit }, el("img", { src: address(`videos/${one.video_id}/thumbnail`, { frame_index: one.key.frame_index, width: 480 }), alt: "", loading: "lazy" }),
      box && el("i", { class: "found", style: { left: `${100 * box[0] / size.width}%`, top: `${100 * box[1] / size.height}%`,
        width: `${100 * (box[2] - box[0]) / size.width}%`, height: `${100 * (box[3] - box[1]) / size.height}%` } })),
    el("span", { class: "badge num", text: when })),
  el("span", { class: "caption" }, el("span", { class: "name", text: name, title: one.video }), sure(one)));
}

const known = new Map();

/** What is known of the videos of results with a box, by id: the boxes are drawn to their size. */
async function sizesOf(results) {
  const ids = new Set(results.filter((one) => one.key.box).map((one) => one.video_id));
  for (const id of ids) if (!known.has(id)) known.set(id, get(`videos/${id}`).catch(() => (known.delete(id), null)));
  return new Map(await Promise.all([...ids].map(async (id) => [id, await known.get(id)])));
}

export class Search {
  constructor(app, question) {
    this.app = app;
    this.question = question;
    this.element = el("div", { class: "wrap" }, el("p", { class: "empty", role: "status", text: "Searching…" }));
  }

  async open() {
    document.title = `${this.question} · seektrack`;
    await this.#ask(FIRST);
    return this;
  }

  /** Ask for so many moments, and show them. */
  async #ask(most) {
    const path = `libraries/${encodeURIComponent(this.app.library)}/search`;
    const asked = { text: this.question, k: most, correct: true };
    const found = await post(path, asked);
    const moments = found.results.flatMap((one) => one.moments.length ? one.moments : [one]);
    const sizes = await sizesOf(moments);
    reading(found);
    const shown = this.element.querySelectorAll(".card").length;
    const unknown = moments.filter((one) => one.confidence === null).length;
    fill(this.element,
      el("div", { class: "headline" }, el("h1", { text: moments.length ? `${count(moments.length, "moment")} for “${this.question}”` : `Nothing for “${this.question}”` }),
        moments.length ? el("span", { class: "right" },
          menu("Save", FILES.map(([format, about]) => [format.toUpperCase(), about, () => download("POST", `${path}/export`, { params: { format }, body: asked }).catch(trouble)]))) : null),
      unknown ? el("p", { class: "banner", text: `How sure is unknown for ${count(unknown, "moment")}: ${moments.find((one) => one.warning)?.warning ?? "the model was not shown pictures like these."}` }) : null,
      moments.length ? el("div", { class: "grid" }, moments.map((one) => card(one, this.question, sizes))) : this.#nothing(),
      found.results.length >= most && most < MOST ? this.#more(most) : null);
    if (shown) this.element.querySelectorAll(".card")[shown]?.focus();
  }

  #more(most) {
    const next = button("Show more", () => {
      next.disabled = true;
      this.#ask(Math.min(MOST, MORE * most)).catch((error) => (trouble(error, "No more were found"), (next.disabled = false)));
    });
    return el("p", { class: "more" }, next);
  }

  close() {
    reading(null);
  }

  #nothing() {
    return el("div", { class: "empty" }, el("strong", { text: "No stretch of the videos shows this with enough confidence." }),
      el("p", { text: "Look at what is nearest, or ask for another thing." }),
      button("Show what is nearest", async () => {
        const found = await post(`libraries/${encodeURIComponent(this.app.library)}/hits`, { text: this.question, k: FIRST, min_confidence: 0, per_video: 2 }).catch(trouble);
        if (!found) return;
        const shown = found.results.map((hit) => ({ ...hit, start_s: hit.time_s, end_s: hit.time_s, key: hit }));
        const sizes = await sizesOf(shown);
        fill(this.element, el("div", { class: "headline" }, el("h1", { text: `Nearest to “${this.question}”, not sure enough` })),
          el("div", { class: "grid" }, shown.map((one) => card(one, this.question, sizes))));
      }));
  }
}
