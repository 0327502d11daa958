"""Following objects: every runtime and precision beside transformers' loop, frame by frame in turn."""

from __future__ import annotations

import copy
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import SeekTrackError
from seektrack.evaluation.bench.rows import REFERENCE, BenchSettings, Row, held_mb
from seektrack.evaluation.bench.scene import HW, box, picture
from seektrack.pipeline.models import Models
from seektrack.segmentation import Sam2, VideoSession
from seektrack.segmentation.arrays import floats
from seektrack.types import Progress, Prompt

Logits = NDArray[np.float32]
WARM = 8
"""Frames before the clock starts: then memories are full."""


@dataclass(eq=False)
class Contestant:
    """Something that follows.

    Attributes:
        row: What it is.
        step: Takes a picture and its number, gives mask logits (N, h, h).
        seconds: What frames took.
        parts: Seconds by what they were spent on; empty where that is not told.
    """

    row: Row
    step: Callable[[NDArray[np.uint8], int], Logits]
    seconds: list[float] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)


def follow_rows(
    settings: BenchSettings,
    *,
    progress: Progress | None = None,
    parts: dict[str, dict[str, float]] | None = None,
) -> Iterator[Row]:
    """Measure following; a runtime that cannot be had says why in its row.

    Args:
        settings: What is measured.
        progress: Called with ``(done, total, stage)``.
        parts: Filled with milliseconds a frame by part, for each row's name.
    """
    total, done = len(settings.resolutions) * len(settings.objects), 0
    for resolution in settings.resolutions:
        networks = list(_networks(settings, resolution))
        for count in settings.objects:
            if progress:
                progress(done, total, "following")
            done += 1
            ready = [contestant(sam2, row, count) for row, sam2 in networks if sam2 is not None]
            torches = [(row, s) for row, s in networks if s is not None and s.runtime == "torch"]
            beside = reference(*torches[0], count) if torches and settings.reference else None
            everyone = [*ready, *([] if beside is None else [beside])]
            agreements = race(everyone, count, settings.rounds)
            for row, sam2 in networks:
                if sam2 is None:
                    yield replace(row, objects=count)
            for one in everyone:
                ratio = None
                if beside is not None:
                    pairs = zip(beside.seconds, one.seconds, strict=True)
                    ratio = round(statistics.median(theirs / own for theirs, own in pairs), 2)
                alike = agreements.get(id(one))
                found = replace(one.row, memory_mb=_memory(one.row.device), ratio=ratio, agreement=alike)
                if parts is not None and one.parts:
                    several = f"{count} object{'s' * (count != 1)}"
                    name = f"{found.runtime} {found.precision}, {found.resolution} px, {several}"
                    parts[name] = {k: round(1000 * v / len(one.seconds), 2) for k, v in one.parts.items()}
                yield found.timed(one.seconds)
    if progress:
        progress(total, total, "following")


def _networks(settings: BenchSettings, resolution: int | None) -> Iterator[tuple[Row, Sam2 | None]]:
    for runtime in settings.runtimes:
        # What graphs compute in was settled when they were written.
        for precision in settings.precisions if runtime == "torch" else ("",):
            row = Row(stage="follow", runtime=runtime, precision=precision, resolution=resolution or 0)
            try:
                sam2 = Models(
                    settings.model, device=settings.device, resolution=resolution, runtime=runtime
                ).sam2.sets[0]
                if precision:
                    sam2 = sam2.at(precision)
                    if settings.compiled:
                        sam2.fused.compile()
            except SeekTrackError as error:
                yield replace(row, why=str(error)), None
                continue
            yield (
                replace(
                    row,
                    resolution=sam2.resolution,
                    device=_device(sam2, runtime),
                    precision=precision or sam2.network.graphs.precision,  # type: ignore[attr-defined]
                ),
                sam2,
            )


def _device(sam2: Sam2, runtime: str) -> str:
    return sam2.network.device_type if runtime == "torch" else runtime.partition(":")[2] or "cpu"


def contestant(sam2: Sam2, row: Row, count: int) -> Contestant:
    """The product's own session over a network, with so many objects prompted by boxes."""
    session = VideoSession(sam2)
    for obj_id in range(count):
        session.add(Prompt(obj_id, 0, box=box(obj_id)))
    parts: dict[str, float] = defaultdict(float)

    def step(image: NDArray[np.uint8], index: int) -> Logits:
        began = time.perf_counter()
        pixels = sam2.preprocess(image)
        seen = _lap(parts, "picture to pixels", began)
        features = sam2.network.encode(pixels, hw=HW)
        encoded = _lap(parts, "image encoder", seen)
        answer = session.step(features, index)
        answered = _lap(parts, "memory, masks and memories of objects", encoded)
        logits = floats(answer.logits)
        _lap(parts, "masks off the device", answered)
        return logits

    return Contestant(replace(row, objects=count), step, parts=parts)


def _lap(parts: dict[str, float], name: str, since: float) -> float:
    now = time.perf_counter()
    parts[name] += now - since
    return now


def reference(row: Row, sam2: Sam2, count: int) -> Contestant:
    """Transformers' own session over a copy of the weights of a network that torch computes in fp32."""
    import torch
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    model = copy.deepcopy(sam2.model)
    session = Sam2VideoInferenceSession(
        video_height=HW[0],
        video_width=HW[1],
        dtype=model.dtype,
        inference_device=sam2.device,
        inference_state_device=sam2.device,
    )
    scale = torch.tensor([sam2.resolution / HW[1], sam2.resolution / HW[0]])
    for obj_id in range(count):
        corners = torch.tensor(box(obj_id)).reshape(2, 2) * scale
        inputs = {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]])}
        session.add_point_inputs(session.obj_id_to_idx(obj_id), 0, inputs)
        session.obj_with_new_inputs.append(obj_id)

    def step(image: NDArray[np.uint8], index: int) -> Logits:
        return floats(model(session, frame=sam2.preprocess(image)).pred_masks[:, 0])

    kind = str(model.dtype).removeprefix("torch.").replace("float32", "fp32")
    return Contestant(replace(row, runtime=REFERENCE, precision=kind, objects=count), step)


def race(everyone: Sequence[Contestant], count: int, rounds: int) -> dict[int, float]:
    """Time all of them on the same frames in turn; agreement with the last one on the last frame."""
    for index in range(WARM):
        image = picture(index, count)
        for one in everyone:
            one.step(image, index)
    for one in everyone:
        one.parts.clear()
    last: dict[int, Logits] = {}
    for index in range(WARM, WARM + rounds):
        image = picture(index, count)
        for one in everyone:
            began = time.perf_counter()
            last[id(one)] = one.step(image, index)
            one.seconds.append(time.perf_counter() - began)
    if not everyone or everyone[-1].row.runtime != REFERENCE:
        return {}
    wanted = last[id(everyone[-1])] > 0
    return {id(one): agreement(last[id(one)] > 0, wanted) for one in everyone}


def agreement(masks: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Mean IoU of masks (N, h, w), over objects either side sees."""
    both, either = (m.sum(axis=(1, 2)) for m in (masks & wanted, masks | wanted))
    seen = either > 0
    return round(float((both[seen] / either[seen]).mean()), 4) if seen.any() else 1.0


def _memory(device: str) -> float | None:
    if not device.startswith("cuda"):
        return held_mb()
    import torch

    return round(torch.cuda.max_memory_allocated() / 2**20, 1)
