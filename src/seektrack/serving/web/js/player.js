/**
 * A video shown frame by frame: which frame is on the screen is always known, by the times the service tells.
 * What the browser cannot play is shown as pictures, one after another.
 *
 * Tells `frame` when a frame is on the screen, `state` when it begins or stops to play.
 */
import { address } from "./api.js";
import { el } from "./dom.js";

const PICTURE_WIDTH = 1280;

export class Player extends EventTarget {
  /** @param video what the service tells of it; @param times seconds of each frame. */
  constructor(video, times) {
    super();
    this.video = video;
    this.times = times;
    this.index = 0;
    this.offset = 0;
    this.rate = 1;
    this.wanted = null;
    this.canvas = el("canvas");
    this.layers = [this.canvas];
    this.busy = el("span", { class: "spinner", hidden: true });
    this.stage = el("div", {
      class: "stage", tabindex: "0", role: "application", style: { "--ratio": video.width / video.height },
      "aria-label": `${video.name}: space plays, comma and full stop step by a frame`,
    });
    this.ended = null;
    if (video.plays) this.#film();
    else this.#pictures();
  }

  /** Lay another canvas over the picture. */
  layer(canvas) {
    this.layers.push(canvas);
    this.stage.insertBefore(canvas, this.busy);
  }

  get last() {
    return this.times.length - 1;
  }

  get playing() {
    return this.ended !== null || (this.film ? !this.film.paused : false);
  }

  get time() {
    return this.times[this.index] ?? 0;
  }

  /** The frame shown at a time, in seconds. */
  at(time) {
    let low = 0, high = this.last;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.times[middle] <= time + 1e-4) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  seek(index) {
    const target = Math.min(Math.max(0, Math.round(index)), this.last);
    if (this.film) {
      if (this.film.seeking) {
        this.wanted = target;
        return;
      }
      this.wanted = null;
      this.target = target;
      const next = this.times[target + 1] ?? this.times[target] + 0.5 * this.#step();
      this.film.currentTime = Math.max(0, (this.times[target] + next) / 2 - this.offset);
    } else {
      this.#show(target);
    }
  }

  /** The frame that is shown, or will be as soon as it is there. */
  get aim() {
    return this.wanted ?? (this.film?.seeking ? this.target : this.index);
  }

  step(by) {
    this.pause();
    this.seek(this.aim + by);
  }

  play() {
    if (this.index >= this.last) this.seek(0);
    if (this.film) {
      this.film.playbackRate = this.rate;
      this.film.play().catch(() => this.#pictures());
    } else if (!this.ended) {
      this.ended = setTimeout(() => this.#turn(), 0);
      this.#tell("state");
    }
  }

  pause() {
    this.film?.pause();
    if (this.ended) {
      clearTimeout(this.ended);
      this.ended = null;
      this.#tell("state");
    }
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  close() {
    this.pause();
    if (this.film) {
      this.film.removeAttribute("src");
      this.film.load();
    }
  }

  #step() {
    return this.times.length > 1 ? (this.times[this.last] - this.times[0]) / this.last : 0.04;
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  #present(index) {
    this.index = index;
    this.#tell("frame");
  }

  #film() {
    const film = el("video", { src: address(`videos/${this.video.id}/file`), playsinline: true, preload: "auto", "aria-hidden": "true", tabindex: "-1" });
    film.muted = false;
    this.film = film;
    film.addEventListener("error", () => this.#pictures());
    for (const name of ["play", "pause", "ended"]) film.addEventListener(name, () => this.#tell("state"));
    film.addEventListener("seeking", () => (this.busy.hidden = false));
    film.addEventListener("seeked", () => {
      this.busy.hidden = true;
      if (this.wanted !== null) this.seek(this.wanted);
      else if (film.paused && this.target !== undefined) this.#present(this.target);
    });
    film.addEventListener("loadeddata", () => {
      if (film.currentTime === 0 && this.index === 0 && !this.film.seeking) this.#present(0);
    });
    if ("requestVideoFrameCallback" in film) {
      const shown = (_now, frame) => {
        if (this.film !== film) return;
        if (frame.mediaTime === 0 && this.times[0] > this.#step()) this.offset = this.times[0];
        if (!film.paused) this.#present(this.at(frame.mediaTime + this.offset + 0.25 * this.#step()));
        film.requestVideoFrameCallback(shown);
      };
      film.requestVideoFrameCallback(shown);
    } else {
      const look = () => {
        if (this.film !== film) return;
        if (!film.paused) this.#present(this.at(film.currentTime + this.offset));
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }
    this.stage.replaceChildren(film, ...this.layers, this.busy);
  }

  #pictures() {
    this.film = null;
    this.picture = el("img", { alt: "" });
    this.stage.replaceChildren(this.picture, ...this.layers, this.busy);
    this.#show(this.index);
  }

  /** Show a frame as a picture; of several asked for meanwhile the last. */
  async #show(index) {
    this.wanted = index;
    if (this.fetching) return this.fetching;
    this.busy.hidden = false;
    this.fetching = (async () => {
      while (this.wanted !== null) {
        const target = this.wanted;
        this.wanted = null;
        const picture = new Image();
        picture.src = address(`videos/${this.video.id}/frames/${target}.jpg`, { width: PICTURE_WIDTH });
        try {
          await picture.decode();
        } catch {
          continue;
        }
        this.picture.src = picture.src;
        this.#present(target);
      }
    })();
    await this.fetching;
    this.fetching = null;
    this.busy.hidden = true;
  }

  async #turn() {
    const began = performance.now(), next = this.index + 1;
    await this.#show(next);
    if (!this.ended) return;
    if (next >= this.last) {
      this.pause();
      return;
    }
    const due = 1000 * (this.times[next] - this.times[next - 1]) / this.rate;
    this.ended = setTimeout(() => this.#turn(), Math.max(0, due - (performance.now() - began)));
  }
}
