"""How good a SAM 2 folder is on held-out scenes of the world: from a box or a click, frames and clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import mask_to_box
from seektrack.metrics.masks import iou, sequence_scores
from seektrack.segmentation import Sam2, VideoSession, load_sam2, propose
from seektrack.types import Prompt
from seektrack.world import Clip, SceneSettings, Split, render, sample_scene, seeds

Progress = Callable[[int, int, str], None]
MIN_AREA = 60
"""Objects smaller than this on the prompted frame, in pixels, are not asked for."""


@dataclass(frozen=True)
class _Object:
    """One object and the prompts for it: ids from 1, a box and a click on the first frame."""

    obj_id: int
    truth: list[NDArray[np.bool_]]
    box: Prompt
    click: Prompt


def evaluate_sam2(
    folder: str | Path,
    *,
    resolution: int | None = None,
    scenes: int = 100,
    clips: int = 12,
    n_frames: int = 48,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Measure a SAM 2 folder on benchmark seeds, through the product's own engine.

    Args:
        folder: What :func:`seektrack.segmentation.load_sam2` takes: a folder, or ``pocket``.
        resolution: Side of the square input; the checkpoint's own when None.
        scenes: Single frames.
        clips: Videos of ``n_frames``.
        n_frames: Frames a video.
        progress: Called with ``(done, total, stage)``.

    Returns:
        ``J_box`` and ``J_click``, mean over objects of single frames; ``proposal_recall``, share of objects a
        proposal covers at IoU 0.5; ``JF_box`` and ``JF_click``, mean J&F over objects of the clips, frames
        frames empty on both sides counting 1; ``JF_box_occluded``, the same over objects that are hidden for
        at least half, or wholly, on some frame; ``score_accuracy``, balanced over frames with and without the
        object; counts.
    """
    sam2 = load_sam2(str(folder), resolution=resolution)
    figures = _on_frames(sam2, scenes, progress)
    return figures | _on_clips(sam2, clips, n_frames, progress)


def _settings(n_frames: int) -> SceneSettings:
    return SceneSettings(height=256, width=256, n_frames=n_frames)


def _objects(clip: Clip, rng: np.random.Generator) -> list[_Object]:
    found = []
    for actor in clip.scene.actors:
        truth = [ids == actor.obj_id for ids in clip.ids]
        box = mask_to_box(truth[0])
        if box is None or truth[0].sum() < MIN_AREA:
            continue
        ys, xs = np.nonzero(truth[0])
        j = int(rng.integers(len(xs)))
        point = np.array([[xs[j] + 0.5, ys[j] + 0.5]])
        found.append(
            _Object(
                actor.obj_id,
                truth,
                Prompt(actor.obj_id, 0, box=box),
                Prompt(actor.obj_id, 0, points=point, point_labels=np.ones(1, np.int64)),
            )
        )
    return found


def _on_frames(sam2: Sam2, scenes: int, progress: Progress | None) -> dict[str, float]:
    j: dict[str, list[float]] = defaultdict(list)
    covered: list[bool] = []
    for i, seed in enumerate(seeds(Split.BENCHMARK, scenes)):
        clip = render(sample_scene(seed, _settings(1)))
        objects = _objects(clip, np.random.default_rng(seed))
        if not objects:
            continue
        features = sam2.encode(clip.frames[0])
        for kind in ("box", "click"):
            session = VideoSession(sam2)
            for one in objects:
                session.add(getattr(one, kind))
            answer = session.step(features, 0)
            j[kind] += [iou(one.truth[0], answer.mask(one.obj_id)) for one in objects]
        masks = [_as_array(p.mask) for p in propose(sam2, features)]
        covered += [max((iou(one.truth[0], m) for m in masks), default=0.0) >= 0.5 for one in objects]
        if progress:
            progress(i + 1, scenes, "frames")
    return {
        "J_box": _mean(j["box"]),
        "J_click": _mean(j["click"]),
        "proposal_recall": _mean(covered),
        "n_frame_objects": len(j["box"]),
    }


def _on_clips(sam2: Sam2, clips: int, n_frames: int, progress: Progress | None) -> dict[str, float]:
    kept: dict[str, list[float]] = defaultdict(list)
    for i, seed in enumerate(seeds(Split.BENCHMARK, clips, start=10_000)):
        clip = render(sample_scene(seed, _settings(n_frames)))
        objects = _objects(clip, np.random.default_rng(seed))
        visibility = clip.visibility
        for kind in ("box", "click"):
            answers, scores = _follow(sam2, clip, objects, kind)
            for one in objects:
                result = sequence_scores(one.truth, answers[one.obj_id])
                value = float((result.j.mean() + result.f.mean()) / 2)
                kept[f"JF_{kind}"].append(value)
                if kind == "box" and (visibility[1:, one.obj_id - 1] < 0.5).any():
                    kept["JF_box_occluded"].append(value)
                for truth, score in zip(one.truth[1:], scores[one.obj_id][1:], strict=True):
                    area = truth.sum()
                    if area >= 20:
                        kept["there"].append(float(score > 0.5))
                    elif area == 0:
                        kept["gone"].append(float(score <= 0.5))
        if progress:
            progress(i + 1, clips, "clips")
    figures = {name: _mean(kept[name]) for name in ("JF_box", "JF_click", "JF_box_occluded")}
    figures["score_accuracy"] = (_mean(kept["there"]) + _mean(kept["gone"])) / 2
    figures["n_clip_objects"] = len(kept["JF_box"])
    figures["n_occluded"] = len(kept["JF_box_occluded"])
    return figures


def _follow(
    sam2: Sam2, clip: Clip, objects: list[_Object], kind: str
) -> tuple[dict[int, list[NDArray[np.bool_]]], dict[int, list[float]]]:
    """Masks and object scores of each object on each frame."""
    session = VideoSession(sam2)
    for one in objects:
        session.add(getattr(one, kind))
    masks: dict[int, list[NDArray[np.bool_]]] = defaultdict(list)
    scores: dict[int, list[float]] = defaultdict(list)
    if not objects:
        return masks, scores
    for t, frame in enumerate(clip.frames):
        answer = session.step(frame, t)
        for obj_id, mask, score in zip(answer.obj_ids, answer.masks(), answer.object_scores, strict=True):
            masks[obj_id].append(mask)
            scores[obj_id].append(float(score))
    return masks, scores


def _as_array(mask: object) -> NDArray[np.bool_]:
    decode = getattr(mask, "to_array", None)
    return np.asarray(decode() if decode else mask, dtype=bool)


def _mean(values: list[float] | list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
