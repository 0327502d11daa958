"""Pieces of a video joined: the ids of the uncut result, whatever was seen of the seam."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.masks import Mask
from seektrack.metrics import frame_matches, identity
from seektrack.pipeline.pieces import pieces_of
from seektrack.tracking.seams import SeamSettings, join_pieces
from seektrack.types import Absence, Anomaly, Observation, Track, Tracks, VideoInfo
from seektrack.video import open_video

FPS, H, W, N = 10, 64, 96, 60
COLOURS = {1: (220, 40, 30), 2: (30, 60, 220), 3: (40, 200, 60)}


def box(obj: int, t: int) -> tuple[float, float, float, float]:
    x, y = {1: (4 + 1.2 * t, 8), 2: (76 - 1.2 * t, 26), 3: (10 + t, 46)}[obj]
    return float(round(x)), float(y), float(round(x) + 14), float(y + 12)


def seen(obj: int, t: int, hidden: dict[int, range]) -> Observation:
    mask = np.zeros((H, W), bool)
    x0, y0, x1, y1 = (int(v) for v in box(obj, t))
    mask[y0:y1, x0:x1] = True
    there = t not in hidden.get(obj, ())
    return Observation(t, t / FPS, box(obj, t), Mask.from_array(mask) if there else None, 1.0, visible=there)


def whole(hidden: dict[int, range] | None = None, objects=(1, 2, 3)) -> Tracks:
    hidden = hidden or {}
    info = VideoInfo("array", W, H, Fraction(FPS), N / FPS, N)
    tracks = tuple(
        Track(i, "block", 0.9, tuple(seen(i, t, hidden) for t in range(N) if t not in hidden.get(-i, ())))
        for i in objects
    )
    return Tracks(info, "a block", tracks, {t: t / FPS for t in range(N)})


def source(tracks: Tracks, striped_from: int = N):
    """What the tracks show; from a frame on each object has yellow stripes."""
    frames = np.full((N, H, W, 3), 120, np.uint8)
    for track in tracks:
        for o in track.observations:
            if o.visible:
                frames[o.frame_index][o.mask.to_array()] = COLOURS[track.obj_id]
                if o.frame_index >= striped_from:
                    ys, xs = (at[::2] for at in np.nonzero(o.mask.to_array()))
                    frames[o.frame_index][ys, xs] = (240, 220, 40)
    return open_video(frames, fps=FPS)


def cut(tracks: Tracks, parts: list[range], shuffle: int = 0) -> list[Tracks]:
    """What followers of the parts would say: ids of their own, only what they see."""
    rng, out = np.random.default_rng(shuffle), []
    for part in parts:
        mine = [(t, tuple(o for o in t.observations if o.frame_index in part)) for t in tracks]
        mine = [(t, o) for t, o in mine if any(x.visible for x in o)]
        ids = rng.permutation(len(mine)) + 5
        some = [replace(t, obj_id=int(i), observations=o) for (t, o), i in zip(mine, ids, strict=True)]
        order = rng.permutation(len(some))
        times = {f: s for f, s in tracks.frame_times.items() if f in part}
        out.append(replace(tracks, tracks=tuple(some[i] for i in order), frame_times=times))
    return out


THREE = [range(0, 25), range(20, 45), range(40, 60)]


def test_what_shows_in_the_overlap_keeps_its_id_without_a_look() -> None:
    truth = whole()
    joined = join_pieces(cut(truth, THREE))
    assert [t.obj_id for t in joined] == [1, 2, 3]
    assert identity(frame_matches(truth, joined, by="mask")).idf1 == 1.0
    assert [len(t) for t in joined] == [N, N, N] and joined.frame_times == truth.frame_times


def test_each_piece_is_taken_up_to_the_middle_of_the_overlap() -> None:
    pieces = cut(whole(objects=(1,)), THREE[:2])
    pieces[1] = replace(
        pieces[1],
        tracks=tuple(
            replace(t, observations=tuple(replace(o, score=0.5) for o in t.observations)) for t in pieces[1]
        ),
    )
    (track,) = join_pieces(pieces)
    assert [track.at(t).score for t in (20, 21, 22, 24)] == [1.0, 1.0, 0.5, 0.5]


def test_two_that_pass_each_other_at_a_seam_are_not_mixed_up() -> None:
    truth = whole(objects=(1, 2))
    crossing = [range(0, 33), range(28, 60)]  # both are at about x = 40 from frame 28 to 33
    for shuffle in range(4):
        joined = join_pieces(cut(truth, crossing, shuffle))
        assert identity(frame_matches(truth, joined, by="mask")).idf1 == 1.0


def test_what_is_hidden_over_the_seam_is_known_by_motion_and_looks() -> None:
    hidden = {1: range(17, 28), 2: range(18, 27), -1: range(17, 28), -2: range(18, 27)}
    truth = whole(hidden)
    pieces = cut(truth, [range(0, 25), range(20, 60)])
    apart = join_pieces(pieces)
    assert len(apart) == 5, "nothing of the overlap shows them"
    joined = join_pieces(pieces, source=source(truth))
    assert len(joined) == 3
    assert identity(frame_matches(truth, joined, by="mask")).idf1 == 1.0


def test_what_looks_otherwise_is_another() -> None:
    truth = whole({1: range(15, 60), -1: range(15, 60), 2: range(0, 30), -2: range(0, 30)}, objects=(1, 2))
    joined = join_pieces(cut(truth, [range(0, 25), range(20, 60)]), source=source(truth))
    assert len(joined) == 2


def test_what_changed_is_known_where_nothing_else_could_be_it() -> None:
    parts = [range(0, 25), range(20, 60)]
    gone = whole({1: range(15, 30), -1: range(15, 30)}, objects=(1, 3))
    assert len(join_pieces(cut(gone, parts), source=source(gone, striped_from=30))) == 2
    both = {1: range(15, 30), -1: range(15, 30), 3: range(15, 30), -3: range(15, 30)}
    alike = dict(COLOURS)
    COLOURS[3] = COLOURS[1]
    try:
        rivals = whole(both, objects=(1, 3))
        shown, by_looks = source(rivals, striped_from=30), SeamSettings(motion=0.0)
        assert len(join_pieces(cut(rivals, parts), source=shown, settings=by_looks)) == 4
    finally:
        COLOURS.update(alike)


def test_an_object_that_leaves_and_returns_two_pieces_later_has_its_id() -> None:
    truth = whole({1: range(18, 47), -1: range(18, 47)}, objects=(1, 3))
    joined = join_pieces(cut(truth, THREE), source=source(truth))
    assert identity(frame_matches(truth, joined, by="mask")).idf1 == 1.0


def test_what_pieces_tell_of_themselves_is_kept_once() -> None:
    pieces = cut(whole(objects=(1,)), THREE[:2])
    a, b = pieces[0].tracks[0].obj_id, pieces[1].tracks[0].obj_id

    def odd(i: int, frame: int) -> Anomaly:
        return Anomaly("speed", i, frame, frame, frame / FPS, "low")

    pieces[0] = replace(pieces[0], anomalies=(odd(a, 10), odd(a, 23)), notices=("said",))
    pieces[1] = replace(pieces[1], anomalies=(odd(b, 23), odd(b, 30)), notices=("said",))
    gone = Absence(40, 44, "lost")
    pieces[1] = replace(
        pieces[1],
        tracks=tuple(
            replace(t, observations=t.observations[:10], absences=(Absence(30, 44, "lost"),))
            for t in pieces[1]
        ),
    )
    joined = join_pieces(pieces)
    assert [(x.obj_id, x.first_frame) for x in joined.anomalies] == [(1, 10), (1, 23), (1, 30)]
    assert joined.notices == ("said",)
    assert joined.tracks[0].state(40) == gone.state and joined.tracks[0].state(29) == "visible"


def test_pieces_out_of_order_and_none_are_refused() -> None:
    with pytest.raises(InputError, match="no pieces"):
        join_pieces([])
    with pytest.raises(InputError, match="order"):
        join_pieces(cut(whole(), THREE)[::-1])


def test_a_video_is_cut_so_that_every_frame_lies_in_a_piece() -> None:
    with open_video(np.zeros((95, 8, 8, 3), np.uint8), fps=10) as video:
        for piece_s, overlap_s, count in ((2.0, 0.5, 4), (9.0, 1.0, 1), (20.0, 1.0, 1), (3.2, 1.0, 2)):
            cuts = pieces_of(video, piece_s, overlap_s)
            assert len(cuts) == count
            assert cuts[0][0] == 0 and cuts[-1][1] > 9.4
            assert all(b > c for (_, b), (c, _) in pairwise(cuts))
    with open_video(np.zeros((95, 8, 8, 3), np.uint8), fps=10, start_s=2, end_s=8) as video:
        assert pieces_of(video, 2.0, 0.5) == [(2.0, 4.5), (4.0, 6.5), (6.0, 8.0)]
