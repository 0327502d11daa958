"""How well a tracker's faults are told: those planted into tracks that are right, and how often none was."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from seektrack.anomaly import Anomaly
from seektrack.errors import InputError
from seektrack.evaluation.faults import FAULTS, TOLD_AS, Fault, Pictures, agrees_with, plant
from seektrack.evaluation.footage import FPS, write_staged
from seektrack.evaluation.tracking import _first_prompts
from seektrack.pipeline import track_objects
from seektrack.pipeline.models import Models
from seektrack.tracking import AnomalySettings, FollowSettings, find_anomalies, look_at
from seektrack.types import Frame, Progress, Tracks
from seektrack.video import open_video
from seektrack.world.staged import CONDITIONS, stage

WAYS = ("truth", "tracker", "paths")
"""True tracks; what the tracker makes of the true first masks, as far as it is right; and true tracks without
their pictures."""
NEAR = 8
"""Frames from a fault within which an anomaly points at it."""


@dataclass
class Told:
    """Counts of one way.

    Attributes:
        planted, told: By fault: how many, and how many an anomaly of the right kind, object and time tells.
        right, wrong: By fault: anomalies that point at what was planted, and that do not.
        clean: Scenes without a fault.
        alarms: Anomalies told of those, by kind.
    """

    planted: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    clean: int = 0
    alarms: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, dict[str, float]]:
        """By fault, and over all: recall, precision; alarms a clean scene under ``clean``."""
        out = {
            kind: _shares(self.told[kind], self.planted[kind], self.right[kind], self.wrong[kind])
            for kind in FAULTS
            if self.planted[kind]
        }
        out["all"] = _shares(self.told.total(), self.planted.total(), self.right.total(), self.wrong.total())
        out["clean"] = {"scenes": float(self.clean), "alarms": float(self.alarms.total())}
        return out


def _shares(told: int, planted: int, right: int, wrong: int) -> dict[str, float]:
    return {
        "planted": float(planted),
        "recall": told / max(planted, 1),
        "precision": right / max(right + wrong, 1),
    }


def evaluate_anomalies(
    *,
    conditions: Iterable[str] = CONDITIONS,
    clips: int = 3,
    first: int = 300,
    n_frames: int = 72,
    ways: Iterable[str] = WAYS,
    model: str = "pocket",
    device: str | None = None,
    settings: AnomalySettings | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Plant each kind of fault into tracks over staged scenes, and see what is told of it.

    Args:
        conditions: Of :data:`seektrack.world.staged.CONDITIONS`.
        clips: Scenes of each.
        first: Number of the first; 200 to 202 were looked at when the rules were made.
        n_frames: Frames of a scene.
        ways: Of :data:`WAYS`.
        model: Of the tracker.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        settings: When a track counts as wrong.
        progress: Called with ``(done, total, stage)``.

    Returns:
        Way → fault, ``all`` or ``clean`` → figure → value.

    Raises:
        InputError: An unknown way.
    """
    chosen, asked = tuple(conditions), tuple(ways)
    for way in asked:
        if way not in WAYS:
            raise InputError(f"no way {way!r}", hint=f"take some of {', '.join(WAYS)}")
    models = Models(model, device=device)
    told = {way: Told() for way in asked}
    done, total = 0, len(chosen) * clips
    with tempfile.TemporaryDirectory() as folder:
        for condition in chosen:
            for number in range(first, first + clips):
                path = Path(folder) / f"{condition}-{number}.mp4"
                truth = write_staged(stage(condition, number, n_frames=n_frames), path)
                with open_video(path) as source:
                    pictures: Pictures = [frame.image for frame in source]
                for way in asked:
                    tracks = truth if way != "tracker" else _followed(path, truth, models)
                    seed = (number, CONDITIONS.index(condition))
                    _judge(told[way], tracks, pictures, truth, seed, settings, blind=way == "paths")
                path.unlink()
                done += 1
                if progress:
                    progress(done, total, f"planting, {condition}")
    return {way: counts.figures() for way, counts in told.items()}


def _followed(path: Path, truth: Tracks, models: Models) -> Tracks:
    """What the tracker makes of the true masks of the first frame, as far as it is right."""
    prompts = _first_prompts(truth, boxes=False)
    if not prompts:
        return Tracks(truth.video, "", (), truth.frame_times)
    found = track_objects(path, prompts=prompts, model=models, settings=FollowSettings(anomalies=None))
    return agrees_with(found, truth)


def _judge(
    counts: Told,
    tracks: Tracks,
    pictures: Pictures,
    truth: Tracks,
    seed: Sequence[int],
    settings: AnomalySettings | None,
    *,
    blind: bool,
) -> None:
    if not len(tracks):
        return

    def found(of: Tracks, shown: Pictures) -> tuple[Anomaly, ...]:
        looks = None if blind else look_at(_frames(shown), of)
        return find_anomalies(of, looks, settings=settings)

    counts.clean += 1
    counts.alarms.update(anomaly.kind for anomaly in found(tracks, pictures))
    for k, kind in enumerate(FAULTS):
        planted = plant(kind, tracks, pictures, truth, np.random.default_rng((*seed, k)))
        if planted is None:
            continue
        counts.planted[kind] += 1
        anomalies = found(planted.tracks, planted.pictures)
        pointing = [a for a in anomalies if _points_at(a, planted.fault)]
        counts.told[kind] += any(a.kind in TOLD_AS[kind] for a in pointing)
        counts.right[kind] += len(pointing)
        counts.wrong[kind] += len(anomalies) - len(pointing)


def _points_at(anomaly: Anomaly, fault: Fault) -> bool:
    """Whether an anomaly names an object of a fault, at its time."""
    named = {anomaly.obj_id, anomaly.other} & set(fault.obj_ids)
    near = anomaly.first_frame <= fault.last + NEAR and anomaly.last_frame >= fault.first - NEAR
    return bool(named) and near


def _frames(pictures: Pictures) -> Iterator[Frame]:
    return (Frame(k, Fraction(k) / FPS, picture) for k, picture in enumerate(pictures))
