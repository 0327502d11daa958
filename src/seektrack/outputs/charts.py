"""What the report draws of tracks: when each was seen, and where it went.

Only numbers and strings come out of here; the page's template turns them into SVG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from seektrack.outputs.motion import mean_speed
from seektrack.outputs.palette import hex_colour
from seektrack.types import Observation, Track, Tracks

_MOST_POINTS = 240


@dataclass(frozen=True)
class Stretch:
    """A run of neighbouring frames in one state, in per cent of the timeline."""

    left: float
    width: float
    visible: bool


@dataclass(frozen=True)
class Mark:
    """An anomaly of a track on its row, in per cent of the timeline; ``about`` says what it is."""

    left: float
    severity: str
    about: str


@dataclass(frozen=True)
class Row:
    """One track on the timeline and in the table; seconds and source pixels."""

    obj_id: int
    label: str
    colour: str
    score: float
    unknown: bool
    first_s: float
    last_s: float
    frames_seen: int
    frames_hidden: int
    speed: float
    stretches: tuple[Stretch, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def length_s(self) -> float:
        """Seconds from first to last observation."""
        return self.last_s - self.first_s


@dataclass(frozen=True)
class Tick:
    """A mark on the time axis, in per cent of the timeline."""

    left: float
    text: str


@dataclass(frozen=True)
class Timeline:
    """When each object was seen.

    Attributes:
        start_s, end_s: What 0 and 100 per cent stand for.
    """

    start_s: float
    end_s: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class PathPiece:
    """Part of a trajectory in one state, as SVG path data in source pixels."""

    d: str
    visible: bool


@dataclass(frozen=True)
class Trajectory:
    """Where one object went; points are source pixels."""

    obj_id: int
    label: str
    colour: str
    start: tuple[float, float]
    end: tuple[float, float]
    pieces: tuple[PathPiece, ...]


def timeline(tracks: Tracks) -> Timeline:
    """Lay out every track with observations over the time that was processed."""
    times = _times(tracks)
    step = _frame_step(tracks, times)
    start = min(times.values(), default=0.0)
    end = max(times.values(), default=0.0) + step
    position = {index: n for n, index in enumerate(sorted(times))}
    span = end - start

    def row(track: Track) -> Row:
        seen = track.observations
        stretches = []
        for run in _runs(track, position):
            left, right = run[0].time_s, run[-1].time_s + step
            percent = (100 * (left - start) / span, 100 * (min(right, end) - left) / span)
            stretches.append(Stretch(round(percent[0], 3), round(percent[1], 3), run[0].visible))
        return Row(
            obj_id=track.obj_id,
            label=track.label,
            colour=hex_colour(track.obj_id),
            score=track.score,
            unknown=track.domain == "outside",
            first_s=seen[0].time_s,
            last_s=seen[-1].time_s,
            frames_seen=sum(o.visible for o in seen),
            frames_hidden=sum(not o.visible for o in seen),
            speed=mean_speed(track),
            stretches=tuple(stretches),
            marks=tuple(
                Mark(
                    round(100 * (a.time_s - start) / span, 3),
                    a.severity,
                    f"{clock(a.time_s, decimals=1)} {a.about}",
                )
                for a in tracks.anomalies
                if track.obj_id in (a.obj_id, a.other)
            ),
        )

    rows = tuple(row(t) for t in tracks if t.observations)
    return Timeline(start, end, rows, _ticks(start, end) if times else ())


def trajectories(tracks: Tracks) -> tuple[Trajectory, ...]:
    """The path of every object's centre; long paths are thinned, ends and turns into hiding are kept."""
    position = {index: n for n, index in enumerate(sorted(_times(tracks)))}
    found = []
    for track in tracks:
        if not track.observations:
            continue
        stride = max(1, math.ceil(len(track.observations) / _MOST_POINTS))
        pieces = []
        previous: Observation | None = None
        for run in _runs(track, position):
            points = [o.centre for n, o in enumerate(run) if n % stride == 0 or n == len(run) - 1]
            if previous is not None:
                touches = position[run[0].frame_index] - position[previous.frame_index] == 1
                link = [previous.centre, points[0]]
                pieces.append(PathPiece(_path(link), touches and run[0].visible and previous.visible))
            if len(points) > 1:
                pieces.append(PathPiece(_path(points), run[0].visible))
            previous = run[-1]
        ends = track.observations[0].centre, track.observations[-1].centre
        colour = hex_colour(track.obj_id)
        found.append(Trajectory(track.obj_id, track.label, colour, *ends, tuple(pieces)))
    return tuple(found)


def clock(seconds: float, *, decimals: int = 0) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``, with decimals if asked."""
    unit = 10**decimals
    whole, rest = divmod(round(max(0.0, seconds) * unit), unit)
    minutes, secs = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest:0{decimals}d}" if decimals else ""
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{secs:02d}{fraction}"


def duration(seconds: float) -> str:
    """A length of time for people: ``2.4 s`` below a minute, else as `clock` writes it."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def _times(tracks: Tracks) -> dict[int, float]:
    observed = {o.frame_index: o.time_s for t in tracks for o in t.observations}
    return observed | tracks.frame_times


def _frame_step(tracks: Tracks, times: dict[int, float]) -> float:
    ordered = sorted(times.values())
    gaps = sorted(b - a for a, b in pairwise(ordered) if b > a)
    return gaps[len(gaps) // 2] if gaps else float(1 / tracks.video.fps)


def _runs(track: Track, position: dict[int, int]) -> list[list[Observation]]:
    """Split at frames without the object and where it goes into hiding or comes out."""
    runs: list[list[Observation]] = []
    for o in track.observations:
        last = runs[-1][-1] if runs else None
        joined = (
            last is not None
            and last.visible == o.visible
            and position[o.frame_index] - position[last.frame_index] == 1
        )
        if joined:
            runs[-1].append(o)
        else:
            runs.append([o])
    return runs


def _ticks(start: float, end: float) -> tuple[Tick, ...]:
    span = end - start
    step = next((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if span / s <= 8), 0.0)
    step = step or 3600 * max(1, math.ceil(span / 3600 / 8))
    decimals = 1 if step < 1 else 0
    first, last = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
    return tuple(
        Tick(round(100 * (n * step - start) / span, 3), clock(n * step, decimals=decimals))
        for n in range(first, last + 1)
    )


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
