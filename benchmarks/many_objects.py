"""Many objects at once: boxes on the first of a few drawn pictures, followed; processor time and memory.

python benchmarks/many_objects.py --objects 500 --frames 4
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from seektrack.pipeline import track_objects
from seektrack.types import Prompt

COLUMNS, STEP_X, STEP_Y, WIDTH, HEIGHT = 32, 20, 22, 12, 14


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--frames", type=int, default=4)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = -(-given.objects // COLUMNS)
    pictures = np.full((given.frames, rows * STEP_Y + 8, COLUMNS * STEP_X, 3), 90, np.uint8)
    prompts = []
    for k in range(given.objects):
        x, y = (k % COLUMNS) * STEP_X + 2, (k // COLUMNS) * STEP_Y + 3
        colour = rng.integers(0, 255, 3)
        for t in range(given.frames):
            pictures[t, y : y + HEIGHT, x + t % 4 : x + t % 4 + WIDTH] = colour
        prompts.append(Prompt(k + 1, 0, box=(x, y, x + WIDTH, y + HEIGHT)))
    began = time.process_time()
    tracks = track_objects(pictures, prompts=prompts)
    spent, most = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{given.objects} objects, {given.frames} frames: {len(tracks)} tracks, {spent:.1f} s of processor, "
        f"{most:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
