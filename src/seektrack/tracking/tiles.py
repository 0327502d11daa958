"""One result from tiles of a large picture that were followed side by side, each overlapping its neighbours.

What two tiles saw of one object lies on each other where they overlap, so there their masks tell; an object
that goes from one tile into the next is in both of them for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.masks import Mask
from seektrack.types import Absence, Observation, Track, Tracks, VideoInfo

Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in whole pixels of the large picture."""
Place = tuple[int, int]
"""Which tile a track lies in, and its id there."""


@dataclass(frozen=True)
class TileSettings:
    """When tracks of two tiles are one object.

    Attributes:
        overlap: Least share that their masks have in common of what both cover where the tiles overlap, over
            all frames on which both are seen there.
        pixels: Least pixels of that, in all.
    """

    overlap: float = 0.5
    pixels: int = 32


def join_tiles(
    tiles: Sequence[Tracks],
    windows: Sequence[Window],
    *,
    video: VideoInfo,
    settings: TileSettings | None = None,
) -> Tracks:
    """Join results of overlapping tiles of one video into one, each object under one id in all of them.

    Args:
        tiles: Of each tile, in its own pixels.
        windows: Where each lies in the large picture.
        video: The large one.
        settings: See `TileSettings`.

    Returns:
        Ids from 1 in order of first sight, in pixels of the large picture. The mask of an object is what any
        tile saw of it. Scores are means over the frames seen; notices and damage are kept.

    Raises:
        InputError: There is no tile, or not one window for each.
    """
    if not tiles or len(tiles) != len(windows):
        raise InputError(f"each of {len(tiles)} tiles needs a window, got {len(windows)}")
    settings = settings or TileSettings()
    tracks = {(k, t.obj_id): t for k, tile in enumerate(tiles) for t in tile}
    pairs = [
        (_agreement(tracks[a], windows[a[0]], tracks[b], windows[b[0]], settings), a, b)
        for a, b in combinations(tracks, 2)
        if a[0] != b[0] and _called_alike(tracks[a], tracks[b])
    ]
    groups: dict[Place, list[Place]] = {place: [place] for place in tracks}
    for score, a, b in sorted(pairs, key=lambda row: (-row[0], row[1:])):
        if score < settings.overlap:
            break
        if groups[a] is not groups[b] and _may_be_one(groups[a], groups[b], tracks):
            joined = sorted(groups[a] + groups[b])
            for place in joined:
                groups[place] = joined
    objects = sorted(
        {id(g): g for g in groups.values()}.values(),
        key=lambda g: (min((o.frame_index for p in g for o in tracks[p].observations), default=0), g[0]),
    )
    times = {f: t for tile in tiles for f, t in tile.frame_times.items()}
    made = [_one(n, [(windows[k], tracks[k, i]) for k, i in g], video) for n, g in enumerate(objects, 1)]
    ids = {place: n for n, g in enumerate(objects, 1) for place in g}
    return replace(
        tiles[0],
        video=video,
        tracks=tuple(made),
        frame_times=dict(sorted(times.items())),
        notices=tuple(dict.fromkeys(n for tile in tiles for n in tile.notices)),
        missed=() if made else tuple(dict.fromkeys(m for tile in tiles for m in tile.missed)),
        damage=next((tile.damage for tile in tiles if tile.damage), ""),
        anomalies=tuple(
            replace(a, obj_id=ids[k, a.obj_id], other=None if a.other is None else ids.get((k, a.other)))
            for k, tile in enumerate(tiles)
            for a in tile.anomalies
            if (k, a.obj_id) in ids
        ),
    )


def _called_alike(a: Track, b: Track) -> bool:
    return not a.label or not b.label or a.label == b.label


def _seen(track: Track) -> dict[int, Observation]:
    return {o.frame_index: o for o in track.observations if o.visible}


def _agreement(a: Track, at: Window, b: Track, bt: Window, settings: TileSettings) -> float:
    """Share of pixels in common where two tiles overlap, over the frames on which both are seen."""
    x0, y0, x1, y1 = (max(at[0], bt[0]), max(at[1], bt[1]), min(at[2], bt[2]), min(at[3], bt[3]))
    if x0 >= x1 or y0 >= y1:
        return 0.0
    one, other = _seen(a), _seen(b)
    both = either = 0
    for frame in one.keys() & other.keys():
        p = _pixels(one[frame], at)[y0 - at[1] : y1 - at[1], x0 - at[0] : x1 - at[0]]
        q = _pixels(other[frame], bt)[y0 - bt[1] : y1 - bt[1], x0 - bt[0] : x1 - bt[0]]
        both += int((p & q).sum())
        either += int((p | q).sum())
    return both / either if either >= settings.pixels else 0.0


def _pixels(seen: Observation, window: Window) -> NDArray[np.bool_]:
    """Pixels of an object in its tile; those of its box where it has no mask."""
    if seen.mask is not None:
        return seen.mask.to_array()
    inside = np.zeros((window[3] - window[1], window[2] - window[0]), dtype=bool)
    x0, y0, x1, y1 = (max(round(v), 0) for v in seen.box)
    inside[y0:y1, x0:x1] = True
    return inside


def _may_be_one(one: Sequence[Place], other: Sequence[Place], tracks: Mapping[Place, Track]) -> bool:
    """Whether no tile sees both on one frame."""
    return not any(
        a[0] == b[0] and _seen(tracks[a]).keys() & _seen(tracks[b]).keys() for a in one for b in other
    )


def _one(obj_id: int, parts: Sequence[tuple[Window, Track]], video: VideoInfo) -> Track:
    """One track in pixels of the large picture."""
    sights: dict[int, list[tuple[Window, Observation]]] = {}
    for window, track in parts:
        for o in track.observations:
            sights.setdefault(o.frame_index, []).append((window, o))
    observations = tuple(_whole(sights[f], video) for f in sorted(sights))
    weights = [max(sum(o.visible for o in track.observations), 1) for _, track in parts]
    absences = [a for _, track in parts for a in track.absences if _nowhere(a, sights)]
    return replace(
        parts[int(np.argmax(weights))][1],
        obj_id=obj_id,
        score=float(np.average([track.score for _, track in parts], weights=weights)),
        observations=observations,
        absences=tuple(sorted(absences, key=lambda a: a.first_frame)) if len(parts) == 1 else (),
    )


def _nowhere(absence: Absence, sights: Mapping[int, object]) -> bool:
    return not any(absence.first_frame <= f <= absence.last_frame for f in sights)


def _whole(sights: Sequence[tuple[Window, Observation]], video: VideoInfo) -> Observation:
    """What the tiles saw of one object on one frame; what is only guessed where none saw it."""
    seen = [(w, o) for w, o in sights if o.visible] or sights[:1]
    boxes = np.array([np.add(o.box, (w[0], w[1], w[0], w[1])) for w, o in seen])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    mask = _lifted([(w, o.mask) for w, o in seen], video)
    return replace(
        max((o for _, o in seen), key=lambda o: o.score),
        box=(x0, y0, x1, y1) if mask is None or mask.box is None else mask.box,
        mask=mask,
        amodal=_lifted([(w, o.amodal) for w, o in seen], video),
    )


def _lifted(parts: Sequence[tuple[Window, Mask | None]], video: VideoInfo) -> Mask | None:
    """Masks of tiles as one of the large picture; None where there is none."""
    if all(mask is None for _, mask in parts):
        return None
    whole = np.zeros(video.hw, dtype=bool)
    for (x0, y0, x1, y1), mask in parts:
        if mask is not None:
            whole[y0:y1, x0:x1] |= mask.to_array()
    return Mask.from_array(whole)
