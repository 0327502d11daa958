"""The multi-object engine against transformers' own loop: same weights, same pictures, same run.

Speed is the median over pairs of (ours, theirs) timed right after each other, so that a busy machine disturbs
both alike; their network is a copy of its own. Memory is the process's resident size, or what CUDA has
given out, while one session follows objects through a stream of pictures made as they are asked for.

    python benchmarks/engine.py                                          # speed at 1, 4 and 16 objects
    python benchmarks/engine.py speed --precision fp32 bf16 --threads 2
    python benchmarks/engine.py speed --geometry tiny --resolution 512 --objects 8
    python benchmarks/engine.py memory --objects 8 --frames 200 3000     # --state FILE resumes
    python benchmarks/engine.py table --resolution 256 512 --objects 1 4 16 --precision fp32 bf16
"""

from __future__ import annotations

import argparse
import copy
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from seektrack.segmentation import FrameMasks, Sam2, VideoSession, load_sam2
from seektrack.segmentation.model import PRECISIONS
from seektrack.types import Prompt

HW = (360, 640)
Step = Callable[[np.ndarray, int], object]
CLOCK = [time.perf_counter]


def network(args: argparse.Namespace, *, precision: str = "fp32", resolution: int | None = None) -> Sam2:
    """A checkpoint, or the geometry of hiera-tiny with random weights."""
    side = resolution or (args.resolution[0] if args.resolution else None)
    if args.geometry == "pocket":
        return load_sam2(
            args.model, device=args.device, resolution=side, precision=precision, compile=args.compile
        )
    from seektrack.segmentation.loading import set_resolution

    torch.manual_seed(0)
    config = Sam2VideoConfig()
    set_resolution(config, side)
    model = Sam2VideoModel(config).eval().to(args.device or "cpu")
    shared = model.shared_image_embedding.positional_embedding
    model.prompt_encoder.shared_embedding.positional_embedding.copy_(shared)
    sam2 = Sam2(model, int(config.image_size), name="tiny geometry", precision=precision)
    if args.compile:
        sam2.fused.compile()
    return sam2


def place(obj_id: int, index: int) -> tuple[int, int]:
    """Centre of an object on a picture: a grid of eight by eight that sways."""
    x = 40 + 80 * (obj_id % 8) + 14 * np.sin(0.13 * index + obj_id)
    y = 24 + 44 * (obj_id // 8 % 8) + 8 * np.cos(0.11 * index + 2 * obj_id)
    return round(x), round(y)


def frame(index: int, n_objects: int = 16) -> np.ndarray:
    """A picture that is made when asked for: coloured discs over a soft background."""
    rng = np.random.default_rng(0)
    soft = rng.integers(60, 130, (9, 16, 3), dtype=np.uint8)
    image = cv2.resize(soft, (HW[1], HW[0]), interpolation=cv2.INTER_CUBIC)
    for obj_id in range(n_objects):
        colour = tuple(int(c) for c in np.random.default_rng(obj_id).integers(0, 255, 3))
        cv2.ellipse(image, place(obj_id, index), (22, 15), 20.0 * obj_id, 0, 360, colour, -1, cv2.LINE_AA)
    return np.asarray(image)


def box(obj_id: int) -> tuple[float, float, float, float]:
    x, y = place(obj_id, 0)
    return max(x - 23.0, 0), max(y - 20.0, 0), min(x + 23.0, HW[1]), min(y + 20.0, HW[0])


def session_of(sam2: Sam2, n_objects: int) -> VideoSession:
    session = VideoSession(sam2)
    for obj_id in range(n_objects):
        session.add(Prompt(obj_id, 0, box=box(obj_id)))
    return session


def ours(sam2: Sam2, n_objects: int) -> Step:
    """A function that steps our engine."""
    return session_of(sam2, n_objects).step


def theirs(sam2: Sam2, n_objects: int, model: Sam2VideoModel) -> Step:
    """A function that streams a picture through transformers' session, with the same preprocessing."""
    session = Sam2VideoInferenceSession(
        video_height=HW[0],
        video_width=HW[1],
        dtype=model.dtype,
        inference_device=sam2.device,
        inference_state_device=sam2.device,
    )
    scale = torch.tensor([sam2.resolution / HW[1], sam2.resolution / HW[0]])
    for obj_id in range(n_objects):
        corners = torch.tensor(box(obj_id)).reshape(2, 2) * scale
        inputs = {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]])}
        session.add_point_inputs(session.obj_id_to_idx(obj_id), 0, inputs)
        session.obj_with_new_inputs.append(obj_id)
    return lambda image, index: model(session, frame=sam2.preprocess(image)).pred_masks


def seconds(step: Step, start: int, count: int, device: torch.device, n_objects: int) -> float:
    """Of the wall clock a frame, or of processor time where ``CLOCK`` says so."""
    images = [frame(i, n_objects) for i in range(start, start + count)]
    began = CLOCK[0]()
    for i, image in enumerate(images, start):
        step(image, i)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (CLOCK[0]() - began) / count


def where(sam2: Sam2) -> str:
    device = torch.cuda.get_device_name() if sam2.device.type == "cuda" else "cpu"
    return f"{sam2.name} at {sam2.resolution}, {device}, {torch.get_num_threads()} thread(s)"


def speed(args: argparse.Namespace) -> None:
    """Pairs of ours and theirs; theirs always computes in the weights' own type."""
    for precision in args.precision:
        sam2 = network(args, precision=precision)
        model = copy.deepcopy(sam2.model)
        print(f"{where(sam2)}, ours in {precision}, theirs in {str(model.dtype).removeprefix('torch.')}")
        print("objects   ours fps   transformers fps   ratio (median of pairs)   our masks' IoU with theirs")
        for n_objects in args.objects:
            a, b = ours(sam2, n_objects), theirs(sam2, n_objects, model)
            warm = sam2.model.num_maskmem + 1
            seconds(a, 0, warm, sam2.device, n_objects)
            seconds(b, 0, warm, sam2.device, n_objects)
            pairs = []
            for k in range(args.pairs):
                start = warm + k * args.frames_per_pair
                pairs.append(
                    [seconds(step, start, args.frames_per_pair, sam2.device, n_objects) for step in (a, b)]
                )
            last = warm + args.pairs * args.frames_per_pair
            image = frame(last, n_objects)
            got, want = a(image, last), b(image, last)
            assert isinstance(got, FrameMasks) and isinstance(want, torch.Tensor)
            fps = [1 / statistics.median(column) for column in zip(*pairs, strict=True)]
            ratio = statistics.median(t / o for o, t in pairs)
            same = agreement(got.logits > 0, want[:, 0] > 0)
            print(f"{n_objects:7d} {fps[0]:10.2f} {fps[1]:18.2f} {ratio:8.2f} {same:43.4f}", flush=True)


def agreement(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean IoU of masks (N, h, w), over objects either side sees."""
    both = (a & b).flatten(1).sum(1).float()
    either = (a | b).flatten(1).sum(1).float()
    seen = either > 0
    return float((both[seen] / either[seen]).mean()) if bool(seen.any()) else 1.0


def held_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def memory(args: argparse.Namespace) -> None:
    """Resident size after so many frames; with a state file the run goes on where one was stopped."""
    sam2 = network(args, precision=args.precision[0])
    n_objects, marks = args.objects[0], sorted(args.frames)
    state = Path(args.state) if args.state else None
    resumed = state is not None and state.is_file()
    session = VideoSession.load(state, sam2) if resumed and state else session_of(sam2, n_objects)
    first = 0 if session.frame_index is None else session.frame_index + 1
    print(f"{where(sam2)}, {n_objects} objects; from frame {first}", flush=True)
    if resumed:
        marks = [first + 200, *(m for m in marks if m > first + 200)]
    follow("ours", session.step, range(first, marks[-1]), marks, sam2, n_objects, (session, state))
    step = theirs(sam2, n_objects, copy.deepcopy(sam2.model))
    marks = sorted(args.frames_theirs)
    grown = follow("transformers", step, range(marks[-1]), marks, sam2, n_objects)
    print(
        f"transformers at that rate: {grown * max(args.frames):.0f} MB more after {max(args.frames)} frames"
    )


def follow(
    name: str,
    step: Step,
    frames: range,
    marks: list[int],
    sam2: Sam2,
    n_objects: int,
    saved: tuple[VideoSession, Path | None] | None = None,
) -> float:
    """Step through frames, print the size at each mark and each 200 frames; the growth per frame in MB."""
    sizes: dict[int, float] = {}
    began, highest = time.perf_counter(), 0.0
    for i in frames:
        step(frame(i, n_objects), i)
        done = i + 1
        highest = max(highest, held_mb(sam2.device))
        if done in marks or done % 200 == 0:
            gc.collect()
            size = held_mb(sam2.device)
            if done in marks:
                sizes[done] = size
            rate = (done - frames.start) / (time.perf_counter() - began)
            print(
                f"{name}: {size:.1f} MB after {done} frames, {highest:.1f} at most after any step since the"
                f" last line ({rate:.2f} frames/s)",
                flush=True,
            )
            highest = 0.0
            if saved is not None and saved[1] is not None:
                saved[0].save(saved[1])
    grown = (sizes[marks[-1]] - sizes[marks[0]]) / max(marks[-1] - marks[0], 1)
    print(f"{name}: {sizes[marks[-1]] - sizes[marks[0]]:+.1f} MB from {marks[0]} to {marks[-1]} frames")
    return grown


def table(args: argparse.Namespace) -> None:
    """Frames a second by resolution, objects and precision on one device."""
    print("resolution  objects  precision  device  frames/s")
    for resolution in args.resolution or [256]:
        for precision in args.precision:
            sam2 = network(args, precision=precision, resolution=resolution)
            for n_objects in args.objects:
                step = ours(sam2, n_objects)
                warm = sam2.model.num_maskmem + 1
                seconds(step, 0, warm, sam2.device, n_objects)
                n = args.frames_per_pair
                times = [seconds(step, warm + k * n, n, sam2.device, n_objects) for k in range(args.pairs)]
                fps = 1 / statistics.median(times)
                print(
                    f"{resolution:10d} {n_objects:8d}  {precision:9s}  {sam2.device.type:6s} {fps:9.2f}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory", "table"], nargs="?", default="speed")
    parser.add_argument("--geometry", choices=["pocket", "tiny"], default="pocket")
    parser.add_argument("--model", default="pocket", help="a checkpoint, unless the geometry is tiny")
    parser.add_argument("--device")
    parser.add_argument("--resolution", type=int, nargs="+")
    parser.add_argument("--precision", choices=list(PRECISIONS), nargs="+", default=["fp32"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--frames-per-pair", type=int, default=2)
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--frames-theirs", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--state", help="file to keep the session in, so that a stopped run goes on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processor-time", action="store_true", help="where other work shares the machine")
    args = parser.parse_args()
    if args.processor_time:
        CLOCK[0] = time.process_time
    torch.set_num_threads(args.threads)
    with torch.inference_mode():
        {"speed": speed, "memory": memory, "table": table}[args.what](args)


if __name__ == "__main__":
    main()
