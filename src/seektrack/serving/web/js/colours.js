/** A colour for every object, the same as in overlays and reports: hues by the golden ratio around OKLCH's circle. */

const GOLDEN = (Math.sqrt(5) - 1) / 2, FIRST = 0.07, LIGHTNESS = [0.74, 0.66, 0.82], CHROMA = 0.19;
const known = new Map();

function linear(lightness, a, b) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s];
}

const gamma = (v) => v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055;

/** `[r, g, b]`, 0 to 255. Source of the colour space: Björn Ottosson, 2020. */
export function rgb(id) {
  if (!known.has(id)) {
    const hue = 2 * Math.PI * ((id * GOLDEN + FIRST) % 1);
    for (let chroma = CHROMA; ; chroma *= 0.95) {
      const found = linear(LIGHTNESS[id % 3], chroma * Math.cos(hue), chroma * Math.sin(hue));
      if (found.every((v) => v >= -1e-4 && v <= 1 + 1e-4)) {
        known.set(id, found.map((v) => Math.round(255 * gamma(Math.min(Math.max(v, 0), 1)))));
        break;
      }
    }
  }
  return known.get(id);
}

export const css = (id, alpha = 1) => `rgb(${rgb(id).join(" ")} / ${alpha})`;
