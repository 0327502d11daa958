/** The outline of a mask as a smooth path, holes too: corners of pixels are rounded to the middles of their edges. */

let edges = new Int32Array(0);

/** A `Path2D` in pixels of the video, to be filled by the even-odd rule; of a mask cut to its box. */
export function outline({ x: left, y: top, w, h, bits }) {
  const wide = w + 1, places = wide * (h + 1);
  if (edges.length < 2 * places) edges = new Int32Array(2 * places);
  edges.fill(-1, 0, 2 * places);
  const add = (from, to) => {
    edges[2 * from + (edges[2 * from] < 0 ? 0 : 1)] = to;
  };
  for (let y = 0, cell = 0; y < h; y++) {
    for (let x = 0; x < w; x++, cell++) {
      if (!bits[cell]) continue;
      const at = y * wide + x;
      if (y === 0 || !bits[cell - w]) add(at, at + 1);
      if (x === w - 1 || !bits[cell + 1]) add(at + 1, at + wide + 1);
      if (y === h - 1 || !bits[cell + w]) add(at + wide + 1, at + wide);
      if (x === 0 || !bits[cell - 1]) add(at + wide, at);
    }
  }
  const path = new Path2D();
  for (let start = 0; start < places; start++) {
    while (edges[2 * start] >= 0) {
      const loop = [];
      let at = start;
      do {
        const slot = edges[2 * at + 1] >= 0 ? 2 * at + 1 : 2 * at, to = edges[slot];
        edges[slot] = -1;
        loop.push(at);
        at = to;
      } while (at !== start && at >= 0);
      round(path, loop, wide, left, top);
    }
  }
  return path;
}

/** Add a loop of neighbouring corners: straight runs stay straight, corners become curves. */
function round(path, loop, wide, left, top) {
  const n = loop.length, x = (i) => left + loop[i % n] % wide, y = (i) => top + Math.floor(loop[i % n] / wide);
  path.moveTo((x(n - 1) + x(0)) / 2, (y(n - 1) + y(0)) / 2);
  for (let i = 0; i < n; i++) {
    const before = loop[(i + n - 1) % n], after = loop[(i + 1) % n];
    if (after - loop[i] === loop[i] - before) continue; // straight on
    path.lineTo((x(i + n - 1) + x(i)) / 2, (y(i + n - 1) + y(i)) / 2);
    path.quadraticCurveTo(x(i), y(i), (x(i) + x(i + 1)) / 2, (y(i) + y(i + 1)) / 2);
  }
  path.closePath();
}
