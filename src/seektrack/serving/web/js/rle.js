/** COCO run-length codes: pixels column by column, runs beginning with one of pixels that are not in the mask. */

/** Lengths of the runs of a code, compressed or plain. Source of the compressed form: pycocotools, `rleFrString`. */
export function runs(rle) {
  if (typeof rle.counts !== "string") return rle.counts;
  const text = rle.counts, out = [];
  for (let at = 0; at < text.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const c = text.charCodeAt(at++) - 48;
      value |= (c & 0x1f) << shift;
      more = (c & 0x20) !== 0;
      shift += 5;
      if (!more && (c & 0x10) && shift < 32) value |= -1 << shift;
    }
    if (out.length > 2) value += out[out.length - 2];
    out.push(value);
  }
  return out;
}

/**
 * A mask cut to its box: `{x, y, w, h, bits}`, bits row by row; null where the mask is empty.
 * `size` of the code is `[height, width]`.
 */
export function decode(rle) {
  const [height] = rle.size, lengths = runs(rle);
  let at = 0, x0 = Infinity, x1 = -1, y0 = Infinity, y1 = -1;
  for (let n = 0; n < lengths.length; n++) {
    const end = at + lengths[n];
    if (n % 2 && end > at) {
      const first = Math.floor(at / height), last = Math.floor((end - 1) / height);
      x0 = Math.min(x0, first);
      x1 = Math.max(x1, last);
      y0 = first === last ? Math.min(y0, at % height) : 0;
      y1 = first === last ? Math.max(y1, (end - 1) % height) : height - 1;
    }
    at = end;
  }
  if (x1 < 0) return null;
  const w = x1 - x0 + 1, h = y1 - y0 + 1, bits = new Uint8Array(w * h);
  at = 0;
  for (let n = 0; n < lengths.length; n++) {
    const end = at + lengths[n];
    if (n % 2) {
      for (let p = at; p < end;) {
        const column = Math.floor(p / height), stop = Math.min(end, (column + 1) * height);
        for (let y = p - column * height, cell = (y - y0) * w + column - x0; p < stop; p++, cell += w) bits[cell] = 1;
      }
    }
    at = end;
  }
  return { x: x0, y: y0, w, h, bits };
}

/** A whole picture's mask, row by row, as a plain code. */
export function encode(bits, width, height) {
  const counts = [];
  let before = 0, length = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0, cell = x; y < height; y++, cell += width) {
      const now = bits[cell] ? 1 : 0;
      if (now === before) {
        length++;
      } else {
        counts.push(length);
        before = now;
        length = 1;
      }
    }
  }
  counts.push(length);
  return { size: [height, width], counts };
}

/** A cut mask put back into a whole picture of zeros. */
export function whole(cut, width, height) {
  const bits = new Uint8Array(width * height);
  if (cut) {
    for (let y = 0; y < cut.h; y++) bits.set(cut.bits.subarray(y * cut.w, (y + 1) * cut.w), (cut.y + y) * width + cut.x);
  }
  return bits;
}
