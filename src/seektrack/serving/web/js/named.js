/** What a label names: where it is a colour, a mask is outlined, so that the colour can be seen. */
import { post } from "./api.js";

const known = new Map();

/** Whether a label names a colour. */
export async function namesColour(label) {
  if (!label) return false;
  if (!known.has(label)) {
    known.set(label, post("read", { text: label }).then((told) => (told.query?.groups ?? []).flat().some((concept) => concept.colour), () => false));
  }
  return known.get(label);
}

/** Of some objects, the ids of those whose label names a colour. */
export async function colouredOf(objects) {
  const ids = await Promise.all(objects.map(async (one) => (await namesColour(one.label)) && one.obj_id));
  return new Set(ids.filter((id) => id !== false));
}
