/** Masks, boxes, trails and names over a frame, as large as the screen shows it. */
import { css } from "./colours.js";
import { outline } from "./contour.js";
import { decode } from "./rle.js";

const HELD = 256, TRAIL_S = 1.2, FILL = 0.4, LONGEST = 24, CROWD = 16;

export class Painter {
  constructor(canvas, width, height) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = width;
    this.height = height;
    this.outlines = new Map();
    this.resize();
  }

  /** Fit the canvas to the pixels of the screen. */
  resize() {
    const box = this.canvas.getBoundingClientRect(), dense = Math.min(devicePixelRatio || 1, 2);
    this.scale = Math.max(box.width * dense / this.width, 0.01);
    this.dense = dense;
    const w = Math.round(box.width * dense), h = Math.round(box.height * dense);
    if (w && (this.canvas.width !== w || this.canvas.height !== h)) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
  }

  /**
   * Draw what is seen on a frame.
   * @param objects as the service tells them: `obj_id`, `box`, `mask`, `score`, `visible`.
   * @param look `{masks, boxes, trails, tags, outlined(id), label(id), chosen, trail(id)}`.
   */
  draw(objects, look) {
    const c = this.context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const order = [...objects].sort((a, b) => (a.obj_id === look.chosen) - (b.obj_id === look.chosen) || a.score - b.score);
    if (look.masks) for (const one of order) this.#mask(one, look);
    if (look.trails) for (const one of order) this.#trail(one.obj_id, look.trail(one.obj_id));
    for (const one of order) if (look.boxes || !one.mask || !one.visible) this.#box(one, look);
    if (look.tags) for (const one of order) this.#tag(one, this.#name(one, look, order.length > CROWD));
  }

  /** What an object is called on the picture: short, in a crowd by its number alone unless it is the chosen one. */
  #name(one, look, crowd) {
    if (crowd && one.obj_id !== look.chosen) return String(one.obj_id);
    const label = look.label(one.obj_id) || "object", short = label.length > LONGEST ? `${label.slice(0, LONGEST - 1).trimEnd()}…` : label;
    return `${short} ${one.obj_id}${one.visible ? "" : " · hidden"}`;
  }

  #mask(one, look) {
    if (!one.mask || !one.visible) return;
    const path = this.#outline(one.mask), c = this.context, s = this.scale;
    const outlined = look.outlined(one.obj_id), chosen = one.obj_id === look.chosen;
    if (!path) return;
    c.setTransform(s, 0, 0, s, 0, 0);
    if (!outlined) {
      c.fillStyle = css(one.obj_id, FILL);
      c.fill(path, "evenodd");
    }
    c.lineJoin = "round";
    c.strokeStyle = css(one.obj_id);
    c.lineWidth = (chosen ? 3.2 : outlined ? 2.4 : 1.4) * this.dense / s;
    c.stroke(path);
    c.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** The path round a mask, traced once. */
  #outline(mask) {
    const key = `${mask.size} ${mask.counts}`;
    let path = this.outlines.get(key);
    if (path === undefined) {
      const cut = decode(mask);
      path = cut && outline(cut);
      this.outlines.set(key, path);
      if (this.outlines.size > HELD) this.outlines.delete(this.outlines.keys().next().value);
    }
    return path;
  }

  #box(one, look) {
    const c = this.context, s = this.scale, [x0, y0, x1, y1] = one.box;
    c.strokeStyle = css(one.obj_id);
    c.lineWidth = (one.obj_id === look.chosen ? 2.4 : 1.5) * this.dense;
    c.setLineDash(one.visible ? [] : [5 * this.dense, 4 * this.dense]);
    c.strokeRect(x0 * s, y0 * s, (x1 - x0) * s, (y1 - y0) * s);
    c.setLineDash([]);
  }

  #trail(id, points) {
    const c = this.context, s = this.scale;
    c.lineCap = "round";
    for (let n = 1; n < points.length; n++) {
      c.strokeStyle = css(id, 0.25 + 0.75 * n / points.length);
      c.lineWidth = (0.8 + 2 * n / points.length) * this.dense;
      c.beginPath();
      c.moveTo(points[n - 1][0] * s, points[n - 1][1] * s);
      c.lineTo(points[n][0] * s, points[n][1] * s);
      c.stroke();
    }
  }

  #tag(one, text) {
    const c = this.context, s = this.scale, size = 12 * this.dense, pad = 4 * this.dense;
    c.font = `600 ${size}px ui-sans-serif, system-ui, sans-serif`;
    const wide = c.measureText(text).width + 2 * pad, high = size + 1.2 * pad;
    const x = Math.min(Math.max(0, one.box[0] * s), this.canvas.width - wide);
    const above = one.box[1] * s - high - 2 * this.dense;
    const y = above >= 0 ? above : Math.min(one.box[3] * s + 2 * this.dense, this.canvas.height - high);
    c.fillStyle = css(one.obj_id, one.visible ? 0.94 : 0.6);
    c.beginPath();
    c.roundRect(x, y, wide, high, 4 * this.dense);
    c.fill();
    c.fillStyle = "#101317";
    c.textBaseline = "middle";
    c.fillText(text, x + pad, y + high / 2 + 0.5);
  }
}

/** Where an object was in the last second, oldest first, as far as it is known here. */
export function trailOf(frames, times, id, index) {
  const points = [];
  for (let n = index; n >= 0 && times[n] >= times[index] - TRAIL_S; n--) {
    const seen = frames.peek(n)?.find((one) => one.obj_id === id);
    if (seen) points.unshift([(seen.box[0] + seen.box[2]) / 2, (seen.box[1] + seen.box[3]) / 2]);
  }
  return points;
}
