"""Judgements of one track: impossible motion, other looks, drift, loss, no object at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.anomaly import Anomaly, AnomalyKind, Severity
from seektrack.tracking.anomalies.looks import TrackLooks
from seektrack.tracking.anomalies.paths import Floats, Path, touching
from seektrack.tracking.anomalies.settings import AnomalySettings

_FIRST = 4
"""Sights at the beginning of a track that are taken for its object."""
_SLOWLY = 0.95
"""How much of what an object looked like is kept from sight to sight."""


@dataclass(frozen=True)
class Whole:
    """What all tracks of a video have in common.

    Attributes:
        frames: Processed frames, in order.
        times: Seconds of each.
        looks: What the pictures say, or None.
        paths: Of every track that was seen.
        settings: When a track counts as wrong.
    """

    frames: Sequence[int]
    times: Mapping[int, float]
    looks: TrackLooks | None
    paths: Sequence[Path]
    settings: AnomalySettings

    def cut_between(self, first: int, last: int) -> bool:
        """Whether another shot begins after one frame and up to another."""
        return self.looks is not None and any(first < c <= last for c in self.looks.cuts)

    @property
    def frame_s(self) -> float:
        """Usual seconds from frame to frame."""
        steps = np.diff([self.times[f] for f in self.frames])
        return float(np.median(steps)) if len(steps) else 0.04


def anomaly(
    whole: Whole,
    kind: AnomalyKind,
    path: Path,
    first: int,
    last: int,
    severity: Severity,
    other: int | None = None,
    **evidence: float,
) -> Anomaly:
    """An anomaly of a track from one frame to another, its evidence rounded."""
    told = {name: round(float(value), 3) for name, value in evidence.items() if np.isfinite(value)}
    return Anomaly(kind, path.obj_id, int(first), int(last), float(whole.times[first]), severity, told, other)


@dataclass(frozen=True)
class Unlike:
    """Stretches of a track that do not look like the rest of it, and by how much each sight does not.

    Attributes:
        runs: First and last sight of each.
        less: By how much less than usual each sight is like the track, (n,).
        z: The same in its usual deviations.
        whole: Whether each sight is large enough to be judged by its looks alone, (n,).
    """

    runs: list[tuple[int, int]]
    less: Floats
    z: Floats
    whole: NDArray[np.bool_]


def motion(whole: Whole, path: Path, odd: Unlike) -> list[Anomaly]:
    """Where a track moved as its object cannot: a jump against its own motion, or a sudden turn of speed.

    What jumps and looks like something else there need not jump as far as what still looks like itself.
    """
    how = whole.settings
    if len(path) < 3:
        return []
    gaps = np.diff(path.places).astype(np.float64)
    sizes = np.minimum(path.size[1:], path.size[:-1])
    before = np.vstack([np.zeros(2), (path.steps / gaps[:, None])[:-1]])
    surprise = np.linalg.norm(path.steps - before * gaps[:, None], axis=1) / sizes
    far = np.linalg.norm(path.steps, axis=1) / sizes
    usual_far = _usual(far / gaps)
    found: list[Anomaly] = []
    taken = -1
    for k in np.flatnonzero((far > 0.5) & (surprise > 0.5)).tolist():
        first, last = int(path.frames[k]), int(path.frames[k + 1])
        if k <= taken or gaps[k] > 4 or whole.cut_between(first, last):
            continue
        wide = float(gaps[k] ** 0.5)
        allowed = how.jump * wide
        most = (how.jump + how.usual_far * usual_far[k]) * wide
        unlike = min(far[k], surprise[k]) > allowed and odd.less[k + 1] > how.unlike
        beyond = k > 1 and min(far[k], surprise[k]) > most  # of its first sights nobody knows how it moves
        if not touching(path.boxes[k], path.boxes[k + 1]) and (unlike or beyond):
            severity: Severity = "high" if unlike or surprise[k] > 2 * most else "medium"
            back = _returns(path, k, surprise, allowed)
            found.append(
                anomaly(
                    whole,
                    "speed",
                    path,
                    last,
                    last if back is None else int(path.frames[back]),
                    severity,
                    sizes=far[k],
                    sizes_per_s=far[k] / (gaps[k] * max(whole.frame_s, 1e-6)),
                    surprise=surprise[k],
                    usual=usual_far[k],
                    unlike=odd.less[k + 1],
                )
            )
            taken = k if back is None else back
        elif gaps[k] == 1 and k and surprise[k] > how.jolt + 2 * how.usual_far * usual_far[k]:
            evidence = {"sizes": surprise[k], "usual": usual_far[k]}
            found.append(anomaly(whole, "acceleration", path, last, last, "low", None, **evidence))
            taken = k + 1
    return found


def _returns(path: Path, k: int, surprise: Floats, allowed: float) -> int | None:
    """The sight before a jump back, where a track that jumped at ``k`` comes back soon; None where not."""
    for j in range(k + 1, min(k + 16, len(surprise))):
        here = np.linalg.norm(path.centres[j + 1] - path.centres[k]) / path.size[k]
        if surprise[j] > allowed and here < 0.5 * (j + 1 - k) + 1:
            return j
    return None


def _usual(values: Floats, reach: int = 12) -> Floats:
    """Median of the values around each, itself left out."""
    out = np.empty(len(values))
    for k in range(len(values)):
        around = np.concatenate([values[max(k - reach, 0) : k], values[k + 1 : k + 1 + reach]])
        out[k] = np.median(around) if len(around) else 0.0
    return out


def unlike(whole: Whole, path: Path) -> Unlike:
    """Which sights do not look like the track."""
    how = whole.settings
    nothing = Unlike([], np.zeros(len(path)), np.zeros(len(path)), np.zeros(len(path), dtype=np.bool_))
    if path.signatures is None:
        return nothing
    whole_area = np.maximum(path.usual_area, np.median(path.areas))
    seen = ~np.isnan(path.signatures).any(axis=1)
    judged = seen & ~path.cut_off & (path.areas >= how.least_area * whole_area)
    if judged.sum() < 6:
        return nothing
    rows = np.nan_to_num(path.signatures)
    order = np.flatnonzero(judged)
    past = rows[order[:_FIRST]].mean(axis=0)
    alike, believed = np.full(len(path), np.nan), list[float]()
    for k in order:  # what it looked like before tells, as far as that was itself
        alike[k] = float(rows[k] @ past) / max(float(np.linalg.norm(past)), 1e-9)
        if not believed or alike[k] >= np.median(believed[-24:]) - how.unlike / 2:
            past = _SLOWLY * past + (1 - _SLOWLY) * rows[k]
            believed.append(float(alike[k]))
    if np.nanmedian(path.contrast[judged]) > 4 * how.no_contrast:  # a piece of it would stand out as it does
        for k in np.flatnonzero(seen & ~judged & (path.contrast < 2 * how.no_contrast)):
            alike[k] = float(rows[k] @ past) / max(float(np.linalg.norm(past)), 1e-9)
    usual = float(np.median(believed))
    spread = 1.4826 * float(np.median(np.abs(np.array(believed) - usual)))
    less = usual - np.nan_to_num(alike, nan=usual)
    z = less / max(spread, 0.015)
    out = (less > how.unlike) & (z > how.unlike_z)
    return Unlike(_runs(out, ~np.isnan(alike)), less, z, judged)


def _runs(flags: NDArray[np.bool_], judged: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of flags; one sight between two that is no outlier, or cannot be judged, does not end a run."""
    runs: list[tuple[int, int]] = []
    missed = 0
    for k, flag in enumerate(flags):
        if flag:
            if runs and k - runs[-1][1] - missed <= 1:
                runs[-1] = (runs[-1][0], k)
            else:
                runs.append((k, k))
            missed = 0
        elif not judged[k]:
            missed += 1
        elif runs and k - runs[-1][1] - missed > 1:
            missed = 0
    return runs


def looks(whole: Whole, path: Path, odd: Unlike) -> list[Anomaly]:
    """Where a track does not look like itself: for a while, or from some frame on."""
    how = whole.settings
    found = []
    for first, last in odd.runs:
        if last == first:  # one odd picture is no matter
            continue
        lasts = float(path.times[last] - path.times[first]) + whole.frame_s
        less, z = float(odd.less[first : last + 1].max()), float(odd.z[first : last + 1].max())
        contrast = float(np.nanmedian(path.contrast[first : last + 1]))
        drifted = lasts >= how.drift_s and (last >= len(path) - 2 or lasts >= 3 * how.drift_s)
        if not drifted and odd.whole[first : last + 1].sum() < 2:
            continue
        severity: Severity = "high" if less > 2 * how.unlike else "medium"
        at, end = path.frames[first], path.frames[last]
        kind: AnomalyKind = "drift" if drifted else "appearance"
        found.append(
            anomaly(whole, kind, path, at, end, severity, unlike=less, z=z, contrast=contrast, seconds=lasts)
        )
    return found


def losses(whole: Whole, path: Path) -> list[Anomaly]:
    """Where a track has no sight though its object should still show."""
    how = whole.settings
    found = []
    ends = [*range(len(path) - 1), len(path) - 1]
    for k in ends:
        place = int(path.places[k])
        after = int(path.places[k + 1]) if k + 1 < len(path) else len(whole.frames)
        if after - place < 2 or k < 2:
            continue
        first, last = whole.frames[place + 1], whole.frames[after - 1]
        away = whole.times[last] - float(path.times[k])
        enough = how.lost_s if whole.looks is None else max(how.lost_s / 2, 3 * whole.frame_s)
        if away + whole.frame_s / 2 < enough or whole.cut_between(int(path.frames[k]), last):
            continue
        evidence = _lost(whole, path, k, whole.frames[place + 1 : after])
        if evidence is not None:
            severity: Severity = "high" if evidence.get("still_there", 0) > how.still_there else "medium"
            found.append(anomaly(whole, "lost", path, first, last, severity, None, **evidence, seconds=away))
    return found


def _lost(whole: Whole, path: Path, k: int, gone: Sequence[int]) -> dict[str, float] | None:
    """Numbers that say an object was still there after its ``k``-th sight; None where it may well not be."""
    how = whole.settings
    usual = float(np.median(path.areas[max(k - 6, 0) : k + 1]))
    abrupt = float(path.areas[k]) / max(usual, 1.0)
    if whole.looks is not None:
        there = whole.looks.still_there.get(path.obj_id, {})
        told = [there[f] for f in gone[:4] if f in there]
        if len(told) < 2:
            return None
        # as like itself as it was; where its colours are those around it, nothing can be told
        contrast = float(np.nanmedian(path.contrast[max(k - 6, 0) : k + 1]))
        still = sorted(told)[-2]
        if still < how.still_there or contrast < how.blip_contrast or 1 - still > 0.6 * contrast:
            return None
        return {"still_there": still, "abrupt": abrupt, "contrast": contrast}
    speed = path.steps[max(k - 4, 0) : k].mean(axis=0) if k else np.zeros(2)
    ahead = path.boxes[k] + np.tile(speed, 2) * 2
    h, w = path.hw
    outside = ahead[0] <= 2 or ahead[1] <= 2 or ahead[2] >= w - 2 or ahead[3] >= h - 2
    if outside or path.cut_off[k] or abrupt < how.abrupt_area:
        return None
    together = sum(
        bool((p.places == path.places[k]).any() and not (p.places == path.places[k] + 1).any())
        for p in whole.paths
    )
    if together > 1:  # a cut, likely
        return None
    for other in whole.paths:
        near = np.flatnonzero(np.abs(other.places - path.places[k]) <= 2)
        if other is not path and any(touching(other.boxes[j], ahead) for j in near):
            return None
    return {"abrupt": abrupt}


def no_object(whole: Whole, path: Path) -> list[Anomaly]:
    """Whether a track is likely no object: it stands out from nothing, or is a short one out of nowhere."""
    how = whole.settings
    told = path.contrast[~np.isnan(path.contrast)]
    contrast = float(np.median(told)) if len(told) else np.nan
    first, last = int(path.frames[0]), int(path.frames[-1])
    lasts = float(path.times[-1] - path.times[0]) + whole.frame_s
    short = lasts <= how.blip_s + 1e-6
    begins, ends = whole.frames[0], whole.frames[-1]
    cuts = set() if whole.looks is None else whole.looks.cuts
    open_ended = first == begins or last == ends or first in cuts
    nowhere = not open_ended and not path.cut_off[0] and not path.cut_off[-1]
    flat = contrast < how.no_contrast and float(np.quantile(told, 0.9)) < 2 * how.no_contrast
    if flat or (short and nowhere and contrast < how.blip_contrast):
        severity: Severity = "high" if flat and short else "medium"
        return [
            anomaly(whole, "false detection", path, first, last, severity, contrast=contrast, seconds=lasts)
        ]
    return []
