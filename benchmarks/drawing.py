"""Frames a second of drawing and of writing an overlay, in every render mode, beside the tracker's own.

    python benchmarks/drawing.py [--objects 4] [--size 1280x720] [--frames 24] [--track 8]

One thread. Objects are ellipses of a tenth of the picture's height, moving over noise; the tracker follows
them with the pocket model from true boxes, masks at the picture's size.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from seektrack.outputs import RENDERS, OverlayStyle, draw_overlay, trails_at, write_overlay
from seektrack.types import Frame, Mask, Observation, Prompt, Track, Tracks, VideoInfo


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--track", type=int, default=8, help="frames the tracker is measured on; 0 for none")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    width, height = (int(side) for side in given.size.split("x"))
    frames, tracks = scene(width, height, given.objects, given.frames)
    tracker = tracking_rate(frames[: given.track], tracks) if given.track else None
    if tracker is not None:
        print(f"tracker: {tracker:.2f} frames/s")
    print(f"{'mode':<12} {'drawing':>9} {'with encoding':>14} {'× tracker':>10}")
    for render in RENDERS:
        style = OverlayStyle(render=render)
        began = time.perf_counter()
        for frame in frames:
            draw_overlay(
                frame.image, tracks.at(frame.index), trails=trails_at(tracks, frame.time_s), style=style
            )
        drawing = len(frames) / (time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            write_overlay(frames, tracks, Path(folder) / style.filename, style=style)
            writing = len(frames) / (time.perf_counter() - began)
        times = "" if tracker is None else f"{writing / tracker:.1f}"
        print(f"{render:<12} {drawing:>9.1f} {writing:>14.1f} {times:>10}", flush=True)


def scene(width: int, height: int, objects: int, n_frames: int) -> tuple[list[Frame], Tracks]:
    """Frames at 25 a second, and tracks that are true of them."""
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.integers(0, 256, (90, 160, 3), dtype=np.uint8), (width, height))
    at = rng.uniform(0.2, 0.8, (objects, 2)) * (width, height)
    speed = rng.uniform(-3, 3, (objects, 2))
    radius = height // 20
    seen: list[list[Observation]] = [[] for _ in range(objects)]
    frames = []
    for i in range(n_frames):
        image = ground.copy()
        for n in range(objects):
            x, y = (round(v) for v in at[n] + i * speed[n])
            mask = np.zeros((height, width), np.uint8)
            cv2.ellipse(mask, (x, y), (2 * radius, radius), 10 * n, 0, 360, 1, -1)
            image[mask > 0] = (200, 30 + 20 * n, 40)
            held = Mask.from_array(mask > 0)
            seen[n].append(Observation(i, i / 25, held.box or (0, 0, 1, 1), held, 0.9))
        frames.append(Frame(i, Fraction(i, 25), image))
    followed = tuple(Track(n, "thing", 0.9, tuple(seen[n])) for n in range(objects))
    info = VideoInfo("scene", width, height, Fraction(25))
    return frames, Tracks(info, "", followed, {i: i / 25 for i in range(n_frames)})


def tracking_rate(frames: list[Frame], tracks: Tracks) -> float:
    """Frames a second of following the objects with the pocket model."""
    from seektrack.pipeline import Models, track_objects
    from seektrack.video import open_video

    models = Models("pocket", device="cpu")
    prompts = [Prompt(t.obj_id, 0, box=t.observations[0].box) for t in tracks]
    images = np.stack([frame.image for frame in frames])
    with open_video(images[:2], fps=25) as source:
        track_objects(source, prompts=prompts, model=models)
    with open_video(images, fps=25) as source:
        began = time.perf_counter()
        track_objects(source, prompts=prompts, model=models)
        return len(frames) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
