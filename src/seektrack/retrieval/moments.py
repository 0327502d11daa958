"""From beliefs on sampled frames to stretches of video that answer a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.encoders import Calibration, Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.library import LibraryStore, TurnTimes, Where
from seektrack.query import Query, read
from seektrack.retrieval.calibrate import calibrated, confidence_settings
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.limited import limited
from seektrack.retrieval.motion import MotionScorer, parse_motion
from seektrack.retrieval.scores import Scores, VideoScores, known_video, only_labelled, score_query
from seektrack.retrieval.segments import FrameScorer
from seektrack.retrieval.sequence import SequenceSettings, find_sequences
from seektrack.types import Moment


@dataclass(frozen=True)
class MomentSettings:
    """What makes frames a moment.

    Attributes:
        min_confidence: A moment has at least one frame believed this much; what the encoder's calibration
            says when None.
        keep_ratio: Its other frames are believed at least this share of the query's best frame, but never
            more than ``min_confidence`` is asked of them: the threshold follows the query.
        motion_confidence: Where something has to happen, ``min_confidence`` is asked of the things and this
            of what they do.
        max_gap_s: Stretches nearer than this in seconds are one moment.
        max_overlap: Of two moments of a video that overlap by more (intersection over union), one stays.
    """

    min_confidence: float | None = None
    keep_ratio: float = 0.5
    motion_confidence: float = 0.55
    max_gap_s: float = 2.0
    max_overlap: float = 0.5


def find_moments(
    store: LibraryStore,
    encoder: Encoder,
    query: str | Sequence[str] | Query,
    *,
    k: int = defaults.K,
    where: Where | None = None,
    motion: MotionScorer | None = None,
    templates: Templates = "auto",
    settings: MomentSettings | None = None,
    sequences: SequenceSettings | None = None,
    confidence: ConfidenceSettings | None = None,
    best: Mapping[str, float] | None = None,
) -> list[Moment]:
    """Moments that answer a question, best first.

    Things asked for one by one each give moments of their own; an order of events gives chains of moments.

    Args:
        store: Where to look.
        encoder: The encoder the library was made with.
        query: What to look for; see `seektrack.query.read`.
        k: At most so many moments.
        where: Only there.
        motion: Asks the stretches of the library about what happens.
        templates: See `seektrack.encoders.embed_query`.
        settings: What makes frames a moment.
        sequences: What makes moments a chain.
        confidence: How scores become beliefs.
        best: How much the best frame of other libraries that are asked too is believed, by what it answers.

    Returns:
        Moments, each of which knows what it answers; none when nothing matches.

    Raises:
        QueryError: The text has no words.
        InputError: The library holds nothing of the video that is asked for.
        LibraryMismatchError: The library was made by another encoder.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    asked, there = read(query), known_video(store, where)
    calibration = calibrated(encoder, store)
    confidence = confidence or confidence_settings(calibration)
    s = settings or MomentSettings()
    if s.min_confidence is None:
        s = replace(s, min_confidence=calibration.min_confidence)
    if there.min_confidence is not None:
        s = replace(s, min_confidence=there.min_confidence)
    if asked.ordered and (motion is None or parse_motion(asked) is None):
        scorer = FrameScorer(store, encoder, settings=confidence, motion=motion, templates=templates)
        return list(find_sequences(scorer, asked, k=k, where=there, settings=sequences))
    found: list[Moment] = []
    for one in (asked,) if asked.ordered else asked.alone():
        _, scores = score_query(
            store, encoder, one, where=there, settings=confidence, motion=motion, templates=templates
        )
        if there.label is not None:
            scores = only_labelled(store, encoder, scores, there, confidence)
        moments = moments_from_scores(
            scores,
            durations=store.durations(),
            turns=store.turns,
            settings=s,
            best=(best or {}).get(one.typed, 0.0),
            most=k,
            per_video=there.per_video,
        )
        found += [replace(within(m, there), query=one.typed) for m in moments]
    return limited(sorted(found, key=rank), there.per_video)[:k]


def within(moment: Moment, where: Where) -> Moment:
    """A moment cut to the window that was asked for."""
    start = moment.start_s if where.start_s is None else max(moment.start_s, where.start_s)
    end = moment.end_s if where.end_s is None else min(moment.end_s, where.end_s)
    return replace(moment, start_s=start, end_s=max(start, end))


def moments_from_scores(
    scores: Scores,
    *,
    durations: dict[str, float | None] | None = None,
    turns: Callable[[str], TurnTimes] | None = None,
    settings: MomentSettings | None = None,
    best: float = 0.0,
    most: int | None = None,
    per_video: int | None = None,
) -> list[Moment]:
    """Moments of all videos under one query, best first.

    They begin and end where the picture turned, as far as that was stored, else half-way to the next frame.

    Args:
        scores: From `score_library`.
        durations: Seconds of each video by path, to end its last moment by.
        turns: Where the picture of a video turned, by its path.
        settings: What makes frames a moment.
        best: How much the best frame elsewhere is believed.
        most: So many are wanted; of videos that can only have worse ones none are given.
        per_video: At most so many of one video are counted.
    """
    s = settings or MomentSettings()
    tops = [float(v.belief.max(initial=0.0)) for v in scores.videos]
    best = max(best, *tops, 0.0)
    least = Calibration().min_confidence if s.min_confidence is None else s.min_confidence
    enter = least * (s.motion_confidence if scores.moving else 1.0)
    stay = min(enter, s.keep_ratio * best)
    moments: list[Moment] = []
    surest = sorted((n for n, top in enumerate(tops) if top >= enter), key=lambda n: -tops[n])
    for after, n in enumerate(surest):
        v = scores.videos[n]
        lower = after > 0 and round(tops[n], 4) < round(tops[surest[after - 1]], 4)
        if most is not None and lower and _enough(moments, tops[n], most, per_video):
            break
        runs = find_runs(v.belief, v.times, enter=enter, stay=stay, max_gap_s=s.max_gap_s)
        ends_s = (durations or {}).get(v.path)
        turned = TurnTimes({}) if turns is None else turns(v.path)
        found = [_moment(scores, v, first, last, ends_s, turned, s) for first, last in runs]
        moments += temporal_nms([m for m in found if m is not None], max_overlap=s.max_overlap)
    return sorted(moments, key=rank)


def _enough(moments: Sequence[Moment], top: float, most: int, per_video: int | None) -> bool:
    """Whether there are as many as are wanted before any of a frame believed ``top`` at most."""
    before = [m for m in moments if m.domain != "outside" and round(m.confidence, 4) > round(top, 4)]
    return len(limited(before, per_video)) >= most


def find_runs(
    belief: NDArray[np.float64],
    times: NDArray[np.float64],
    *,
    enter: float,
    stay: float,
    max_gap_s: float,
) -> list[tuple[int, int]]:
    """Runs of frames believed at least ``stay`` that reach ``enter`` somewhere, gaps closed.

    Args:
        belief: (T,) in [0, 1].
        times: (T,) seconds, ascending.
        enter: What the best frame of a run has to reach.
        stay: What its other frames have to reach.
        max_gap_s: Runs whose ends lie nearer than this are joined.

    Returns:
        Positions ``(first, last)`` of each run, both inside, in order.
    """
    above = np.flatnonzero(belief >= stay)
    if len(above) == 0:
        return []
    near = (np.diff(above) == 1) | (np.diff(times[above]) <= max_gap_s)
    starts = np.concatenate([[0], np.flatnonzero(~near) + 1])
    ends = np.concatenate([starts[1:] - 1, [len(above) - 1]])
    runs = [(int(above[a]), int(above[b])) for a, b in zip(starts, ends, strict=True)]
    return [(a, b) for a, b in runs if belief[a : b + 1].max() >= enter]


def temporal_nms(moments: Sequence[Moment], *, max_overlap: float = 0.5) -> list[Moment]:
    """Keep the best of moments of one video that overlap by more than a temporal IoU, best first."""
    kept: list[Moment] = []
    for moment in sorted(moments, key=rank):
        if all(temporal_iou(moment, other) <= max_overlap for other in kept if other.video == moment.video):
            kept.append(moment)
    return kept


def temporal_iou(a: Moment, b: Moment) -> float:
    """Intersection over union of two stretches of time; 0 for two instants."""
    inter = max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s))
    union = (a.end_s - a.start_s) + (b.end_s - b.start_s) - inter
    return inter / union if union > 0 else 0.0


def _moment(
    scores: Scores,
    v: VideoScores,
    first: int,
    last: int,
    ends_s: float | None,
    turned: TurnTimes,
    s: MomentSettings,
) -> Moment | None:
    seen = [i for i in range(first, last + 1) if v.best[i] >= 0]
    if not seen:
        return None
    # Among frames believed alike the one most similar to the query is shown.
    key = max(seen, key=lambda i: (round(float(v.belief[i]), 3), float(scores.cosine[v.best[i]])))
    confidence = float(v.belief[seen].max())
    start, end = _reach(v.times, first, last, ends_s, s.max_gap_s)
    start, end = _where_it_turned(v, first, last, turned, start, end)
    hit = scores.hit(int(v.best[key]), float(v.belief[key]))
    return Moment(v.path, start, end, hit, confidence, domain=hit.domain)


def _reach(
    times: NDArray[np.float64], first: int, last: int, ends_s: float | None, max_gap_s: float
) -> tuple[float, float]:
    """Stretch a run half-way to the frames beside it, where the thing was not seen any more."""
    most = max_gap_s / 2
    start = float(times[first])
    if first > 0:
        start -= min(most, (start - float(times[first - 1])) / 2)
    end = float(times[last])
    if last + 1 < len(times):
        end += min(most, (float(times[last + 1]) - end) / 2)
    elif ends_s is not None:
        end = max(end, min(end + most, ends_s))
    elif len(times) > 1:
        end += min(most, float(times[-1] - times[-2]) / 2)
    return start, end


def _where_it_turned(
    v: VideoScores, first: int, last: int, turned: TurnTimes, start: float, end: float
) -> tuple[float, float]:
    """The bounds of a run where the picture turned into its first frame, and out of its last."""
    start = turned.begins.get(int(v.frame_indices[first]), start)
    if last + 1 == len(v.times):
        return start, end if turned.end_s is None else max(turned.end_s, float(v.times[last]))
    low, high = int(v.frame_indices[last]), int(v.frame_indices[last + 1])
    after = [i for i in turned.begins if low < i <= high]
    return start, turned.begins[min(after)] if after else end


def rank(moment: Moment) -> tuple[bool, float, float, str, float]:
    """What moments are ordered by, best first."""
    unknown = moment.domain == "outside"  # what cannot be known comes after what is
    return unknown, -round(moment.confidence, 4), -moment.key.score, moment.video, moment.start_s
