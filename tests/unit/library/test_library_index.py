"""The search index of a large library: equal to sorting every cosine, and rebuilt whenever it is not sure."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import faiss
import numpy as np
import pytest

from seektrack.errors import InputError, LibraryError, OutputError
from seektrack.library import INDEX_KINDS, FrameRow, IndexSettings, LibraryStore, Where
from seektrack.library.flat import flat_in_file, flat_in_memory
from seektrack.types import VideoInfo

DIM = 32


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def shots(rng: np.random.Generator, count: int, *, size: int = 20) -> np.ndarray:
    """Frames of shots: each shot has a direction, its frames lie around it."""
    centres = np.repeat(unit(rng.normal(size=(count // size + 1, DIM))), size, axis=0)[:count]
    return unit(centres + 0.4 * unit(rng.normal(size=(count, DIM))))


def add(store: LibraryStore, path: Path, vectors: np.ndarray) -> None:
    """One video at two frames a second; every third row is a region of its frame."""
    path.write_bytes(path.name.encode())
    info = VideoInfo(str(path), 320, 240, Fraction(30), len(vectors) / 2, 15 * len(vectors))
    with store.begin_video(path, info) as handle:
        rows = [
            FrameRow(15 * i, Fraction(i, 2), v, (1, 2, 30, 40), "object")
            if i % 3 == 2
            else FrameRow(15 * i, Fraction(i, 2), v)
            for i, v in enumerate(vectors)
        ]
        handle.append(rows)
        handle.finish()


@pytest.fixture
def large(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> LibraryStore:
    """Three videos, 1500 rows, taken for a large library."""
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 100)
    store = LibraryStore.create(tmp_path / "lib", model="m", fingerprint="f", dim=DIM)
    for i, count in enumerate((700, 300, 500)):
        add(store, tmp_path / f"{i}.mp4", shots(rng, count))
    return store


FILTERS = {
    "video": lambda p: Where(video=str(p / "1.mp4")),
    "unknown video": lambda p: Where(video=str(p / "9.mp4")),
    "window": lambda p: Where(start_s=3.0, end_s=9.5),
    "window of a video": lambda p: Where(video=str(p / "2.mp4"), start_s=100.0),
    "kind": lambda p: Where(kinds=("object",)),
    "all of them": lambda p: Where(video=str(p / "0.mp4"), start_s=1, end_s=80, kinds=("frame", "tile")),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("kind", ["flat", "ivf-sq8"])
def test_a_filter_leaves_the_same_rows_as_sql_and_the_answer_is_exact(
    name: str,
    kind: str,
    large: LibraryStore,
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
):
    where = FILTERS[name](tmp_path)
    large.build_index(IndexSettings(kind=kind))
    query = unit(rng.normal(size=DIM))
    vectors, rows = large.vectors(where=where)
    ids, scores = large.nearest(query, 15, where=where)
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 10**9)
    with LibraryStore.open(tmp_path / "lib") as small:  # goes through SQL
        expected_vectors, expected_rows = small.vectors(where=where)
        expected_ids, expected_scores = small.nearest(query, 15, where=where)
    np.testing.assert_array_equal(vectors, expected_vectors)
    np.testing.assert_array_equal(rows.ids, expected_rows.ids)
    np.testing.assert_array_equal(rows.boxes, expected_rows.boxes)
    assert [rows.path(i) for i in range(len(rows))] == [
        expected_rows.path(i) for i in range(len(expected_rows))
    ]
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-3)


@pytest.mark.parametrize("kind", INDEX_KINDS)
def test_every_kind_finds_the_nearest_and_says_how_surely(
    kind: str, large: LibraryStore, rng: np.random.Generator
):
    manifest = large.build_index(IndexSettings(kind=kind))
    assert (manifest.kind, manifest.vectors, manifest.dim) == (kind, 1500, DIM)
    assert manifest == large.index_manifest()
    vectors = large.vectors()[0].astype(np.float32)
    right = []
    for _ in range(30):
        query = unit(vectors[rng.integers(len(vectors))] + 0.5 * unit(rng.normal(size=DIM)))
        truth = np.sort(vectors @ query)[::-1][:10]
        ids, scores = large.nearest(query, 10)
        assert len(set(ids.tolist())) == 10
        np.testing.assert_allclose(scores, np.sort(scores)[::-1])
        right.append((scores >= truth[-1] - 1e-4).mean())
        found, rows = large.vectors_by_id(ids)
        at = {int(i): s for i, s in zip(ids, scores, strict=True)}
        cosines = [at[int(i)] for i in rows.ids]
        np.testing.assert_allclose(found.astype(np.float32) @ query, cosines, atol=1e-3)
        np.testing.assert_allclose(large.nearest(query, 10, exact=True)[1], truth, atol=1e-3)
    assert np.mean(right) >= 0.97
    assert manifest.recall_at_10 >= 0.97


def test_the_recall_in_the_manifest_is_that_of_the_effort_chosen(large: LibraryStore):
    low = large.build_index(IndexSettings(kind="ivf-sq8", target_recall=0.01, rerank=1))
    high = large.build_index(IndexSettings(kind="ivf-sq8", target_recall=1.0, rerank=1))
    assert low.effort < high.effort
    assert low.recall_at_10 < high.recall_at_10


def test_where_no_effort_reaches_the_recall_wanted_the_least_of_the_best_is_taken(large: LibraryStore):
    coarse = IndexSettings(kind="ivf-pq", target_recall=1.0, rerank=1)  # its codes alone cannot do it
    manifest = large.build_index(coarse)
    assert manifest.recall_at_10 < 1
    assert manifest.effort < manifest.lists, "all lists were searched for nothing"


def test_rows_find_their_list_through_a_graph_as_by_comparing_all(
    large: LibraryStore, monkeypatch: pytest.MonkeyPatch
):
    compared = large.build_index(IndexSettings(kind="ivf-sq8"))
    monkeypatch.setattr("seektrack.library.ann._GRAPH_FROM", 2)
    walked = large.build_index(IndexSettings(kind="ivf-sq8"))
    assert walked.recall_at_10 >= 0.97
    assert walked.effort <= 2 * compared.effort


def test_queries_of_the_sample_come_from_some_of_many_rows(
    large: LibraryStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seektrack.library.ann.SUBJECTS_AMONG", 300)
    monkeypatch.setattr("seektrack.library.ann._BLOCK", 64)
    assert large.build_index(IndexSettings(kind="ivf-pq")).recall_at_10 >= 0.97


def test_vectors_go_into_a_file_as_faiss_writes_it(tmp_path: Path, rng: np.random.Generator):
    vectors = rng.normal(size=(700, DIM)).astype(np.float16)
    mapped = flat_in_file([vectors[:300], vectors[300:]], 700, DIM, tmp_path / "ours")
    faiss.write_index(flat_in_memory([vectors], 700, DIM), str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert mapped.search(vectors[5:6].astype(np.float32), 1)[1] == [[5]]


def test_an_index_built_anew_leaves_the_file_of_vectors(large: LibraryStore, tmp_path: Path):
    large.build_index(IndexSettings(kind="flat"))
    before = [(one.name, one.stat().st_ino) for one in (tmp_path / "lib").glob("vectors-*")]
    large.build_index(IndexSettings(kind="ivf-sq8"))
    assert [(one.name, one.stat().st_ino) for one in (tmp_path / "lib").glob("vectors-*")] == before


def test_without_room_for_the_file_the_vectors_stay_in_memory(
    large: LibraryStore, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
):
    def full(*args: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr("seektrack.library.index.flat_in_file", full)
    assert len(large.nearest(unit(rng.normal(size=DIM)), 5)[0]) == 5


def test_a_graph_weighs_no_more_candidates_than_it_walks(large: LibraryStore):
    manifest = large.build_index(IndexSettings(kind="hnsw"))
    assert manifest.rerank == 1
    assert manifest.recall_at_10 >= 0.995


def test_a_chosen_kind_is_kept_when_the_library_changes(
    large: LibraryStore, tmp_path: Path, rng: np.random.Generator
):
    large.build_index(IndexSettings(kind="hnsw"))
    extra = shots(rng, 40)
    add(large, tmp_path / "more.mp4", extra)
    large.nearest(unit(extra[0]), 5)
    manifest = large.index_manifest()
    assert manifest is not None
    assert (manifest.kind, manifest.vectors) == ("hnsw", 1540)
    names = sorted(p.name.split("-")[0] for p in (tmp_path / "lib").glob("*-*") if "sqlite" not in p.name)
    assert names == ["approximate", "columns", "index", "vectors"], "those of the old state are gone"


@pytest.mark.parametrize("part", ["vectors", "columns", "approximate", "index"])
@pytest.mark.parametrize("damage", ["lost", "cut", "garbage"])
def test_a_damaged_file_is_noticed_and_all_is_built_again(
    part: str, damage: str, large: LibraryStore, tmp_path: Path, rng: np.random.Generator
):
    query = unit(rng.normal(size=DIM))
    large.build_index(IndexSettings(kind="ivf-pq"))
    expected = large.nearest(query, 8, exact=True)[0]
    large.close()
    (file,) = (tmp_path / "lib").glob(f"{part}-*")
    whole = file.read_bytes()
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"{" * (len(whole) + 1))
    with LibraryStore.open(tmp_path / "lib") as store:
        np.testing.assert_array_equal(store.nearest(query, 8, exact=True)[0], expected)
        manifest = store.index_manifest()
        assert manifest is not None
        assert manifest.kind == "ivf-pq"
    if part != "index":  # it tells how long building took
        assert file.stat().st_size == len(whole)


def test_arrays_live_on_when_the_index_they_came_from_is_replaced(
    large: LibraryStore, tmp_path: Path, rng: np.random.Generator
):
    vectors, rows = large.vectors()
    before, kept = vectors.copy(), rows.ids.copy()
    with pytest.raises(ValueError, match="read-only"):
        vectors[0] = 0
    large.remove(tmp_path / "0.mp4")
    assert len(large.vectors()[0]) == 800
    large.close()
    np.testing.assert_array_equal(vectors, before)
    np.testing.assert_array_equal(rows.ids, kept)


def test_rows_of_videos_indexed_side_by_side_are_found_by_id(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 10)
    store = LibraryStore.create(tmp_path / "lib", model="m", fingerprint="f", dim=DIM)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    info = VideoInfo("x", 64, 64, Fraction(30), 20.0, 600)
    with store.begin_video(tmp_path / "a.mp4", info) as a, store.begin_video(tmp_path / "b.mp4", info) as b:
        for i in range(40):  # their row ids alternate
            for handle in (a, b):
                handle.append([FrameRow(i, Fraction(i, 2), unit(rng.normal(size=DIM)))])
                handle.flush()
        a.finish()
        b.finish()
    vectors, rows = store.vectors()
    assert not (np.diff(rows.ids) > 0).all(), "the test needs ids out of order"
    wanted = rows.ids[[3, 70, 41]]
    found, metadata = store.vectors_by_id([*wanted.tolist(), 10**6])
    np.testing.assert_array_equal(np.sort(metadata.ids), np.sort(wanted))
    np.testing.assert_array_equal(found, vectors[np.sort([3, 70, 41])])
    frames, times = store.timeline(tmp_path / "b.mp4")
    np.testing.assert_array_equal(frames, np.arange(40))
    np.testing.assert_array_equal(times, np.arange(40) / 2)


def test_a_read_only_library_is_searched_without_leaving_files(
    large: LibraryStore, tmp_path: Path, rng: np.random.Generator
):
    large.close()
    with LibraryStore.open(tmp_path / "lib", readonly=True) as store:
        assert len(store.nearest(unit(rng.normal(size=DIM)), 5)[0]) == 5
        with pytest.raises(LibraryError, match="read-only"):
            store.build_index()
    assert list((tmp_path / "lib").glob("vectors-*")) == []


def test_what_is_too_small_or_not_known_to_be_large_is_scanned():
    assert IndexSettings().kind_for(1_000_000) == "flat"
    assert IndexSettings().kind_for(1_000_001) == "ivf-pq"
    assert IndexSettings(kind="hnsw").kind_for(20) == "flat"
    assert IndexSettings(kind="hnsw").kind_for(200) == "hnsw"


@pytest.mark.parametrize("wrong", [{"kind": "tree"}, {"target_recall": 0.0}, {"rerank": 0}, {"sample": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, object]):
    with pytest.raises(InputError, match=r"unknown index kind|unusable index settings"):
        IndexSettings(**wrong)
