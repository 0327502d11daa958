/**
 * Pointing into the picture, by mouse, finger or keys: looking, clicks, boxes, a brush. Coordinates are pixels of the video.
 *
 * Tells `pick` (x, y), `click` (x, y, positive), `box` (box) and `paint` (points, radius, wipe).
 */
import { el } from "./dom.js";

export const TOOLS = [
  ["select", "Look and choose (v)", "Click on an object to choose it."],
  ["point", "Click (c)", "Click on the object; Alt or the right button where it is not."],
  ["box", "Box (b)", "Draw a box around the object."],
  ["brush", "Brush (r)", "Paint the object's mask; Alt wipes."],
];
const NEAR = 3, STEP = 8;

export class Tools extends EventTarget {
  constructor(player) {
    super();
    this.player = player;
    this.stage = player.stage;
    this.canvas = el("canvas");
    this.context = this.canvas.getContext("2d");
    player.layer(this.canvas);
    this.said = [];
    this.radius = Math.max(4, Math.round(Math.min(player.video.width, player.video.height) / 28));
    this.cursor = null;
    this.path = null;
    this.use("select");
    this.stage.addEventListener("pointerdown", (event) => this.#down(event));
    this.stage.addEventListener("pointermove", (event) => this.#move(event));
    this.stage.addEventListener("pointerup", (event) => this.#up(event));
    this.stage.addEventListener("pointercancel", () => this.#drop());
    this.stage.addEventListener("pointerleave", () => this.path || ((this.cursor = null), this.draw()));
    this.stage.addEventListener("contextmenu", (event) => this.tool === "select" || event.preventDefault());
    this.stage.addEventListener("keydown", (event) => this.#key(event));
  }

  use(tool) {
    this.tool = tool;
    this.stage.dataset.tool = tool;
    this.corner = null;
    this.#drop();
    this.dispatchEvent(new Event("tool"));
  }

  /** What was said by hand on this frame, as clicks to show: `{x, y, positive}`. */
  show(said) {
    this.said = said;
    this.draw();
  }

  grow(factor) {
    this.radius = Math.min(Math.max(2, this.radius * factor), this.player.video.height / 2);
    this.draw();
  }

  draw() {
    const box = this.stage.getBoundingClientRect(), dense = Math.min(devicePixelRatio || 1, 2), c = this.context;
    const w = Math.round(box.width * dense), h = Math.round(box.height * dense), s = w / this.player.video.width;
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    c.clearRect(0, 0, w, h);
    for (const one of this.said) this.#dot(one.x * s, one.y * s, one.positive, dense);
    const at = this.cursor;
    if (this.path && this.tool === "brush") {
      c.strokeStyle = this.path.wipe ? "#ff8c98aa" : "#ffffffaa";
      c.lineWidth = 2 * this.radius * s;
      c.lineCap = c.lineJoin = "round";
      c.beginPath();
      for (const [x, y] of this.path.points) c.lineTo(x * s, y * s);
      c.lineTo(at.x * s + 0.01, at.y * s);
      c.stroke();
    }
    const from = this.path && this.tool === "box" ? this.path.points[0] : this.corner;
    if (from && at) {
      for (const [colour, width] of [["#0b0d10", 3.5], ["#fff", 1.7]]) {
        c.strokeStyle = colour;
        c.lineWidth = width * dense;
        c.strokeRect(from[0] * s, from[1] * s, (at.x - from[0]) * s, (at.y - from[1]) * s);
      }
    }
    if (at && this.tool === "brush") this.#ring(at.x * s, at.y * s, this.radius * s, dense);
    if (at?.keys && this.tool !== "brush") this.#cross(at.x * s, at.y * s, dense);
  }

  #dot(x, y, positive, dense) {
    const c = this.context, r = 6 * dense;
    c.beginPath();
    c.arc(x, y, r, 0, 7);
    c.fillStyle = positive ? "#12a594" : "#e5484d";
    c.fill();
    c.lineWidth = 2 * dense;
    c.strokeStyle = "#fff";
    c.stroke();
    c.beginPath();
    c.moveTo(x - r / 2, y);
    c.lineTo(x + r / 2, y);
    if (positive) {
      c.moveTo(x, y - r / 2);
      c.lineTo(x, y + r / 2);
    }
    c.stroke();
  }

  #ring(x, y, r, dense) {
    for (const [colour, width] of [["#0b0d10", 3], ["#fff", 1.5]]) {
      this.context.beginPath();
      this.context.arc(x, y, r, 0, 7);
      this.context.strokeStyle = colour;
      this.context.lineWidth = width * dense;
      this.context.stroke();
    }
  }

  #cross(x, y, dense) {
    const r = 11 * dense, c = this.context;
    for (const [colour, width] of [["#0b0d10", 4], ["#fff", 2]]) {
      c.strokeStyle = colour;
      c.lineWidth = width * dense;
      c.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        c.moveTo(x + dx * 3 * dense, y + dy * 3 * dense);
        c.lineTo(x + dx * r, y + dy * r);
      }
      c.stroke();
    }
  }

  #at(event) {
    const box = this.stage.getBoundingClientRect(), { width, height } = this.player.video;
    return {
      x: Math.min(Math.max(0, (event.clientX - box.left) / box.width * width), width - 0.01),
      y: Math.min(Math.max(0, (event.clientY - box.top) / box.height * height), height - 0.01),
    };
  }

  #tell(name, more) {
    this.dispatchEvent(Object.assign(new Event(name), more));
  }

  #down(event) {
    if (event.button > 2 || event.button === 1) return;
    this.stage.focus({ preventScroll: true });
    this.player.pause();
    const at = this.#at(event), not = event.altKey || event.button === 2;
    this.cursor = at;
    if (this.tool === "select") this.#tell("pick", at);
    else if (this.tool === "point") this.#tell("click", { ...at, positive: !not });
    else {
      this.stage.setPointerCapture(event.pointerId);
      this.path = { points: [[at.x, at.y]], wipe: not };
      this.draw();
    }
  }

  #move(event) {
    this.cursor = this.#at(event);
    if (this.path) {
      for (const one of event.getCoalescedEvents?.() ?? [event]) {
        const at = this.#at(one);
        this.path.points.push([at.x, at.y]);
      }
    }
    if (this.tool !== "select") this.draw();
  }

  #up(event) {
    const path = this.path;
    if (!path) return;
    this.path = null;
    const at = this.#at(event);
    if (this.tool === "brush") this.#tell("paint", { points: [...path.points, [at.x, at.y]], radius: this.radius, wipe: path.wipe });
    else this.#boxed(path.points[0], [at.x, at.y]);
    this.draw();
  }

  #boxed([ax, ay], [bx, by]) {
    const box = [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
    if (box[2] - box[0] >= NEAR && box[3] - box[1] >= NEAR) this.#tell("box", { box });
  }

  #drop() {
    this.path = null;
    this.draw();
  }

  /** The same by keys: arrows move a mark, Enter sets it. */
  #key(event) {
    if (this.tool === "select" || event.ctrlKey || event.metaKey) return;
    const { width, height } = this.player.video, far = event.shiftKey ? 1 : STEP * width / 640;
    const by = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
    const at = this.cursor ?? { x: width / 2, y: height / 2 };
    if (by) {
      this.cursor = { x: Math.min(Math.max(0, at.x + by[0]), width - 1), y: Math.min(Math.max(0, at.y + by[1]), height - 1), keys: true };
    } else if (event.key === "Enter" || event.key === "x") {
      const not = event.key === "x";
      if (this.tool === "point") this.#tell("click", { x: at.x, y: at.y, positive: !not });
      else if (this.tool === "brush") this.#tell("paint", { points: [[at.x, at.y]], radius: this.radius, wipe: not });
      else if (this.corner) {
        this.#boxed(this.corner, [at.x, at.y]);
        this.corner = null;
      } else this.corner = [at.x, at.y];
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.draw();
  }
}

/** Paint a path into a whole mask, row by row: discs of a radius along it set to a value. */
export function paint(bits, width, height, points, radius, value) {
  const disc = (cx, cy) => {
    for (let y = Math.max(0, Math.ceil(cy - radius)); y <= Math.min(height - 1, cy + radius); y++) {
      const half = Math.sqrt(radius * radius - (y - cy) ** 2);
      const x0 = Math.max(0, Math.ceil(cx - half)), x1 = Math.min(width - 1, Math.floor(cx + half));
      if (x1 >= x0) bits.fill(value, y * width + x0, y * width + x1 + 1);
    }
  };
  let before = points[0];
  for (const point of points) {
    const steps = Math.max(1, Math.ceil(Math.hypot(point[0] - before[0], point[1] - before[1]) / Math.max(1, radius / 2)));
    for (let n = 1; n <= steps; n++) disc(before[0] + (point[0] - before[0]) * n / steps, before[1] + (point[1] - before[1]) * n / steps);
    before = point;
  }
}
