"""What is asked of all videos at once is to the bit what is asked of one after another."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.retrieval.conftest import MakeLibrary, SumOfWords

from seektrack.library import KnownFrames, LibraryStore, Rows, Where
from seektrack.retrieval import MomentSettings, find_moments, lanes, moments_from_scores, scores
from seektrack.retrieval import shortlist as shortlists
from seektrack.retrieval.confidence import ConfidenceSettings, shift_rows, temporal_evidence
from seektrack.retrieval.exclusions import CERTAIN, NEAR_S, allowed_share
from seektrack.retrieval.query import TextQuery, prepare_query

QUESTIONS = ("a red car", "a car", "a red car and a blue dog", "a dog -car", "a bird -red")


def plainly(prior: float, ratio: np.ndarray, decay: np.ndarray, bounds: np.ndarray) -> list[float]:
    """The recursion, frame by frame, video by video."""
    out = []
    for first, last in pairwise(bounds):
        belief = prior
        for t in range(first, last):
            out.append(belief)
            present = belief * float(ratio[t])
            belief = prior + float(decay[t]) * (present / (present + 1 - belief) - prior)
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 70), min_size=1, max_size=30),
    st.sampled_from([0.05, 0.5, 0.72, 0.97, 1.0]),
    st.sampled_from([2.0, 12.0, 48.0]),
    st.integers(0, 2**16),
)
def test_lanes_give_what_frame_by_frame_gives(
    lengths: list[int], decay: float, forgotten: float, seed: int
) -> None:
    """Also where a lane begins too late to have forgotten its beginning, and has to be mended."""
    rng = np.random.default_rng(seed)
    bounds = np.append(0, np.cumsum(lengths))
    ratio = np.exp(rng.normal(0, 1.5, bounds[-1]))
    gaps = np.clip(decay * rng.uniform(0.98, 1.02, bounds[-1]), 0, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "LANE", 9)
        patch.setattr(lanes, "SIDE_BY_SIDE", 1)
        patch.setattr(lanes, "FORGOTTEN", forgotten)
        found = lanes.passed_on(0.2, ratio, gaps, bounds) if bounds[-1] else np.zeros(0)
    assert found.tolist() == plainly(0.2, ratio, gaps, bounds)


def test_evidence_over_time_of_many_videos_is_that_of_each(rng: np.random.Generator) -> None:
    lengths = [0, 1, 40, 3000, 0, 7, 200]
    bounds = np.append(0, np.cumsum(lengths))
    times = np.concatenate([np.sort(rng.uniform(0, n / 2, n)) for n in lengths])
    chance = rng.uniform(0, 1, bounds[-1])
    each = [temporal_evidence(chance[a:b], times[a:b]) for a, b in pairwise(bounds)]
    assert np.array_equal(temporal_evidence(chance, times, bounds=bounds), np.concatenate(each))


@pytest.fixture
def library(make_library: MakeLibrary) -> LibraryStore:
    return make_library(
        {
            "a.mp4": {"a red car": [(2, 9)], "a blue dog": [(5, 12)], "frame:a green bird": [(15, 20)]},
            "b.mp4": {"a blue car": [(0, 20)], "a red dog": [(3, 4)]},
            "c.mp4": {"a red bird": [(1, 3), (8, 8.5)], "a red car": [(7, 12)]},
        }
    )


def one_by_one(
    store: LibraryStore, query: TextQuery, where: Where, ids: np.ndarray
) -> list[tuple[np.ndarray, ...]]:
    """Each video of some rows by itself: frames, times, belief, best row, and the belief of each row."""
    s = ConfidenceSettings()
    vectors, rows = store.vectors_by_id(ids)
    free = np.concatenate([freed(query, vectors, rows, v, s) for v in np.unique(rows.video_ids)])
    chance = scores._shown(query, vectors, rows.frames, s) * free
    out = []
    for video in np.unique(rows.video_ids):
        members = np.flatnonzero(rows.video_ids == video)
        frames, times = store.timeline(rows.paths[int(video)])
        inside = (times >= (where.start_s or 0)) & (times < (where.end_s or np.inf))
        frames, times = frames[inside], times[inside]
        best = np.full(len(frames), -1)
        for row in members[np.argsort(-chance[members], kind="stable")]:
            at = int(np.searchsorted(frames, rows.frame_indices[row]))
            best[at] = row if best[at] < 0 else best[at]
        alone = np.where(best >= 0, chance[best], 0.0)
        belief = temporal_evidence(alone, times, s)
        at = np.searchsorted(frames, rows.frame_indices[members])
        out.append((frames, times, belief, best, shift_rows(chance[members], alone[at], belief[at])))
    return out


def freed(query: TextQuery, vectors: np.ndarray, rows: Rows, video: int, s: ConfidenceSettings) -> np.ndarray:
    """`allowed_share` of the rows of one video, every frame looked at beside every other."""
    of = rows.video_ids == video
    own, numbers = rows.take(of), rows.frame_indices[of]
    frames, first = np.unique(numbers, return_index=True)
    share = np.ones(of.sum())
    for exclusion in query.without:
        shows = exclusion.query.probability(vectors, s)[of]
        counted = shows if exclusion.is_thing else np.where(own.kinds == 0, shows, 0.0)
        most = np.array([counted[numbers == frame].max() for frame in frames])
        if exclusion.is_thing:
            times = own.times[first]
            near = np.abs(times[:, None] - times[None, most >= CERTAIN]) <= NEAR_S
            most = np.maximum(most, temporal_evidence(most, times, s))
            most = np.where(near.any(axis=1), np.maximum(most, CERTAIN), most)
        worst = np.maximum(shows, most[np.searchsorted(frames, numbers)])
        share *= 1 - np.where(worst >= CERTAIN, 1.0, worst)
    return np.clip(share, 0.0, 1.0)


@pytest.mark.parametrize("text", QUESTIONS)
@pytest.mark.parametrize("where", [Where(), Where(start_s=3, end_s=11)])
@pytest.mark.parametrize("shortlist", [50_000, 120])
def test_a_library_at_once_is_its_videos_one_by_one(
    library: LibraryStore,
    sums: SumOfWords,
    text: str,
    where: Where,
    shortlist: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shortlists, "SHORTLIST", shortlist)
    monkeypatch.setattr(shortlists, "FIRST", 60)
    monkeypatch.setattr(shortlists, "FEWEST", 12)
    query = prepare_query(sums, text)
    found = scores.score_library(library, query, where=where)
    if where == Where():
        assert (len(found.rows) < library.count()) == (shortlist < 200)
    expected = one_by_one(library, query, where, found.rows.ids)
    assert len(found.videos) == len(expected) == 3
    for one, (frames, times, belief, best, rows) in zip(found.videos, expected, strict=True):
        assert np.array_equal(one.frame_indices, frames)
        assert np.array_equal(one.times, times)
        assert np.array_equal(one.belief, belief)
        assert np.array_equal(one.best, best)
        assert np.array_equal(one.hits[1], rows)
        assert {found.rows.path(row) for row in one.hits[0]} == {one.path}
    assert np.array_equal(
        allowed_share(query.without, found.vectors, found.rows, ConfidenceSettings()),
        np.concatenate(
            [
                freed(query, found.vectors, found.rows, v, ConfidenceSettings())
                for v in np.unique(found.rows.video_ids)
            ]
        ),
    )


@pytest.mark.parametrize("text", [*QUESTIONS, "a dog", "a bird", "a green car", "a red car -> a bird"])
@pytest.mark.parametrize("first", [1, 24])
def test_what_is_near_enough_is_enough(
    library: LibraryStore, sums: SumOfWords, text: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first rows are too few, or what is asked for is known by the names of its kinds."""
    weighed = []

    def told() -> list[tuple[str, float, float, float]]:
        found = find_moments(library, sums, text, k=50)
        weighed.append(len(scores.score_library(library, prepare_query(sums, text.partition(" ->")[0])).rows))
        return [(m.video, m.start_s, m.end_s, round(m.confidence, 3)) for m in found]

    everything = told()
    assert bool(everything) == (text != "a green car")
    monkeypatch.setattr(shortlists, "SHORTLIST", 160)
    monkeypatch.setattr(shortlists, "FIRST", first)
    monkeypatch.setattr(shortlists, "FEWEST", first)
    assert told() == everything
    assert weighed[1] < weighed[0] == library.count()


@pytest.mark.parametrize("per_video", [None, 1])
def test_the_best_few_moments_are_the_first_of_all(
    library: LibraryStore, sums: SumOfWords, per_video: int | None
) -> None:
    found = scores.score_library(library, prepare_query(sums, "a red car"))
    settings = MomentSettings(min_confidence=0.0)
    every = moments_from_scores(found, settings=settings)
    assert len(every) >= 3
    assert len(moments_from_scores(found, settings=settings, most=1)) < len(every)
    for most in range(1, 4):
        few = moments_from_scores(found, settings=settings, most=most, per_video=per_video)
        wanted = [m for i, m in enumerate(every) if per_video is None or first_of(every, i)][:most]
        assert [m for i, m in enumerate(few) if per_video is None or first_of(few, i)][:most] == wanted


def first_of(moments: list, i: int) -> bool:
    return all(other.video != moments[i].video for other in moments[:i])


def test_turns_are_kept_until_the_library_changes(library: LibraryStore, tmp_path: Path) -> None:
    path = str(tmp_path / "a.mp4")
    assert library.turns_by_video([path, path]) == [library.turns(path)] * 2
    assert library.turns("nothing.mp4").begins == {}
    before = library.generation()
    library.remove(path)
    assert library.generation() != before
    assert library.turns(path).begins == {}
    assert path not in library.durations()


def test_frames_outside_the_domain_are_told_among_many(rng: np.random.Generator) -> None:
    frames = {
        f"{n}.mp4": {int(i): ("outside" if rng.random() < 0.3 else "inside") for i in range(0, 50, 5)}
        for n in range(4)
    }
    known = KnownFrames(frames, {path: 3 + n for n, path in enumerate(frames)})
    videos, numbers = rng.integers(3, 8, 300), rng.integers(0, 60, 300)
    paths = {3 + n: path for n, path in enumerate(frames)}
    expected = [
        frames.get(paths.get(int(v), ""), {}).get(int(i)) == "outside"
        for v, i in zip(videos, numbers, strict=True)
    ]
    assert any(expected)
    assert known.outside_among(videos, numbers).tolist() == expected
    assert not KnownFrames().outside_among(videos, numbers).any()
