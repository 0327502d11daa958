/** Frames worth a look: what the tracker itself reports as wrong, and where an object is lost or goes out of sight. */

const WHY = { occluded: "it is hidden from here on: where it is was predicted", lost: "it was lost here" };

/** `{obj_id, frame_index, why}` in order of frames. */
export function doubtsOf(told) {
  const found = (told.anomalies ?? []).map((one) => ({ obj_id: one.obj_id, frame_index: one.first_frame, why: one.about }));
  for (const object of told.objects) {
    for (const span of object.spans) {
      if (WHY[span.state]) found.push({ obj_id: object.obj_id, frame_index: span.first_frame, why: WHY[span.state] });
    }
  }
  const known = new Set();
  return found.filter((d) => {
    const key = `${d.obj_id} ${d.frame_index}`;
    return !known.has(key) && known.add(key);
  }).sort((a, b) => a.frame_index - b.frame_index || a.obj_id - b.obj_id);
}

/** The next one after a frame, or before it; after `last`, if that lies on the frame; round the end. */
export function nextDoubt(doubts, index, by, last = null) {
  if (!doubts.length) return null;
  const at = last === null || last.frame_index !== index ? -1 : doubts.findIndex((d) => d.frame_index === index && d.obj_id === last.obj_id);
  if (at >= 0) return doubts[(at + by + doubts.length) % doubts.length];
  if (by > 0) return doubts.find((d) => d.frame_index > index) ?? doubts[0];
  return doubts.findLast((d) => d.frame_index < index) ?? doubts[doubts.length - 1];
}
