"""Pixels claimed twice: what share goes to the right object, with the world's own depth as a map and without.

Scenes of the procedural world with many objects, of seeds that nothing was made on. Every object is claimed
whole, as a segmenter claims what it half sees; where two claims meet, the truth says which lies in front.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from seektrack.tracking import Detection, IdentitySettings, IdentityTracker
from seektrack.tracking.claims import DepthMap
from seektrack.tracking.cues import cues_of
from seektrack.types import Mask
from seektrack.world import SceneSettings, frames, sample_scene
from seektrack.world.depth import depth_maps
from seektrack.world.seeds import Split, seeds

FIRST = 52_000_000
FEWEST = 20
"""Contested pixels of a pair on a frame from which it counts."""
SETTINGS = SceneSettings(
    height=160, width=160, n_frames=32, actors=(7, 9), occluders=0, object_size=(18.0, 30.0)
)


def scene_shares(seed: int, *, depth: bool) -> tuple[int, int, int]:
    """Contested pixels of a scene, those given to the right object alone, and those left to both."""
    scene = sample_scene(seed, SETTINGS)
    tracker = IdentityTracker((SETTINGS.height, SETTINGS.width), settings=IdentitySettings(merge=False))
    total = right = both = 0
    for t, ((image, ids, _), (near, shapes)) in enumerate(zip(frames(scene), depth_maps(scene), strict=True)):
        given = []
        for k, shape in enumerate(shapes):
            if shape.sum() >= 40 and (ids == k + 1).sum() >= 0.15 * shape.sum():
                mask = Mask.from_array(shape)
                given.append(Detection(mask.box, mask, 0.95, k + 1, cues=cues_of(image, ids == k + 1)))  # type: ignore[arg-type]

        def deep(near: DepthMap = near) -> DepthMap:
            return near

        settled = tracker.update(t, t / 8, given, image=image, depth=deep if depth else None)
        kept = {i: o.mask.to_array() for i, o in settled.observations.items() if o.mask is not None}
        for a in kept:
            for b in [i for i in kept if i > a]:
                claimed = shapes[a - 1] & shapes[b - 1] & ((ids == a) | (ids == b))
                if claimed.sum() < FEWEST or t < 6:
                    continue
                truth = ids[claimed] == a
                mine, theirs = kept[a][claimed], kept[b][claimed]
                total += int(claimed.sum())
                right += int(((mine & ~theirs) == truth)[mine ^ theirs].sum())
                both += int((mine & theirs).sum())
    return total, right, both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--first", type=int, default=FIRST)
    asked = parser.parse_args()
    for depth in (True, False):
        sums = np.zeros(3, dtype=int)
        for seed in seeds(Split.BENCHMARK, asked.scenes, start=asked.first):
            sums += scene_shares(seed, depth=depth)
        total, right, both = (int(v) for v in sums)
        row = {"depth": depth, "contested pixels": total, "right": round(right / max(total, 1), 4),
               "left to both": round(both / max(total, 1), 4)}  # fmt: skip
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
