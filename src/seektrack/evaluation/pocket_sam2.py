"""How good a SAM 2 folder is on held-out scenes of the world: from a box or a click, frames and clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.pocket_parity import THROUGH, TransformersSam2
from seektrack.geometry import mask_to_box
from seektrack.metrics.masks import iou, sequence_scores
from seektrack.segmentation import Remember, Sam2, VideoSession, load_sam2, propose
from seektrack.types import Progress, Prompt
from seektrack.world import Clip, SceneSettings, Split, render, sample_scene, seeds

Image: TypeAlias = NDArray[np.uint8]
Frames: TypeAlias = Sequence[Image] | NDArray[np.uint8]
"""RGB uint8 pictures (H, W, 3) of one size, a list or (T, H, W, 3)."""

Answers: TypeAlias = dict[int, tuple[NDArray[np.bool_], float]]
"""Object id → its mask in source pixels, bool (H, W), and the belief that it is on the frame."""

MIN_AREA = 60
"""Objects smaller than this on the prompted frame, in pixels, are not asked for."""
KINDS = ("box", "click")


@dataclass(frozen=True)
class Condition:
    """Which scenes, and how large the network sees them.

    Attributes:
        style: Of the scenes, ``plain``, ``rich`` or ``scan``.
        resolution: Side of the square input; the checkpoint's own when None.
        share: Of the scenes and clips asked for; at least one of each is taken.
    """

    style: str = "plain"
    resolution: int | None = None
    share: float = 1.0

    @property
    def suffix(self) -> str:
        """What the names of its figures end in."""
        style = "" if self.style == "plain" else f"_{self.style}"
        return style if self.resolution is None else f"{style}_{self.resolution}"

    def of(self, count: int) -> int:
        """Its share of a count."""
        return max(1, round(self.share * count))


PLAIN = Condition()
CONDITIONS = (
    PLAIN,
    Condition("plain", 384, 0.25),
    Condition("rich", None, 0.5),
    Condition("rich", 384, 0.25),
)
"""What `seektrack eval pocket` asks: plain and rich scenes, at the checkpoint's own side and at 384."""


class Follower(Protocol):
    """Follows prompts given on the first frame through all frames."""

    def __call__(self, frames: Frames, prompts: Sequence[Prompt]) -> Iterator[Answers]:
        """One answer a frame."""
        ...


@dataclass(frozen=True)
class EngineFollower:
    """The product's own engine, remembering the frames it is told to; ``all`` as the reference does."""

    sam2: Sam2
    remember: Remember = "all"

    def __call__(self, frames: Frames, prompts: Sequence[Prompt]) -> Iterator[Answers]:
        """One answer a frame."""
        session = VideoSession(self.sam2, total_frames=len(frames), remember=self.remember)
        for prompt in prompts:
            session.add(prompt)
        for t, frame in enumerate(frames):
            found = session.step(frame, t)
            beliefs = found.object_scores.tolist()
            yield dict(zip(found.obj_ids, zip(found.masks(), beliefs, strict=True), strict=True))


@dataclass(frozen=True, eq=False)
class Asked:
    """One object to ask for.

    Attributes:
        obj_id: Its number in the scene, from 1.
        truth: Its mask on each frame, bool (H, W).
        prompts: ``box`` and ``click`` on the first frame, each under a number of its own.
    """

    obj_id: int
    truth: list[NDArray[np.bool_]]
    prompts: dict[str, Prompt]


def evaluate_sam2(
    folder: str | Path,
    *,
    resolution: int | None = None,
    scenes: int = 100,
    clips: int = 12,
    n_frames: int = 48,
    conditions: Sequence[Condition] = (PLAIN,),
    through: str = "seektrack",
    remember: Remember = "seen",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Measure a SAM 2 folder on benchmark seeds, through the product's own engine or transformers' classes.

    Args:
        folder: What :func:`seektrack.segmentation.load_sam2` takes: a folder, or ``pocket``.
        resolution: Side of the square input where a condition names none; the checkpoint's own when None.
        scenes: Single frames.
        clips: Videos of ``n_frames``.
        n_frames: Frames a video.
        conditions: Kinds of scenes and sides of the input, see :data:`CONDITIONS`.
        through: ``seektrack`` or ``transformers``; the latter knows no proposals.
        remember: Which followed frames the product's engine remembers an object by: ``seen``, as
            :func:`seektrack.segmentation.segment_video` does, or ``all``, as transformers always does.
        progress: Called with ``(done, total, stage)``.

    Returns:
        For each condition, its suffix at the end of the names: ``J_box`` and ``J_click``, mean over objects
        of single frames; ``proposal_recall``, share of objects a proposal covers at IoU 0.5, unless the
        condition names a side; ``JF_box`` and ``JF_click``, mean J&F over objects of the clips, frames empty
        on both sides counting 1; ``JF_box_occluded``, the same over objects that are hidden for at least
        half, or wholly, on some frame; ``score_accuracy``, balanced over frames with and without the object;
        counts.

    Raises:
        InputError: ``through`` is unknown.
    """
    if through not in THROUGH:
        raise InputError(f"cannot measure through {through!r}", hint=f"take {' or '.join(THROUGH)}")
    figures: dict[str, float] = {}
    for condition in conditions:
        side = condition.resolution or resolution
        follow, sam2 = _follower(folder, side, through, remember)
        told = condition.suffix.replace("_", " ")
        single = world_settings(1, condition.style)
        several = world_settings(n_frames, condition.style)
        n_scenes, n_clips = condition.of(scenes), condition.of(clips)
        proposing = sam2 if condition.resolution is None else None
        measured = frame_figures(follow, single, n_scenes, sam2=proposing, told=told, progress=progress)
        measured |= clip_figures(follow, several, n_clips, told=told, progress=progress)
        figures |= {name + condition.suffix: value for name, value in measured.items()}
    return figures


def _follower(
    folder: str | Path, side: int | None, through: str, remember: Remember
) -> tuple[Follower, Sam2 | None]:
    if through == "transformers":
        return TransformersSam2(folder, resolution=side), None
    sam2 = load_sam2(str(folder), resolution=side)
    return EngineFollower(sam2, remember), sam2


def world_settings(n_frames: int, style: str = "plain") -> SceneSettings:
    """Of the scenes that are asked."""
    return SceneSettings(style=style, height=256, width=256, n_frames=n_frames)


def asked_of(clip: Clip, rng: np.random.Generator) -> list[Asked]:
    """Objects that show well enough on the first frame, a box and a click for each."""
    found = []
    for actor in clip.scene.actors:
        truth = [ids == actor.obj_id for ids in clip.ids]
        box = mask_to_box(truth[0])
        if box is None or truth[0].sum() < MIN_AREA:
            continue
        ys, xs = np.nonzero(truth[0])
        j = int(rng.integers(len(xs)))
        point = np.array([[xs[j] + 0.5, ys[j] + 0.5]])
        prompts = {
            "box": Prompt(2 * actor.obj_id, 0, box=box),
            "click": Prompt(2 * actor.obj_id + 1, 0, points=point, point_labels=np.ones(1, np.int64)),
        }
        found.append(Asked(actor.obj_id, truth, prompts))
    return found


def frame_figures(
    follow: Follower,
    settings: SceneSettings,
    scenes: int,
    *,
    sam2: Sam2 | None = None,
    told: str = "",
    progress: Progress | None = None,
) -> dict[str, float]:
    """The figures of :func:`evaluate_sam2` that single frames give.

    Args:
        follow: What answers.
        settings: Of the scenes, which are the first of the benchmark seeds.
        scenes: How many.
        sam2: What proposes; without one there is no ``proposal_recall``.
        told: What ``progress`` is told of the condition.
        progress: Called with ``(done, total, stage)``.
    """
    j: dict[str, list[float]] = defaultdict(list)
    covered: list[bool] = []
    for i, seed in enumerate(seeds(Split.BENCHMARK, scenes)):
        clip = render(sample_scene(seed, settings))
        asked = asked_of(clip, np.random.default_rng(seed))
        if asked:
            prompts = [one.prompts[kind] for kind in KINDS for one in asked]
            (answer,) = follow(clip.frames[:1], prompts)
            for kind in KINDS:
                j[kind] += [iou(one.truth[0], answer[one.prompts[kind].obj_id][0]) for one in asked]
            if sam2 is not None:
                masks = [p.mask.to_array() for p in propose(sam2, sam2.encode(clip.frames[0]))]
                covered += [max((iou(one.truth[0], m) for m in masks), default=0.0) >= 0.5 for one in asked]
        if progress:
            progress(i + 1, scenes, f"frames{told}")
    figures = {f"J_{kind}": _mean(j[kind]) for kind in KINDS}
    if sam2 is not None:
        figures["proposal_recall"] = _mean(covered)
    return figures | {"n_frame_objects": len(j["box"])}


def clip_figures(
    follow: Follower,
    settings: SceneSettings,
    clips: int,
    *,
    told: str = "",
    progress: Progress | None = None,
) -> dict[str, float]:
    """The figures of :func:`evaluate_sam2` that clips give; the arguments are those of `frame_figures`."""
    kept: dict[str, list[float]] = defaultdict(list)
    for i, seed in enumerate(seeds(Split.BENCHMARK, clips, start=10_000)):
        clip = render(sample_scene(seed, settings))
        for one, kind, value, beliefs in followed(follow, clip, np.random.default_rng(seed)):
            kept[f"JF_{kind}"].append(value)
            if kind == "box" and (clip.visibility[1:, one.obj_id - 1] < 0.5).any():
                kept["JF_box_occluded"].append(value)
            for truth, belief in zip(one.truth[1:], beliefs[1:], strict=True):
                area = truth.sum()
                if area >= 20:
                    kept["there"].append(float(belief > 0.5))
                elif area == 0:
                    kept["gone"].append(float(belief <= 0.5))
        if progress:
            progress(i + 1, clips, f"clips{told}")
    figures = {name: _mean(kept[name]) for name in ("JF_box", "JF_click", "JF_box_occluded")}
    figures["score_accuracy"] = (_mean(kept["there"]) + _mean(kept["gone"])) / 2
    figures["n_clip_objects"] = len(kept["JF_box"])
    figures["n_occluded"] = len(kept["JF_box_occluded"])
    return figures


def followed(
    follow: Follower, clip: Clip, rng: np.random.Generator, kinds: Sequence[str] = KINDS
) -> Iterator[tuple[Asked, str, float, list[float]]]:
    """Every object of a clip, followed from each kind of prompt at once.

    Yields:
        The object, the kind of prompt, its mean J&F over the clip, and the belief on each frame.
    """
    asked = asked_of(clip, rng)
    if not asked:
        return
    masks: dict[int, list[NDArray[np.bool_]]] = defaultdict(list)
    beliefs: dict[int, list[float]] = defaultdict(list)
    for answer in follow(clip.frames, [one.prompts[kind] for kind in kinds for one in asked]):
        for number, (mask, belief) in answer.items():
            masks[number].append(mask)
            beliefs[number].append(belief)
    for kind in kinds:
        for one in asked:
            number = one.prompts[kind].obj_id
            result = sequence_scores(one.truth, masks[number])
            yield one, kind, float((result.j.mean() + result.f.mean()) / 2), beliefs[number]


def _mean(values: list[float] | list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
