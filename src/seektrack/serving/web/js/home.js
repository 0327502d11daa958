/** The videos of a library, and a place to drop more: they go up, are indexed while one watches, and are there. */
import { address, get, post, upload } from "./api.js";
import { button, clock, count, el, fill } from "./dom.js";
import { follow, note, trouble } from "./tray.js";

const MOST = 120;

function card(video) {
  const length = video.duration_s === null ? "" : clock(video.duration_s, 0);
  return el("a", { class: "card", href: `#/video/${video.id}`, "aria-label": `${video.name}${length ? `, ${length}` : ""}` },
    el("span", { class: "still" }, video.available ? el("img", { src: address(`videos/${video.id}/thumbnail`, { time_s: (video.duration_s ?? 0) / 3, width: 480 }), alt: "", loading: "lazy" }) : null,
      el("span", { class: "badge num", text: length })),
    el("span", { class: "caption" }, el("span", { class: "name", text: video.name, title: video.video }),
      el("span", { class: "soft num", text: video.available ? (video.done ? "" : "not whole yet") : "file is gone" })));
}

export class Home {
  constructor(app) {
    this.app = app;
    this.grid = el("div", { class: "grid" });
    this.heading = el("h1", { text: app.library });
    this.files = el("input", { type: "file", accept: "video/*,.mkv,.avi,.ts,.webm", multiple: true, class: "vh", tabindex: "-1", "aria-hidden": "true", onchange: () => this.take([...this.files.files]) });
    this.drop = el("div", { class: "drop" }, el("p", {}, el("strong", { text: "Drop films here" }), "They are kept on this machine, and can be searched as soon as they are indexed."),
      this.files, button("Choose films…", () => this.files.click(), { class: "button primary" }));
    this.element = el("div", { class: "wrap" }, el("div", { class: "headline" }, this.heading), this.#streams(), this.drop, this.grid);
    this.away = new AbortController();
    const on = (name, act) => addEventListener(name, act, { signal: this.away.signal });
    let inside = 0;
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    on("dragenter", (event) => carries(event) && (inside++, document.body.classList.add("dropping")));
    on("dragleave", (event) => carries(event) && --inside <= 0 && document.body.classList.remove("dropping"));
    on("dragover", (event) => carries(event) && event.preventDefault());
    on("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      inside = 0;
      document.body.classList.remove("dropping");
      this.take([...event.dataTransfer.files]);
    });
  }

  /** Live streams of this server, to be watched. */
  #streams() {
    const names = this.app.about.streams ?? [];
    if (!names.length) return null;
    return el("nav", { class: "streams", "aria-label": "Live streams" }, el("span", { class: "soft", text: "Live" }),
      names.map((name) => el("a", { class: "button", href: `#/stream/${encodeURIComponent(name)}`, text: name })));
  }

  async open() {
    document.title = "seektrack";
    await this.refresh();
    for (const job of (await get("jobs", { state: "running" }).catch(() => ({ jobs: [] }))).jobs) {
      if (job.kind === "index" && job.request.library === this.app.library) this.#watch(job);
    }
    return this;
  }

  close() {
    this.away.abort();
    document.body.classList.remove("dropping");
  }

  async refresh() {
    const path = `libraries/${encodeURIComponent(this.app.library)}`;
    const numbers = await get(path), there = numbers.videos + numbers.unfinished > 0;
    const { total, videos } = there ? await get(`${path}/videos`, { limit: MOST }) : { total: 0, videos: [] };
    this.heading.textContent = total ? `${this.app.library}: ${count(total, "video")}` : this.app.library;
    fill(this.grid, videos.map(card), total > videos.length ? el("p", { class: "soft", text: `and ${total - videos.length} more: search finds what is in them` }) : null);
    if (!total) fill(this.grid, el("p", { class: "empty" }, el("strong", { text: "Nothing is in this library yet." }), "Drop films above, or index a folder from the command line."));
  }

  /** Send films, then index them. */
  async take(files) {
    const sent = [];
    for (const file of files) {
      const away = new AbortController(), told = note(file.name, { stop: () => away.abort() });
      try {
        const video = await upload(file, (share) => told.step(share < 1 ? `${Math.round(100 * share)}% sent` : "looked at", share), away.signal);
        told.done("taken");
        sent.push(video.video);
      } catch (error) {
        if (error.name === "AbortError") told.close();
        else told.wrong(error);
      }
    }
    this.files.value = "";
    if (!sent.length) return;
    try {
      this.#watch(await post(`libraries/${encodeURIComponent(this.app.library)}/index`, { videos: sent }));
    } catch (error) {
      trouble(error, "They were not indexed");
    }
  }

  #watch(job) {
    let at = 0;
    const again = (now) => {
      if (performance.now() - at > 1500 || now.state === "done") {
        at = performance.now();
        if (!this.away.signal.aborted) this.refresh().catch(() => {});
      }
    };
    follow(job, "Indexing", again).then(again, () => this.refresh().catch(() => {}));
  }
}
