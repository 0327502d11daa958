"""The multi-object engine against transformers' own loop: same weights, same pictures, same run.

Speed is the median over rounds of (theirs / ours), every form timed on the same frames right after the
others, so that a busy machine disturbs all alike; their network is a copy of its own. Forms are what torch
computes in, ``onnx``, or a folder that ``seektrack models export`` wrote of the same weights; ``+hybrid=K``
lets the flow carry masks between every Kth frame (``K/LOST`` sets ``max_lost``). Memory is the process's
resident size, or what CUDA has given out, while one session follows objects through a stream of pictures
made as they are asked for.

    python benchmarks/engine.py                                          # speed at 1, 4 and 16 objects
    python benchmarks/engine.py speed --forms fp32 bf16 onnx FOLDER bf16+hybrid=4 --processor-time
    python benchmarks/geometry.py hiera-tiny --resolution 512 --to TINY  # random weights
    python benchmarks/engine.py speed --model TINY --objects 8
    python benchmarks/engine.py memory --objects 8 --frames 200 3000     # --state FILE resumes
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from seektrack.evaluation.bench.following import WARM, agreement, reference
from seektrack.evaluation.bench.rows import Row
from seektrack.evaluation.bench.scene import box, picture
from seektrack.segmentation import PropagationSettings, Sam2, VideoSession, load_sam2, open_session
from seektrack.segmentation.arrays import floats
from seektrack.segmentation.model import PRECISIONS
from seektrack.types import Prompt

Step = Callable[[np.ndarray, int], object]
CLOCK = [time.perf_counter]


def network(args: argparse.Namespace, precision: str = "fp32") -> Sam2:
    """A checkpoint, of two sets of weights the drawn one, computed by torch."""
    found = load_sam2(
        args.model,
        device=args.device,
        resolution=args.resolution,
        precision=precision,
        compile=args.compile,
        runtime="torch",
    )
    return found.sets[0]


def session_of(sam2: Sam2, n_objects: int) -> VideoSession:
    session = VideoSession(sam2)
    for obj_id in range(n_objects):
        session.add(Prompt(obj_id, 0, box=box(obj_id)))
    return session


def theirs(sam2: Sam2, n_objects: int) -> Step:
    """A function that streams a picture through transformers' session, with the same preprocessing."""
    return reference(Row(stage="follow", runtime="torch"), sam2, n_objects).step


def form_of(args: argparse.Namespace, name: str) -> tuple[Sam2, PropagationSettings]:
    """A form by its name: the network and how masks get from frame to frame."""
    form, _, hybrid = name.partition("+hybrid=")
    how = PropagationSettings()
    if hybrid:
        every, _, lost = hybrid.partition("/")
        how = PropagationSettings(mode="hybrid", every=int(every), max_lost=float(lost or how.max_lost))
    if form in PRECISIONS:
        return network(args, form), how
    return load_sam2(args.model if form == "onnx" else form, runtime="onnx").sets[0], how


def where(sam2: Sam2) -> str:
    device = torch.cuda.get_device_name() if sam2.device.type == "cuda" else "cpu"
    return f"{sam2.name} at {sam2.resolution}, {device}, {torch.get_num_threads()} thread(s)"


def speed(args: argparse.Namespace) -> None:
    """All forms and theirs, which computes in the weights' own type, in turn."""
    sam2 = network(args)
    forms = {name: form_of(args, name) for name in args.forms}
    block = max(args.frames_per_pair, *(how.every for _, how in forms.values() if how.mode == "hybrid"), 1)
    print(f"{where(sam2)}, load {os.getloadavg()[0]:.1f}, theirs in {str(sam2.dtype).removeprefix('torch.')}")
    print("objects   form                           frames/s   ratio   masks' IoU with theirs")
    for n_objects in args.objects:
        steps = {"transformers": theirs(sam2, n_objects)}
        for name, (ours_sam2, how) in forms.items():
            session = open_session(ours_sam2, how)
            for obj_id in range(n_objects):
                session.add(Prompt(obj_id, 0, box=box(obj_id)))
            steps[name] = lambda image, i, session=session: floats(session.step(image, i).logits)
        spent: dict[str, list[float]] = {name: [] for name in steps}
        for start in range(0, WARM + args.pairs * block, block):
            images = [picture(i, n_objects) for i in range(start, start + block)]
            last = {}
            for name, step in steps.items():
                began = CLOCK[0]()
                for i, image in enumerate(images, start):
                    last[name] = step(image, i)
                if sam2.device.type == "cuda":
                    torch.cuda.synchronize()
                spent[name].append((CLOCK[0]() - began) / block)
        base = spent.pop("transformers")[-args.pairs :]
        print(f"{n_objects:7d}   {'transformers':30s} {1 / statistics.median(base):8.2f}", flush=True)
        for name, own in spent.items():
            own = own[-args.pairs :]
            ratio = statistics.median(t / o for t, o in zip(base, own, strict=True))
            same = agreement(last[name] > 0, last["transformers"] > 0)
            print(
                f"{n_objects:7d}   {name[-30:]:30s} {1 / statistics.median(own):8.2f} {ratio:7.2f} "
                f"{same:24.4f}",
                flush=True,
            )


def held_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def memory(args: argparse.Namespace) -> None:
    """Resident size after so many frames; with a state file the run goes on where one was stopped."""
    sam2 = network(args, args.forms[0])
    n_objects, marks = args.objects[0], sorted(args.frames)
    state = Path(args.state) if args.state else None
    resumed = state is not None and state.is_file()
    session = VideoSession.load(state, sam2) if resumed and state else session_of(sam2, n_objects)
    first = 0 if session.frame_index is None else session.frame_index + 1
    print(f"{where(sam2)}, {n_objects} objects; from frame {first}", flush=True)
    if resumed:
        marks = [first + 200, *(m for m in marks if m > first + 200)]
    follow("ours", session.step, range(first, marks[-1]), marks, sam2, n_objects, (session, state))
    step = theirs(sam2, n_objects)
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
        step(picture(i, n_objects), i)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory"], nargs="?", default="speed")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--device")
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--forms", nargs="+", default=["fp32", "bf16", "onnx"], metavar="FORM")
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
        {"speed": speed, "memory": memory}[args.what](args)


if __name__ == "__main__":
    main()
