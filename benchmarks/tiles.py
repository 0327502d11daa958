"""A large picture followed in tiles against the same followed whole, on drawn streets of small objects.

    python benchmarks/tiles.py --clips 2 --height 512 --width 768 --tile 256

For each clip: IDF1 by masks of both against the truth, how far they agree, and how long each took.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from pieces import idf1

from seektrack.pipeline import Models, track_objects, track_tiles
from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds
from seektrack.world.truth import TruthRecorder


def main() -> None:
    """Print a line a clip, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--size", type=float, nargs=2, default=(6.0, 12.0), help="half-heights, 256ths")
    given = parser.parse_args()
    cast = (("car", "red"), ("car", "red"))
    settings = SceneSettings(
        height=given.height,
        width=given.width,
        n_frames=given.frames,
        cast=cast,
        actors=(2, 4),
        object_size=tuple(given.size),
        street_only=True,
        look_alikes=0.0,
    )
    models, rows = Models("pocket"), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds(Split.TEST, given.clips, start=500 + given.first):
            clip = render(sample_scene(seed, settings))
            path = Path(folder) / f"{seed}.mp4"
            with VideoWriter(path, width=given.width, height=given.height, fps=8) as writer:
                for frame in clip.frames:
                    writer.write(frame)
            drawn = TruthRecorder(clip.scene, fps=Fraction(8), path=str(path))
            for t, (ids, full) in enumerate(zip(clip.ids, clip.full_area, strict=True)):
                drawn.add(t, ids, full)
            truth = drawn.tracks()
            truth = replace(truth, tracks=tuple(t for t in truth if t.label == "a red car"))
            began = time.process_time()
            whole = track_objects(path, "a red car", model=models)
            between = time.process_time()
            tiled = track_tiles(path, "a red car", tile=given.tile, overlap=given.overlap, model=models)
            took = time.process_time()
            rows.append((idf1(truth, whole), idf1(truth, tiled), idf1(whole, tiled)))
            print(
                f"{seed}: {len(truth)} red cars, IDF1 to truth whole {rows[-1][0]:.3f} ({len(whole)} tracks) "
                f"tiles {rows[-1][1]:.3f} ({len(tiled)}), tiles to whole {rows[-1][2]:.3f}, processor "
                f"{between - began:.1f} s whole, {took - between:.1f} s tiles",
                flush=True,
            )
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    print(f"mean: to truth whole {means[0]:.3f} tiles {means[1]:.3f}, tiles to whole {means[2]:.3f}")


if __name__ == "__main__":
    main()
