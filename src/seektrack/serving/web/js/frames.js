/** Masks and boxes frame by frame, fetched in stretches around where they are looked at and held for a while. */

const STRETCH = 48, HELD = 30;

export class Frames {
  /** @param fetch gives `[{frame_index, objects}]` of `count` frames from `start`; @param told is called when more is there. */
  constructor(fetch, told) {
    this.fetch = fetch;
    this.told = told;
    this.version = 0;
    this.stretches = new Map();
  }

  /** Objects seen on a frame; undefined while they are fetched. */
  at(index) {
    const held = this.stretches.get(Math.floor(index / STRETCH));
    if (!held) {
      this.ensure(index);
      return undefined;
    }
    if (index % STRETCH > STRETCH / 2) this.ensure(index + STRETCH);
    return held.frames ? held.frames.get(index) ?? [] : undefined;
  }

  /** What is here already, without fetching. */
  peek(index) {
    return this.stretches.get(Math.floor(index / STRETCH))?.frames?.get(index);
  }

  /** Fetch the stretch a frame lies in, once. */
  ensure(index) {
    const number = Math.floor(index / STRETCH);
    const held = this.stretches.get(number);
    if (held) {
      this.stretches.delete(number);
      this.stretches.set(number, held); // the longest unused goes first
      return held.coming;
    }
    const version = this.version, entry = { frames: null, stale: new Map() };
    this.stretches.set(number, entry);
    for (const old of this.stretches.keys()) {
      if (this.stretches.size <= HELD) break;
      this.stretches.delete(old);
    }
    entry.coming = this.fetch(number * STRETCH, STRETCH).then((frames) => {
      if (version !== this.version) return;
      const end = (number + 1) * STRETCH;
      entry.frames = new Map(frames.filter((f) => f.frame_index < end).map((f) => [f.frame_index, f.objects]));
      for (const [frame, seen] of entry.stale) this.#put(entry.frames, frame, seen);
      this.told();
    }, () => void this.stretches.delete(number));
    return entry.coming;
  }

  /** Take in an object on a frame that was just computed; `seen.mask` null where it is not there. */
  patch(index, seen) {
    const entry = this.stretches.get(Math.floor(index / STRETCH));
    if (!entry) return;
    if (entry.frames) this.#put(entry.frames, index, seen);
    else entry.stale.set(index, seen);
  }

  #put(frames, index, seen) {
    const others = (frames.get(index) ?? []).filter((one) => one.obj_id !== seen.obj_id);
    frames.set(index, seen.mask ? [...others, seen] : others);
  }

  /** Forget everything: what was computed has changed. What is shown stays until the new is there. */
  forget() {
    this.version++;
    this.stretches.clear();
  }
}
