"""One id for one object across cuts, files and cameras, by its looks alone.

Followed apart, an object has another id in every file, and one lost for long another in the same. Each track
is looked at on a few frames; the most alike become one, unless they were seen together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seektrack.encoders import Encoder
from seektrack.errors import InputError
from seektrack.grounding import embed_objects
from seektrack.tracking.appearance import Appearance
from seektrack.tracking.cues import CUES, Cue, cues_of
from seektrack.tracking.likeness import LikenessSettings
from seektrack.types import Frame, Observation, Track, Tracks
from seektrack.video import VideoSource, open_video

Place = tuple[int, int]
"""Which result a track lies in, and its id there."""


@dataclass(frozen=True)
class LinkSettings:
    """When tracks are one object.

    Attributes:
        likeness: How cues are read together.
        least: Likeness from which two are one.
        looks: Frames each track is looked at on, its largest sights over its whole length.
        same_label: Whether two that are called differently can be one.
    """

    likeness: LikenessSettings = field(default_factory=LikenessSettings)
    least: float = 0.75
    looks: int = 5
    same_label: bool = True


def link(
    results: Sequence[Tracks],
    *,
    sources: Sequence[VideoSource] | None = None,
    encoder: Encoder | None = None,
    settings: LinkSettings | None = None,
) -> list[Tracks]:
    """Give tracks that show one object one id.

    Args:
        results: Of one video or several; of several cameras, or of parts of one film.
        sources: Their videos, in the same order; opened by the path each result names when left out.
        encoder: Embeds looks too; colours and outlines alone tell when left out.
        settings: See `LinkSettings`.

    Returns:
        The results with new ids from 1, which mean the same in all of them. Tracks of one result that are one
        object are one track. Two that were seen on the same frame of one result never are.

    Raises:
        InputError: There are not as many sources as results.
        VideoError: A video cannot be read.
    """
    settings = settings or LinkSettings()
    if sources is not None and len(sources) != len(results):
        raise InputError(f"{len(results)} results need as many videos, got {len(sources)}")
    galleries: dict[Place, Mapping[Cue, Appearance]] = {}
    for k, tracks in enumerate(results):
        if tracks.tracks:
            source = open_video(tracks.video.path) if sources is None else sources[k]
            galleries |= {(k, i): g for i, g in galleries_of(tracks, source, encoder, settings).items()}
    groups = _grouped(results, galleries, settings)
    return [_renamed(k, tracks, groups) for k, tracks in enumerate(results)]


def galleries_of(
    tracks: Tracks, source: VideoSource, encoder: Encoder | None, settings: LinkSettings
) -> dict[int, Mapping[Cue, Appearance]]:
    """What each track looks like, by id."""
    wanted: dict[int, list[tuple[int, Observation]]] = {}
    for track in tracks:
        for seen in _looks(track, settings.looks):
            wanted.setdefault(seen.frame_index, []).append((track.obj_id, seen))
    out: dict[int, dict[Cue, Appearance]] = {track.obj_id: {} for track in tracks}
    for frame_index in sorted(wanted):
        frame = source.frame_at(frame_index)
        for obj_id, seen in wanted[frame_index]:
            for cue, vector in _cues(frame, seen, encoder).items():
                out[obj_id].setdefault(cue, Appearance(settings.looks)).add(vector)
    return dict(out)


def _looks(track: Track, count: int) -> list[Observation]:
    """The largest sight in each of so many equal stretches of a track."""
    seen = [o for o in track.observations if o.visible]
    stretches = np.array_split(np.arange(len(seen)), min(count, len(seen))) if seen else []
    return [max((seen[i] for i in part), key=_size) for part in stretches]


def _size(seen: Observation) -> float:
    x0, y0, x1, y1 = seen.box
    return float(seen.mask.area) if seen.mask is not None else (x1 - x0) * (y1 - y0)


def _cues(frame: Frame, seen: Observation, encoder: Encoder | None) -> dict[Cue, np.ndarray]:
    mask = np.zeros(frame.hw, dtype=bool)
    if seen.mask is not None:
        mask = seen.mask.to_array()
    else:
        x0, y0, x1, y1 = (round(v) for v in seen.box)
        mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
    found: dict[Cue, np.ndarray] = dict(cues_of(frame.image, mask))
    if encoder is not None:
        found["clip"] = embed_objects(encoder, frame.image, [seen.box], [seen.mask])[0]
    return found


def _grouped(
    results: Sequence[Tracks], galleries: Mapping[Place, Mapping[Cue, Appearance]], settings: LinkSettings
) -> dict[Place, int]:
    """New id of every track: the most alike are joined first, and a group only with all of another."""
    tracks = {(k, t.obj_id): t for k, result in enumerate(results) for t in result}
    places = list(tracks)
    near = np.full((len(places), len(places)), -np.inf)
    for a, one in enumerate(places):
        for b in range(a):
            if _may_be_one(one, places[b], tracks, settings):
                near[a, b] = near[b, a] = alike(galleries[one], galleries[places[b]], settings)
    groups = {a: [a] for a in range(len(places))}
    while len(groups) > 1:
        keys = list(groups)
        pairs = [(x, y) for i, x in enumerate(keys) for y in keys[:i]]
        scores = [float(near[np.ix_(groups[x], groups[y])].mean()) for x, y in pairs]
        best = int(np.argmax(scores))
        if scores[best] < settings.least:
            break
        kept, gone = min(pairs[best]), max(pairs[best])
        groups[kept] = groups[kept] + groups.pop(gone)
    return {places[a]: n for n, key in enumerate(sorted(groups), start=1) for a in groups[key]}


def _may_be_one(one: Place, other: Place, tracks: Mapping[Place, Track], settings: LinkSettings) -> bool:
    a, b = tracks[one], tracks[other]
    if settings.same_label and a.label and b.label and a.label != b.label:
        return False
    if one[0] != other[0]:
        return True
    return not any(o.visible and (p := b.at(o.frame_index)) is not None and p.visible for o in a.observations)


def alike(a: Mapping[Cue, Appearance], b: Mapping[Cue, Appearance], settings: LinkSettings) -> float:
    """Mean over the looks of both of how like the other's gallery they are, in [0, 1]; 0 without any."""
    total = weight = 0.0
    for cue in CUES:
        how, first, second = settings.likeness.ranges.get(cue), a.get(cue), b.get(cue)
        if how is None or first is None or second is None:
            continue
        cosine = np.stack(first.exemplars) @ np.stack(second.exemplars).T
        near = float((cosine.max(axis=1).mean() + cosine.max(axis=0).mean()) / 2)
        total += how.weight * float(np.clip((near - how.low) / max(how.high - how.low, 1e-9), 0, 1))
        weight += how.weight
    return total / weight if weight else 0.0


def _renamed(k: int, tracks: Tracks, groups: Mapping[Place, int]) -> Tracks:
    joined: dict[int, Track] = {}
    for track in sorted(tracks, key=lambda t: -len(t.observations)):
        obj_id = groups[k, track.obj_id]
        known = joined.get(obj_id)
        joined[obj_id] = replace(track, obj_id=obj_id) if known is None else _together(known, track)
    return replace(tracks, tracks=tuple(joined[i] for i in sorted(joined)))


def _together(one: Track, other: Track) -> Track:
    """Both tracks' observations; on a frame of both the visible one stands."""
    frames = {o.frame_index: o for o in other.observations}
    frames |= {o.frame_index: o for o in one.observations if o.visible or o.frame_index not in frames}
    return replace(one, observations=tuple(frames[f] for f in sorted(frames)), absences=())
