"""The multi-object engine against transformers' own loop, same weights, same run.

Speed is the median over pairs of (ours, theirs) timed right after each other, so that a busy machine disturbs
both alike. Memory is the process's resident size while one session follows objects through many frames.

    python benchmarks/engine.py speed --objects 1 4 16
    python benchmarks/engine.py memory --objects 8 --frames 200 1000
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from seektrack.segmentation import Sam2, VideoSession, load_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Prompt

HW = (360, 640)


def network(args: argparse.Namespace) -> Sam2:
    """A checkpoint, or a pocket-size network with random weights."""
    if args.model:
        return load_sam2(args.model, device=args.device, resolution=args.resolution)
    torch.manual_seed(0)
    side = args.resolution or 256
    return Sam2(build_pocket(PocketSize(resolution=side)).eval().to(args.device or "cpu"), side)


def frame(index: int) -> np.ndarray:
    """A picture that is made when asked for and differs from its neighbours."""
    return np.random.default_rng(index).integers(0, 255, (*HW, 3), dtype=np.uint8)


def box(obj_id: int) -> tuple[float, float, float, float]:
    x, y = 20.0 + 60 * (obj_id % 8), 20.0 + 80 * (obj_id // 8 % 4)
    return x, y, x + 80, y + 70


def ours(sam2: Sam2, n_objects: int) -> Callable[[np.ndarray, int], torch.Tensor]:
    """A function that steps our engine."""
    session = VideoSession(sam2)
    for obj_id in range(n_objects):
        session.add(Prompt(obj_id, 0, box=box(obj_id)))
    return lambda image, index: session.step(image, index).logits


def theirs(sam2: Sam2, n_objects: int) -> Callable[[np.ndarray, int], torch.Tensor]:
    """A function that streams a frame through transformers' session, with the same preprocessing."""
    session = Sam2VideoInferenceSession(
        video_height=HW[0],
        video_width=HW[1],
        dtype=torch.float32,
        inference_device=sam2.device,
        inference_state_device=sam2.device,
    )
    scale = torch.tensor([sam2.resolution / HW[1], sam2.resolution / HW[0]])
    for obj_id in range(n_objects):
        corners = torch.tensor(box(obj_id)).reshape(2, 2) * scale
        inputs = {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]])}
        session.add_point_inputs(session.obj_id_to_idx(obj_id), 0, inputs)
        session.obj_with_new_inputs.append(obj_id)

    def step(image: np.ndarray, index: int) -> torch.Tensor:
        del index
        return sam2.model(session, frame=sam2.preprocess(image)).pred_masks

    return step


def seconds(
    step: Callable[[np.ndarray, int], torch.Tensor], start: int, count: int, device: torch.device
) -> float:
    images = [frame(i) for i in range(start, start + count)]
    began = time.perf_counter()
    for i, image in enumerate(images, start):
        step(image, i)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


def speed(args: argparse.Namespace) -> None:
    sam2 = network(args)
    print(f"resolution {sam2.resolution}, {sam2.device}, {torch.get_num_threads()} thread(s)")
    print("objects   ours fps   transformers fps   ratio (median of pairs)")
    for n_objects in args.objects:
        a, b = ours(sam2, n_objects), theirs(sam2, n_objects)
        warm = sam2.model.num_maskmem + 1
        seconds(a, 0, warm, sam2.device)
        seconds(b, 0, warm, sam2.device)
        pairs = []
        for k in range(args.pairs):
            start = warm + k * args.frames_per_pair
            pairs.append(tuple(seconds(step, start, args.frames_per_pair, sam2.device) for step in (a, b)))
        fps = [1 / statistics.median(column) for column in zip(*pairs, strict=True)]
        ratio = statistics.median(t / o for o, t in pairs)
        print(f"{n_objects:7d} {fps[0]:10.2f} {fps[1]:18.2f} {ratio:8.2f}")


def resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def memory(args: argparse.Namespace) -> None:
    sam2 = network(args)
    n_objects = args.objects[0]
    for name, make in (("ours", ours), ("transformers", theirs)):
        step = make(sam2, n_objects)
        marks = sorted(args.frames if name == "ours" else args.frames_theirs)
        sizes = {}
        for i in range(marks[-1]):
            step(frame(i), i)
            if i + 1 in marks:
                sizes[i + 1] = resident_mb()
        grown = (sizes[marks[-1]] - sizes[marks[0]]) / max(marks[-1] - marks[0], 1)
        listed = ", ".join(f"{mb:.1f} MB after {n}" for n, mb in sizes.items())
        print(f"{name}: {n_objects} objects at {sam2.resolution}: {listed}; {grown * 1000:.1f} kB a frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--model", help="checkpoint; a pocket-size network with random weights if not given")
    parser.add_argument("--device")
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--frames-per-pair", type=int, default=2)
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--frames-theirs", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    {"speed": speed, "memory": memory}[args.what](args)


if __name__ == "__main__":
    main()
