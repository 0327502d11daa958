/** What is followed in one video and put right by hand: the session the service keeps. */
import { get, listen, post } from "./api.js";
import { Frames } from "./frames.js";
import { decode } from "./rle.js";

export class Session extends EventTarget {
  /** Sessions of a video, the latest first. */
  static async of(videoId) {
    return (await get("sessions")).sessions.filter((one) => one.video_id === videoId);
  }

  /** Begin one: with a text to follow, with tracks to put right, or with nothing yet. */
  static async begin(videoId, { text = null, tracks = null } = {}) {
    const asked = { video: videoId };
    if (text) asked.text = text;
    if (tracks) asked.tracks = tracks;
    return new Session(await post("sessions", asked));
  }

  static async open(id) {
    return new Session(await get(`sessions/${id}`));
  }

  constructor(told) {
    super();
    this.id = told.id;
    this.frames = new Frames(async (start, count) => (await get(`sessions/${this.id}/masks`, { start, count })).frames,
      () => this.dispatchEvent(new Event("masks")));
    this.#take(told);
  }

  #take(told) {
    this.told = told;
    this.objects = told.objects;
    this.dispatchEvent(new Event("change"));
  }

  /** What was said by hand of the objects there are: corrections, under the ids they go by now. */
  get said() {
    const found = [];
    for (const { kind, what, undone } of this.told.edits) {
      if (undone) continue;
      if (kind === "correct") found.push({ ...what });
      for (const one of found) {
        if (kind === "correct" || one.obj_id !== what.obj_id) continue;
        if (kind === "delete") one.obj_id = null;
        else if (kind === "merge") one.obj_id = what.into;
        else if (kind === "split" && one.frame_index >= what.frame_index) one.obj_id = what.new_id;
      }
    }
    return found.filter((one) => one.obj_id !== null);
  }

  /** Take in what the service has now. */
  async refresh() {
    this.#take(await get(`sessions/${this.id}`));
  }

  async #edit(path, body) {
    const answer = await post(`sessions/${this.id}/${path}`, body);
    this.frames.forget();
    await this.refresh();
    return answer;
  }

  rename = (id, label) => this.#edit("rename", { obj_id: id, label });
  merge = (id, into) => this.#edit("merge", { obj_id: id, into });
  split = (id, frame) => this.#edit("split", { obj_id: id, frame_index: frame });
  delete = (id) => this.#edit("delete", { obj_id: id });
  undo = () => this.#edit("undo", {});
  redo = () => this.#edit("redo", {});

  /** Put an object right on a frame, or add one; its mask is drawn as soon as it is known. */
  async correct(correction) {
    const made = await post(`sessions/${this.id}/corrections`, correction);
    this.#put(made.frame_index, made.obj_id, made.mask);
    await this.refresh();
    return made;
  }

  /**
   * Mend the frames around every correction, a job; `told(frame, id)` hears of each object on each frame as it is done.
   * It ends when the job does; stopped by `signal`, what was mended around earlier frames stands.
   */
  async propagate(told, signal) {
    let end = () => {}, quiet = () => {};
    try {
      await new Promise((begun, failed) => (quiet = listen(`sessions/${this.id}/events`, {
        listening: begun,
        mask: (one) => {
          this.#put(one.frame_index, one.obj_id, one.mask);
          told(one.frame_index, one.obj_id);
        },
      }, (error) => error && failed(error))));
      const job = await post(`sessions/${this.id}/propagate`);
      signal?.addEventListener("abort", () => post(`jobs/${job.id}/cancel`).catch(() => {}));
      await new Promise((done, broken) => (end = listen(`jobs/${job.id}/events`, {
        job: (now) => {
          if (now.state === "done") done();
          else if (now.state === "cancelled") broken(new DOMException("stopped", "AbortError"));
          else if (now.state === "failed") broken(Object.assign(new Error(now.error.message), { hint: now.error.hint }));
        },
      }, (error) => error && broken(error))));
    } finally {
      end();
      quiet();
      this.frames.forget();
      await this.refresh();
    }
  }

  #put(frame, id, mask) {
    const cut = mask && decode(mask);
    const box = cut && [cut.x, cut.y, cut.x + cut.w, cut.y + cut.h];
    this.frames.patch(frame, { obj_id: id, box, mask: cut ? mask : null, score: 1, visible: true, state: "visible" });
    this.dispatchEvent(new Event("masks"));
  }
}
