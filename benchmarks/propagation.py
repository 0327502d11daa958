"""What the optical flow between frames, and the closer look, cost and bring on held-out scenes of the world.

Modes run one after another on each clip, so that a busy machine disturbs all alike; speed is CPU time of one
thread, as the median over clips of the ratio to the mode memory on the same clip.

    python benchmarks/propagation.py modes --clips 12 --frames 48
    python benchmarks/propagation.py refine --scenes 12
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict

import cv2
import numpy as np
import torch

from seektrack.geometry import mask_iou, mask_to_box
from seektrack.metrics import sequence_scores
from seektrack.segmentation import PropagationSettings, RefineSettings, Sam2, load_sam2, open_session, refine
from seektrack.types import Prompt
from seektrack.world import Clip, SceneSettings, Split, render, sample_scene, seeds

MODES = {
    "memory": PropagationSettings(),
    "hybrid k=2": PropagationSettings(mode="hybrid", every=2),
    "hybrid k=2, max_lost .2": PropagationSettings(mode="hybrid", every=2, max_lost=0.2),
    "hybrid k=2, max_lost .5": PropagationSettings(mode="hybrid", every=2, max_lost=0.5),
    "hybrid k=3": PropagationSettings(mode="hybrid", every=3),
    "hybrid k=3, max_lost .5": PropagationSettings(mode="hybrid", every=3, max_lost=0.5),
    "hybrid k=4": PropagationSettings(mode="hybrid", every=4),
    "hybrid k=4, max_lost .5": PropagationSettings(mode="hybrid", every=4, max_lost=0.5),
    "hybrid k=4, two-way": PropagationSettings(mode="hybrid", every=4, two_way=True),
    "hybrid k=8": PropagationSettings(mode="hybrid", every=8),
    "hybrid k=4, farneback": PropagationSettings(mode="hybrid", every=4, flow="farneback"),
    "flow": PropagationSettings(mode="flow"),
}
"""Each starts from true boxes on the first frame."""
METHODS = ("roi", "progressive", "multiscale", "tiles")
SIZES = {"up to 60": (200, 60**2), "60 to 150": (60**2, 150**2), "above 150": (150**2, 1 << 30)}
"""Objects by the side of a square of their area, in pixels."""


def objects(clip: Clip, least: int) -> dict[int, tuple[float, float, float, float]]:
    """Boxes of the objects that show on the first frame."""
    found = {}
    for actor in clip.scene.actors:
        mask = clip.ids[0] == actor.obj_id
        box = mask_to_box(mask)
        if box is not None and mask.sum() >= least:
            found[actor.obj_id] = box
    return found


def follow(sam2: Sam2, clip: Clip, settings: PropagationSettings) -> tuple[list[float], float, float]:
    """J&F of each object, CPU seconds a frame, and the share of frames the network saw."""
    boxes = objects(clip, 60)
    session = open_session(sam2, settings)
    for obj_id, box in boxes.items():
        session.add(Prompt(obj_id, 0, box=box))
    answers = []
    began = time.thread_time()
    for t, frame in enumerate(clip.frames):
        answers.append(session.step(frame, t))
    spent = (time.thread_time() - began) / len(clip.frames)
    masks = defaultdict(list)
    for answer in answers:
        for obj_id, mask in zip(answer.obj_ids, answer.masks(), strict=True):
            masks[obj_id].append(mask)
    scores = []
    for obj_id in boxes:
        result = sequence_scores([ids == obj_id for ids in clip.ids], masks[obj_id])
        scores.append(float((result.j.mean() + result.f.mean()) / 2))
    return scores, spent, getattr(session, "n_seen", len(clip.frames)) / len(clip.frames)


def modes(args: argparse.Namespace) -> None:
    sam2 = load_sam2(args.model, resolution=args.resolution, precision=args.precision)
    settings = SceneSettings(n_frames=args.frames)
    kept = defaultdict(list)
    for seed in seeds(Split.BENCHMARK, args.clips, start=args.start):
        clip = render(sample_scene(seed, settings))
        if not objects(clip, 60):
            continue
        for name in args.modes or MODES:
            kept[name].append(follow(sam2, clip, MODES[name]))
        if args.verbose:
            print(seed, {name: f"{np.mean(runs[-1][0]):.3f}" for name, runs in kept.items()}, flush=True)
    n = sum(len(scores) for scores, _, _ in kept["memory"])
    what = f"{sam2.name} at {sam2.resolution} in {args.precision}"
    print(f"{args.clips} clips of {args.frames} frames, {n} objects, {what}")
    print("mode                     J&F   against memory   frames seen   ms/frame   times memory's speed")
    base = kept["memory"]
    for name, runs in kept.items():
        jf = np.mean([s for scores, _, _ in runs for s in scores])
        lost = jf - np.mean([s for scores, _, _ in base for s in scores])
        ratio = statistics.median(b[1] / r[1] for b, r in zip(base, runs, strict=True))
        ms = 1e3 * statistics.mean(r[1] for r in runs)
        seen = np.mean([r[2] for r in runs])
        print(f"{name:23s} {jf:.3f} {lost:+16.3f} {seen:13.2f} {ms:10.1f} {ratio:12.2f}")


def closer(args: argparse.Namespace) -> None:
    sam2 = load_sam2(args.model, resolution=args.resolution)
    scenes = SceneSettings(height=1024, width=1024, n_frames=1, object_size=(4, 40), actors=(3, 6))
    found = defaultdict(list)
    cost = defaultdict(list)
    for seed in seeds(Split.BENCHMARK, args.scenes, start=30_000):
        clip = render(sample_scene(seed, scenes))
        boxes = objects(clip, 200)
        if not boxes:
            continue
        truth = [clip.ids[0] == obj_id for obj_id in boxes]
        session = open_session(sam2)
        for obj_id, box in boxes.items():
            session.add(Prompt(obj_id, 0, box=box))
        coarse = session.step(clip.frames[0], 0).masks()
        found["one look"] += [(t.sum(), mask_iou(m, t)) for t, m in zip(truth, coarse, strict=True)]
        for method in METHODS:
            began = time.thread_time()
            masks = refine(
                sam2,
                clip.frames[0],
                coarse,
                boxes=list(boxes.values()),
                settings=RefineSettings(method=method),
            )
            cost[method].append((time.thread_time() - began) / len(boxes))
            found[method] += [(t.sum(), mask_iou(r.mask, t)) for t, r in zip(truth, masks, strict=True)]
    print(f"{args.scenes} scenes of 1024x1024 pixels, true boxes, {sam2.name} at {sam2.resolution}: mean J")
    counts = [sum(low <= a < high for a, _ in found["one look"]) for low, high in SIZES.values()]
    print(
        "method       " + "".join(f"{f'{s} px (n={n})':>20s}" for s, n in zip(SIZES, counts, strict=True)),
        end="",
    )
    print("   ms/object")
    for name, entries in found.items():
        row = [[j for area, j in entries if low <= area < high] for low, high in SIZES.values()]
        ms = 1e3 * statistics.mean(cost[name]) if cost[name] else 0.0
        print(f"{name:13s}" + "".join(f"{np.mean(js) if js else np.nan:20.3f}" for js in row) + f"{ms:12.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("modes", "refine", "all"), default="all")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--precision", default="fp32", help="of modes; fp32 or bf16")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--start", type=int, default=10_000, help="first benchmark seed of the clips")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--modes", nargs="+", choices=list(MODES))
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if args.modes and args.modes[0] != "memory":
        args.modes = ["memory", *args.modes]
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if args.what in ("modes", "all"):
        modes(args)
    if args.what in ("refine", "all"):
        closer(args)


if __name__ == "__main__":
    main()
