"""HOTA, CLEAR and IDF1 on films with boxes and identities: MOT Challenge, KITTI tracking, UA-DETRAC."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from seektrack.errors import InputError
from seektrack.evaluation.real.results import Measured, RealSettings
from seektrack.metrics import ClearScores, HotaScores, IdentityScores, clear, frame_matches, hota, identity
from seektrack.pipeline import track_objects
from seektrack.pipeline.models import Models
from seektrack.tracking import CameraMotion
from seektrack.training.datasets import BoxClip, Dataset, kitti_tracking, mot_challenge, ua_detrac
from seektrack.types import Observation, Prompt, Track, Tracks
from seektrack.video import Opening

Reader = Callable[[Path], Dataset[BoxClip]]

DENSE = 10
"""Boxes a frame from which a film is dense."""
COVERED = 0.5
"""A box that shows less than this share of its object is occluded."""
OCCLUDED = 0.2
"""Share of occluded boxes from which a film counts as occluded."""
FAST = 0.1
"""Way of an object from frame to frame, in its sides, from which a film is fast: median over its objects."""
MOVING = 0.002
"""Way of the background from frame to frame, in picture widths, from which the camera moves."""
LOOKED_AT = 60
"""Frames the camera's motion is measured on."""


def _reader(folder: Path) -> Reader | None:
    """What reads a folder, by what lies in it."""
    if next(folder.glob("*/gt/gt.txt"), None) is not None and next(folder.glob("*/seqinfo.ini"), None):
        return lambda root: mot_challenge(root, classes=None if _names_classes(root) else (1,))
    if next(folder.glob("label_02/*.txt"), None) is not None:
        return kitti_tracking
    if next(folder.glob("MVI_*.xml"), None) or next(folder.glob("*/MVI_*.xml"), None):
        return ua_detrac
    return None


def _names_classes(root: Path) -> bool:
    """Whether the classes of the sequences are their own: then all are taken, not pedestrians alone."""
    return any((p.parent / name).is_file() for p in root.glob("*/gt/gt.txt") for name in _LABELS)


_LABELS = ("labels.txt", "gt.labels.txt")


def holds_boxed_films(folder: Path) -> bool:
    """Whether a folder holds sequences of MOT Challenge, KITTI tracking or UA-DETRAC."""
    return _reader(folder) is not None


@dataclass(frozen=True, eq=False)
class _Scores:
    clear: ClearScores
    hota: HotaScores
    identity: IdentityScores
    seconds: float
    frames: int


def measure_boxed_films(folder: Path, settings: RealSettings) -> Measured:
    """Follow the objects of every sequence, and compare boxes with the truth.

    Ways are those of ``settings.ways``: ``text``, each kind of object asked for by its name; ``boxes``, every
    object from its true box on its first frame; ``detections``, the boxes of ``det/det.txt`` given
    identities, where a sequence has them. Figures are over all sequences taken as one, and by condition: what
    the truth and the picture say of a sequence, which may be of several.

    Raises:
        InputError: A sequence is malformed, or no way can be gone.
    """
    reader = _reader(folder)
    clips = () if reader is None else reader(folder)
    models = Models(settings.model, device=settings.device)
    count = len(clips) if settings.limit is None else min(settings.limit, len(clips))
    by_film: dict[str, dict[str, _Scores]] = {}
    conditions: dict[str, tuple[str, ...]] = {}
    for number in range(count):
        clip = clips[number]
        settings.tell(number, count, "sequences")
        truth = _cut(clip.tracks, settings.frames)
        if not truth.tracks:
            continue
        by_film[clip.key] = {
            way: _followed(way, clip, truth, models, settings, folder)
            for way in settings.ways
            if way != "detections" or _detections(folder, clip) is not None
        }
        conditions[clip.key] = film_conditions(clip, truth)
    settings.tell(count, count, "sequences")
    if not any(by_film.values()):
        raise InputError(
            f"nothing to follow in {folder}",
            hint="detections need det/det.txt in a sequence; take text or boxes",
        )
    items = {name: _figures([scores]) for name, scores in by_film.items()}
    for condition in sorted({c for several in conditions.values() for c in several}):
        held = [by_film[name] for name, several in conditions.items() if condition in several]
        items[f"condition {condition}"] = _figures(held)
    return Measured("boxed films", {**_figures(list(by_film.values())), "films": len(by_film)}, items)


def _figures(films: Sequence[Mapping[str, _Scores]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for way in dict.fromkeys(way for film in films for way in film):
        scores = [film[way] for film in films if way in film]
        counts = ClearScores.combine([s.clear for s in scores])
        order = HotaScores.combine([s.hota for s in scores])
        who = IdentityScores.combine([s.identity for s in scores])
        pace = sum(s.frames for s in scores) / max(sum(s.seconds for s in scores), 1e-9)
        for name, value in (
            ("HOTA", order.hota),
            ("MOTA", counts.mota),
            ("MOTP", counts.motp),
            ("IDF1", who.idf1),
            ("frames_per_s", pace),
        ):
            out[f"{name}_{way}"] = round(float(value), 4)
        out[f"switches_{way}"] = counts.idsw
    return out


def _followed(
    way: str, clip: BoxClip, truth: Tracks, models: Models, settings: RealSettings, folder: Path
) -> _Scores:
    opening = Opening(frames=settings.frames)
    began = time.monotonic()
    with clip.open() as source:
        if way == "detections":
            given = _detections(folder, clip)
            found = track_objects(source, detections=given, model=models, opening=opening)
        elif way == "boxes":
            found = track_objects(source, prompts=_first_boxes(truth), model=models, opening=opening)
        else:
            names = Counter(t.label for t in truth if t.label)
            texts = [f"a {name}" for name in names] or ["a person"]
            found = track_objects(source, texts, model=models, opening=opening)
    seconds = time.monotonic() - began
    frames = frame_matches(truth, found, by="box")
    return _Scores(clear(frames), hota(frames), identity(frames), seconds, len(frames))


def _detections(folder: Path, clip: BoxClip) -> Path | None:
    path = folder / clip.key / "det" / "det.txt"
    return path if path.is_file() else None


def _first_boxes(truth: Tracks) -> list[Prompt]:
    return [
        Prompt(t.obj_id, t.observations[0].frame_index, box=t.observations[0].box, label=t.label)
        for t in truth
        if t.observations
    ]


def _cut(truth: Tracks, most: int | None) -> Tracks:
    """The truth of the first frames alone."""
    if most is None:
        return truth
    kept = [replace(t, observations=tuple(o for o in t.observations if o.frame_index < most)) for t in truth]
    times = {f: s for f, s in truth.frame_times.items() if f < most}
    return replace(truth, tracks=tuple(t for t in kept if t.observations), frame_times=times)


def film_conditions(clip: BoxClip, truth: Tracks) -> tuple[str, ...]:
    """What a sequence is like: a static or moving camera, and dense, occluded, fast where it is.

    Args:
        clip: The pictures; the first are looked at for the camera's motion.
        truth: Its boxes; an observation's ``score`` is how much of the object shows.
    """
    seen = [o for t in truth for o in t.observations]
    found = ["moving camera" if _pan(clip, truth) >= MOVING else "static camera"]
    if len(seen) / max(len(truth.frame_times), 1) >= DENSE:
        found.append("dense")
    if float(np.mean([o.score < COVERED for o in seen])) >= OCCLUDED:
        found.append("occluded")
    paces = [pace for t in truth if (pace := _pace(t)) is not None]
    if paces and float(np.median(paces)) >= FAST:
        found.append("fast")
    return tuple(found)


def _pace(track: Track) -> float | None:
    steps = [_step(a, b) for a, b in pairwise(track.observations) if b.frame_index == a.frame_index + 1]
    return float(np.median(steps)) if steps else None


def _step(a: Observation, b: Observation) -> float:
    side = max((a.box[2] - a.box[0]) * (a.box[3] - a.box[1]), 1.0) ** 0.5
    return float(np.hypot(b.centre[0] - a.centre[0], b.centre[1] - a.centre[1]) / side)


def _pan(clip: BoxClip, truth: Tracks) -> float:
    """Mean way of the background from frame to frame, in picture widths."""
    camera, ways = CameraMotion(), []
    with clip.open() as source:
        for frame in islice(source, LOOKED_AT):
            camera.apart_from = [o.box for _, o in truth.at(frame.index)]
            camera.update(frame.index, frame.image)
            if camera.step is not None:
                centre = np.array([frame.hw[1] / 2, frame.hw[0] / 2, 1.0])
                ways.append(float(np.linalg.norm(camera.step @ centre - centre[:2])) / frame.hw[1])
    return float(np.mean(ways)) if ways else 0.0
