"""Two tracks that went on with each other's object: by looks, by motion, or by both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from seektrack.anomaly import Anomaly, Severity
from seektrack.tracking.anomalies.judge import Whole, anomaly
from seektrack.tracking.anomalies.paths import Floats, Indices, Path, mean_looks, touching

_MOST_APART_S = 2.0
"""Seconds between the last sight before a swap and the first one after, up to which two can be compared."""


def swaps(whole: Whole) -> list[Anomaly]:
    """Every pair and frame where the tracks fit each other's past clearly better than their own."""
    found = []
    for one, other in combinations(whole.paths, 2):
        best: list[tuple[float, Anomaly]] = []
        for before, after in _occasions(whole, one, other):
            told = _told(whole, one, other, before, after)
            if told is not None:
                best.append(told)
        taken: list[Anomaly] = []
        for _, swap in sorted(best, key=lambda b: -b[0]):
            near = whole.settings.window * whole.frame_s
            if all(abs(swap.time_s - t.time_s) > near for t in taken):
                taken.append(swap)
        found += taken
    return found


def _occasions(whole: Whole, one: Path, other: Path) -> Iterator[tuple[int, int]]:
    """Places between which ids may have changed hands: around contacts, at jumps and where looks change.

    Each is the last place before, and the first after.
    """
    shared = np.intersect1d(one.places, other.places)
    if len(shared) < 4:
        return
    a, b = (p.boxes[np.searchsorted(p.places, shared)] for p in (one, other))
    met = np.array([touching(x, y) for x, y in zip(a, b, strict=True)])
    apart = shared[~met]
    given = set()
    for before, after in pairwise(apart.tolist()):  # through a contact, or a gap
        if after - before > 1:
            given.add((before, after))
    sudden = _sudden(one) | _sudden(other)
    for before, after in pairwise(shared.tolist()):
        if any(before < s <= after for s in sudden):
            given.add((before, after))
    for before, after in sorted(given):
        frames = whole.frames[before], whole.frames[after]
        if whole.times[frames[1]] - whole.times[frames[0]] <= _MOST_APART_S and not whole.cut_between(
            *frames
        ):
            yield before, after


def _sudden(path: Path) -> set[int]:
    """Places at which a track jumps by most of its size, or looks otherwise than just before."""
    far = np.linalg.norm(path.steps, axis=1) / np.minimum(path.size[1:], path.size[:-1])
    places = {int(p) for p in path.places[1:][far > 0.7]}
    if path.signatures is not None:
        rows = np.nan_to_num(path.signatures)
        for k in range(1, len(path)):
            before, after = rows[max(k - 3, 0) : k].mean(axis=0), rows[k : k + 3].mean(axis=0)
            norm = float(np.linalg.norm(before) * np.linalg.norm(after))
            if norm > 0 and float(before @ after) / norm < 0.9:
                places.add(int(path.places[k]))
    return places


def _told(whole: Whole, one: Path, other: Path, before: int, after: int) -> tuple[float, Anomaly] | None:
    """How clearly two tracks are swapped between two places, and the anomaly; None where they are not."""
    how = whole.settings
    by_looks = _by_looks(one, other, before, after, how.window)
    by_motion = _by_motion(one, other, before, after, how.window)
    looks_say = by_looks is not None and by_looks > how.swap_looks and (by_motion is None or by_motion > -1.0)
    both = (
        by_looks is not None
        and by_motion is not None
        and by_looks > 0.3 * how.swap_looks
        and by_motion > 0.5 * how.swap_motion
    )
    alone = by_motion is not None and by_motion > how.swap_motion and (by_looks is None or by_looks > -0.03)
    if not (looks_say or both or alone):
        return None
    frame = whole.frames[after]
    evidence = {
        "looks": np.nan if by_looks is None else by_looks,
        "motion": np.nan if by_motion is None else by_motion,
    }
    sure = looks_say and by_looks is not None and by_looks > 2 * how.swap_looks
    severity: Severity = "high" if sure or (both and alone) else "medium"
    strength = (by_looks or 0.0) / how.swap_looks + max(by_motion or 0.0, 0.0) / how.swap_motion
    return strength, anomaly(whole, "swap", one, frame, frame, severity, other.obj_id, **evidence)


def _by_looks(one: Path, other: Path, before: int, after: int, window: int) -> float | None:
    """By how much better each looks like the other's past than like its own, the mean of both."""
    means = []
    for path in (one, other):
        past, then = _around(path, before, after, window)
        if len(past) < 2 or len(then) < 2:
            return None
        means += [mean_looks(path, past), mean_looks(path, then)]
    a, a2, b, b2 = means
    if a is None or a2 is None or b is None or b2 is None:
        return None
    return float(a2 @ b + b2 @ a - a2 @ a - b2 @ b) / 2


def _around(path: Path, before: int, after: int, window: int) -> tuple[Indices, Indices]:
    """The sights of a track up to a place, and from another on, ``window`` at most of each."""
    return np.flatnonzero(path.places <= before)[-window:], np.flatnonzero(path.places >= after)[:window]


def _by_motion(one: Path, other: Path, before: int, after: int, window: int) -> float | None:
    """By how many sizes the two ways after fit the other's way before better than its own.

    Straight lines are fitted to both sides and compared half-way, in place and in where they lead to within
    the frames between and a window.
    """
    lines: list[tuple[Floats, Floats]] = []
    middle = (before + after) / 2
    sizes = []
    for path in (one, other):
        for at in _around(path, before, after, window):
            if len(at) < 2:
                return None
            lines.append(_line(path.places[at].astype(np.float64), path.centres[at], middle))
            sizes.append(float(np.median(path.size[at])))
    size = max(float(np.median(sizes)), 1.0)
    ahead = min((after - before) / 2 + 2, window)
    (a, a2, b, b2) = lines

    def cost(p: tuple[Floats, Floats], q: tuple[Floats, Floats]) -> float:
        place = float(np.linalg.norm(p[0] - q[0])) / size
        way = float(np.linalg.norm(p[1] - q[1])) * ahead / size
        return min(place + way, 6.0)

    return (cost(a, a2) + cost(b, b2) - cost(a, b2) - cost(b, a2)) / 2


def _line(places: Floats, centres: Floats, middle: float) -> tuple[Floats, Floats]:
    """Where a straight way is at a place, and how far it goes a frame: (2,) and (2,)."""
    offset = places - middle
    fit = np.polyfit(offset, centres, 1) if len(places) > 2 else None
    if fit is None:
        slope = (centres[1] - centres[0]) / max(places[1] - places[0], 1.0)
        return centres[0] - slope * offset[0], slope
    return np.asarray(fit[1]), np.asarray(fit[0])
