"""How fast the world draws: processor time of each style, and its ratio to the plain style's.

Styles take turns on the same seeds, so that a busy machine disturbs them alike. Time is the process's own,
on one core, sampling and backdrop included.

    python benchmarks/world.py --scenes 24 --frames 8 --size 256
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import cv2

from seektrack.world import SceneSettings, Split, render, sample_scene, seeds
from seektrack.world.scene import STYLES


def cost(settings: SceneSettings, seed: int) -> float:
    """Processor seconds a frame."""
    start = time.process_time()
    render(sample_scene(seed, settings))
    return (time.process_time() - start) / settings.n_frames


def main() -> None:
    """Print one line a style."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    base = SceneSettings(height=args.size, width=args.size, n_frames=args.frames, things=(0, 3))
    styles = {style: replace(base, style=style) for style in STYLES}
    costs: dict[str, list[float]] = {style: [] for style in styles}
    for seed in seeds(Split.BENCHMARK, args.scenes):
        for style, settings in styles.items():
            costs[style].append(cost(settings, seed))
    plain = statistics.mean(costs["plain"])
    print(f"{args.scenes} scenes of {args.frames} frames, {args.size} x {args.size}, one core")
    print(f"{'style':8}{'ms/frame':>10}{'median':>10}{'slowest':>10}{'frames/s':>10}{'x plain':>10}")
    for style, seen in costs.items():
        mean = statistics.mean(seen)
        figures = (1000 * mean, 1000 * statistics.median(seen), 1000 * max(seen), 1 / mean, mean / plain)
        print(f"{style:8}" + "".join(f"{figure:10.1f}" for figure in figures))


if __name__ == "__main__":
    main()
