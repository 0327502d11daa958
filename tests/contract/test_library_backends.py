"""What every back end of a library does alike: the embedded one, LanceDB in a folder, LanceDB on S3.

Long, as it is one contract: whoever adds a back end reads it from top to bottom.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError, LibraryError, LibraryMismatchError
from seektrack.library import (
    DistanceShelf,
    FrameRow,
    IndexSettings,
    LibraryStore,
    Maker,
    TurnTimes,
    Where,
)
from seektrack.library.clips import ClipModel, ClipShelf
from seektrack.library.copying import copy_library
from seektrack.types import VideoInfo

DIM = 16
BACKENDS = ("embedded", "lance", "s3")


class Place:
    """Where one library lies, and what keeps it."""

    def __init__(self, path: str | Path, backend: str | None) -> None:
        self.path, self.backend = path, backend

    def make(self, *, fingerprint: str = "f1", model: str = "tiny") -> LibraryStore:
        return LibraryStore.open_or_create(
            self.path, model=model, fingerprint=fingerprint, dim=DIM, backend=self.backend
        )

    def open(self, *, readonly: bool = False) -> LibraryStore:
        return LibraryStore.open(self.path, readonly=readonly)


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], Place]:
    def at(kind: str, name: str) -> Place:
        if kind == "s3":
            return Place(f"s3://{request.getfixturevalue('bucket')}/{name}", None)
        return Place(tmp_path / f"{name} {kind}", kind)

    return at


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest, places: Callable[[str, str], Place]) -> Place:
    return places(request.param, "lib")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries of any size are searched as large ones are."""
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 1)
    monkeypatch.setattr("seektrack.library.lance.reader.SCANNED_UP_TO", 0)


def film(folder: Path, name: str = "füße 'a'.mp4", content: bytes = b"x") -> Path:
    path = folder / name
    path.write_bytes(content * 5000)
    return path


def info(path: Path) -> VideoInfo:
    return VideoInfo(str(path), 64, 48, Fraction(30000, 1001), 4.0, 120)


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    x = rng.normal(size=(n, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def frames(vectors: np.ndarray, *, start: int = 0) -> list[FrameRow]:
    return [FrameRow(start + i, Fraction(start + i, 2), v) for i, v in enumerate(vectors)]


def index(store: LibraryStore, path: Path, vectors: np.ndarray, settings: str = "", **kwargs: bool) -> None:
    with store.begin_video(path, info(path), settings=settings, **kwargs) as handle:
        for row in frames(vectors):
            handle.append([row])
        handle.finish()


def test_what_goes_in_comes_out(place: Place, tmp_path: Path, rng: np.random.Generator) -> None:
    a, b, c = unit(rng, 3)
    video = film(tmp_path)
    with place.make() as store:
        assert store.status(video) == "new"
        with store.begin_video(video, info(video), settings="fps=2") as handle:
            handle.append(
                [FrameRow(0, Fraction(0), a), FrameRow(0, Fraction(0), b, (1.5, 2, 30, 40), "object")]
            )
            handle.append([FrameRow(7, Fraction(7, 30), c, (0, 0, 8, 8), "tile")])
            assert store.count() == 0
            handle.finish(damage="its end is missing", turns=TurnTimes({7: 0.2}, 0.5))
    with place.open() as store:
        vectors, rows = store.vectors()
        assert vectors.dtype == np.float16
        np.testing.assert_array_equal(vectors, np.stack([a, b, c]).astype(np.float16))
        assert [rows.path(i) for i in range(3)] == [str(video)] * 3
        assert rows.frame_indices.tolist() == [0, 0, 7]
        assert rows.box(0) is None and rows.box(1) == (1.5, 2, 30, 40)
        assert rows.kinds.tolist() == [0, 2, 1]
        assert rows.times[2] == pytest.approx(7 / 30, abs=1e-12)
        (record,) = store.videos()
        assert (record.frames, record.vectors, record.done) == (2, 3, True)
        assert (record.width, record.height, record.fps) == (64, 48, Fraction(30000, 1001))
        assert record.damage == "its end is missing" and record.settings == "fps=2"
        assert store.turns(str(video)) == TurnTimes({7: 0.2}, 0.5)
        assert store.status(video, settings="fps=2") == "done"
        assert store.status(video, settings="fps=3") == "changed"
        assert store.durations() == {str(video): 4.0}
        picked, some = store.vectors_by_id(rows.ids[[2, 0]])
        assert some.frame_indices.tolist() == [0, 7]
        np.testing.assert_array_equal(picked, vectors[[0, 2]])
        indices, times = store.timeline(video)
        assert indices.tolist() == [0, 7] and times[0] == 0
        stats = store.stats()
        assert (stats.videos, stats.vectors, stats.model, stats.dim) == (1, 3, "tiny", DIM)
        assert stats.bytes > 0
        store.verify()


def test_a_library_of_nothing_answers_with_nothing(place: Place) -> None:
    with place.make() as store:
        assert store.videos() == [] and store.count() == 0 and store.lacking() == []
        assert store.stats().videos == 0 and len(store.vectors()[1]) == len(store.frames()) == 0
        assert len(store.nearest(np.eye(DIM, dtype=np.float32)[0], 3)[0]) == 0
        assert store.prune() == []
        store.tidy()
        store.verify()


def test_an_unfinished_video_is_unseen_and_goes_on(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    vectors = unit(rng, 6)
    video = film(tmp_path)
    with place.make() as store:
        with store.begin_video(video, info(video)) as handle:
            for row in frames(vectors[:4]):
                handle.append([row])
        assert store.count() == 0 and store.status(video) == "partial"
    with place.open() as store:
        with store.begin_video(video, info(video)) as handle:
            assert handle.last_frame_index == 3
            for row in frames(vectors[4:], start=4):
                handle.append([row])
            handle.finish()
        np.testing.assert_array_equal(store.vectors()[0], vectors.astype(np.float16))
        assert store.vectors()[1].frame_indices.tolist() == list(range(6))
        store.verify()


def test_what_is_served_stays_until_its_successor_is_whole(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    old, new = unit(rng, 4), unit(rng, 5)
    video = film(tmp_path)
    with place.make() as store, place.open() as reader:
        index(store, video, old, "a")
        time.sleep(0.6)  # so long an address is taken to be what it was
        generation = reader.generation()
        handle = store.begin_video(video, info(video), settings="b")
        handle.append(frames(new[:2]))
        handle.flush()
        time.sleep(0.6)
        assert reader.generation() == generation
        np.testing.assert_array_equal(reader.vectors()[0], old.astype(np.float16))
        assert [(v.done, v.renewing) for v in reader.videos()] == [(True, True)]
        handle.append(frames(new[2:], start=2))
        handle.finish()
        time.sleep(0.6)
        assert reader.generation() != generation
        np.testing.assert_array_equal(reader.vectors()[0], new.astype(np.float16))
        assert [(v.done, v.renewing, v.vectors) for v in reader.videos()] == [(True, False, 5)]


def test_a_writer_that_lost_its_video_is_told_and_adds_nothing(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    vectors = unit(rng, 6)
    video = film(tmp_path)
    with place.make() as store, place.open() as other:
        lost = store.begin_video(video, info(video))
        lost.append(frames(vectors[:2]))
        lost.flush()
        taken = other.begin_video(video, info(video))  # the same process may, as the first cannot go on
        assert taken.last_frame_index == 1
        with pytest.raises(LibraryError, match="taken over"):
            lost.append(frames(vectors[2:4], start=2))
            lost.flush()
        with pytest.raises(LibraryError, match="taken over"):
            lost.finish()
        taken.append(frames(vectors[2:], start=2))
        taken.finish()
        np.testing.assert_array_equal(other.vectors()[0], vectors.astype(np.float16))


def _filled(place: Place, folder: Path, rng: np.random.Generator) -> tuple[LibraryStore, np.ndarray]:
    store = place.make()
    parts = []
    for n in range(3):
        vectors = unit(rng, 40)
        _film_of_both_kinds(store, film(folder, f"{n}.mp4", bytes([n])), vectors)
        parts.append(vectors)
    return store, np.concatenate(parts)


def _film_of_both_kinds(store: LibraryStore, video: Path, vectors: np.ndarray, settings: str = "") -> None:
    with store.begin_video(video, info(video), settings=settings) as handle:
        for i, vector in enumerate(vectors):
            kind = "frame" if i % 2 == 0 else "object"
            box = None if kind == "frame" else (0.0, 0.0, 9.0, 9.0)
            handle.append([FrameRow(i, Fraction(i, 2), vector, box, kind)])
        handle.finish()


FILTERS = (
    Where(),
    Where(kinds=("object",)),
    Where(start_s=3.0, end_s=11.5),
    Where(kinds=("frame",), end_s=4.0),
    Where(video="1.mp4"),
    Where(video="2.mp4", start_s=5.0, kinds=("object",)),
    Where(missing=True),
    Where(video="nowhere.mp4"),
)


@pytest.mark.parametrize("size", ["small", "large", "large and tidied"])
def test_filters_come_first_and_answers_are_exact(
    place: Place, tmp_path: Path, rng: np.random.Generator, size: str, request: pytest.FixtureRequest
) -> None:
    if size != "small":
        request.getfixturevalue("large")
    store, everything = _filled(place, tmp_path, rng)
    if size == "large and tidied":  # the columns of filters are indexed, before one video comes anew
        store.tidy()
        _film_of_both_kinds(store, tmp_path / "2.mp4", everything[80:], "other")
    os.remove(tmp_path / "0.mp4")  # its pictures are left out unless they are asked for
    lies = everything.astype(np.float16).astype(np.float32)
    film_of, frame = np.repeat([0, 1, 2], 40), np.tile(np.arange(40), 3)
    query = unit(rng, 1)[0]
    for where in FILTERS:
        named = where.video and str(tmp_path / where.video)
        asked = replace(where, video=named)
        keep = np.ones(120, dtype=bool) if where.missing else film_of != 0
        if where.video:
            keep &= np.array([f"{n}.mp4" == where.video for n in film_of])
        if where.kinds:
            keep &= (frame % 2 == 1) == ("object" in where.kinds)
        keep &= (frame / 2 >= (where.start_s or 0)) & (frame / 2 < (where.end_s or np.inf))
        at = np.flatnonzero(keep)
        vectors, rows = store.vectors(where=asked)
        told = sorted(
            zip((Path(rows.path(i)).name for i in range(len(rows))), rows.frame_indices.tolist(), strict=True)
        )
        assert told == [(f"{film_of[i]}.mp4", frame[i]) for i in at], where
        assert vectors.shape == (len(at), DIM)
        ids, scores = store.nearest(query, 7, where=asked)
        best = at[np.argsort(-(lies[at] @ query), kind="stable")[:7]]
        np.testing.assert_allclose(scores, lies[best] @ query, atol=1e-3)
        both = store.nearest_each(np.stack([query, -query]), [7, 3], where=asked)
        assert both[0].tolist() == ids.tolist()
        assert both[1].tolist() == store.nearest(-query, 3, where=asked, exact=True)[0].tolist()
        found, near = store.vectors_by_id(ids)
        expected = {(f"{film_of[i]}.mp4", int(frame[i])) for i in best}
        assert {(Path(near.path(i)).name, int(near.frame_indices[i])) for i in range(len(near))} == expected
        assert len(found) == len(best)
    with pytest.raises(InputError, match="has shape"):
        store.nearest(np.zeros(3, dtype=np.float32), 3)
    assert store.timeline(tmp_path / "1.mp4")[0].tolist() == list(range(40))
    store.close()


@pytest.mark.parametrize("kind", ["ivf-sq8", "ivf-pq", "hnsw", "flat"])
@pytest.mark.usefixtures("large")
def test_an_index_says_what_it_is_and_which_recall_it_reaches(
    place: Place, tmp_path: Path, rng: np.random.Generator, kind: str
) -> None:
    if kind != "ivf-sq8" and place.backend is None:
        pytest.skip("the folder shows it; building it on S3 is no other code")
    centres = unit(rng, 12)
    vectors = np.repeat(centres, 50, axis=0) + 0.25 * rng.normal(size=(600, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    video = film(tmp_path)
    with place.make() as store:
        with store.begin_video(video, info(video)) as handle:
            handle.append(frames(vectors))
            handle.finish()
        made = store.build_index(IndexSettings(kind=kind, sample=8))
        assert (made.kind, made.vectors, made.dim) == (kind, 600, DIM)
        assert made.recall_at_10 >= 0.97
    with place.open() as store:
        assert store.index_manifest() == made
        assert store.stats().chosen.kind == kind
        lies = vectors.astype(np.float16).astype(np.float32)
        found = []
        for query in centres:
            ids, scores = store.nearest(query, 10)
            assert len(set(ids.tolist())) == 10
            best = np.sort(lies @ query)[::-1][:10]
            found.append(np.mean(scores >= best[-1] - 1e-3))
            exact = store.nearest(query, 10, exact=True)[1]
            np.testing.assert_allclose(exact, best, atol=1e-3)
        assert np.mean(found) >= 0.9
        more = film(tmp_path, "more.mp4", b"y")
        index(store, more, centres[:1])  # what came after the index was built is found too
        ids, scores = store.nearest(centres[0], 1)
        assert scores[0] == pytest.approx(1, abs=1e-2)
        assert store.vectors_by_id(ids)[1].path(0) == str(more)


def test_videos_are_removed_pruned_and_known_again(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    one, two, three = (film(tmp_path, f"{n}.mp4", n.encode()) for n in "abc")
    with place.make() as store:
        for path in (one, two, three):
            index(store, path, unit(rng, 3))
        assert store.holds(str(two)) and store.remove(two) and not store.remove(two)
        assert not store.holds(str(two)) and store.count() == 6
        os.remove(three)
        assert store.prune() == [str(three)]
        moved = tmp_path / "moved.mp4"
        os.rename(one, moved)
        assert store.recognise(moved) == str(one)
        assert store.status(moved) == "done"
        assert [record.path for record in store.videos()] == [str(moved)]
        store.tidy()
        assert store.vectors()[1].path(0) == str(moved)
        store.verify()


def test_another_model_is_refused_until_it_has_made_all(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    one, two = film(tmp_path, "1.mp4", b"1"), film(tmp_path, "2.mp4", b"2")
    with place.make() as store:
        store.note_asked("tiny+sam2")
        index(store, one, unit(rng, 2))
        index(store, two, unit(rng, 2))
    with pytest.raises(LibraryMismatchError, match=r"was made by the model 'tiny' \(f1\), not by 'other'"):
        place.make(fingerprint="f2", model="other")
    with place.open() as store:
        assert store.asked == "tiny+sam2"
        store.make_with(Maker("other", "f2", 8))
        new = np.eye(8, dtype=np.float32)
        assert store.status(one) == "changed"
        index(store, one, new[:3])
        assert store.lacking() == [str(two)]
        with pytest.raises(LibraryError, match="not indexed with 'other' yet"):
            store.switch()
        assert store.vectors()[0].shape == (4, DIM)
        index(store, two, new[3:5])
        store.switch()
        assert store.vectors()[0].shape == (5, 8)
        assert (store.model, store.dim) == ("other", 8)
    with place.open() as store:
        assert store.vectors()[0].shape == (5, 8) and store.fingerprint == "f2"
        store.tidy()
        store.verify()


class Cut:
    def __init__(self, start_s: float, vector: np.ndarray) -> None:
        self.start_s, self.end_s, self.vector = start_s, start_s + 2, vector


def test_stretches_and_distances_lie_beside_a_video(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    video, other = film(tmp_path, "1.mp4", b"1"), film(tmp_path, "2.mp4", b"2")
    with place.make() as store:
        index(store, video, unit(rng, 3))
        index(store, other, unit(rng, 3))
        clips, distances = ClipShelf(store), DistanceShelf(store)
        with pytest.raises(InputError, match="keeps no stretches"):
            clips.put(video, [], "s")
        clips.use(ClipModel("motion", "m1", 4))
        vectors = np.eye(4, dtype=np.float32)
        clips.put(video, [Cut(float(i), v) for i, v in enumerate(vectors)], "window=2")
        with pytest.raises(InputError, match="has no video"):
            clips.put(tmp_path / "nowhere.mp4", [], "s")
        assert clips.settings_of(video) == "window=2" and clips.settings_of(other) is None
        distances.put(video, {0: 0.5, 1: 9.0, 2: 9.0}, "domain")
        assert distances.domain_of(video) == "domain" and distances.unmeasured("domain") == [str(other)]
        index(store, video, unit(rng, 4), "settings")  # of the same file: they stay
    with place.open() as store:
        clips = ClipShelf(store)
        assert clips.model() == ClipModel("motion", "m1", 4)
        rows = clips.rows()
        np.testing.assert_array_equal(rows.vectors, vectors)
        assert rows.starts.tolist() == [0, 1, 2, 3] and rows.paths[int(rows.video_ids[0])] == str(video)
        assert clips.rows(Where(start_s=3.5, end_s=4.5)).starts.tolist() == [2, 3]
        assert len(clips.rows(Where(video=str(other)))) == 0
        with pytest.raises(LibraryMismatchError, match="temporal encoder"):
            clips.require(name="x", fingerprint="m2")
        clips.use(ClipModel("motion", "m2", 4))
        assert len(clips.rows()) == 0
        clips.forget()
        assert clips.model() is None


def test_arrays_are_kept_and_a_library_open_to_read_writes_nothing(
    place: Place, tmp_path: Path, rng: np.random.Generator
) -> None:
    video = film(tmp_path)
    with place.make() as store:
        index(store, video, unit(rng, 2))
        store.keep_array("key", np.arange(4, dtype=np.float32))
    with place.open(readonly=True) as store:
        kept = store.cached_array("key")
        assert kept is not None and kept.tolist() == [0, 1, 2, 3]
        assert store.cached_array("other") is None
        store.keep_array("other", np.zeros(1, dtype=np.float32))
        assert store.cached_array("other") is None
        for attempt in (lambda: store.remove(video), lambda: store.begin_video(video, info(video))):
            with pytest.raises(LibraryError, match="read-only"):
                attempt()
        assert store.count() == 2


def test_many_write_and_read_at_once(place: Place, tmp_path: Path, rng: np.random.Generator) -> None:
    place.make().close()
    videos = [film(tmp_path, f"{n}.mp4", bytes([n])) for n in range(6)]
    vectors = [unit(rng, 5) for _ in videos]
    errors: list[BaseException] = []

    def write(which: slice) -> None:
        try:
            with place.make() as store:
                for video, some in zip(videos[which], vectors[which], strict=True):
                    index(store, video, some)
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(slice(n, None, 3),)) for n in range(3)]
    for one in writers:
        one.start()
    with place.open() as reader:
        while any(one.is_alive() for one in writers):
            _, rows = reader.vectors()
            assert all(n == 5 for n in np.unique(rows.video_ids, return_counts=True)[1])
            time.sleep(0.05)
    assert not errors
    with place.open() as store:
        assert store.count() == 30 and len(store.videos()) == 6
        store.verify()


WRITER = """
import sys
from fractions import Fraction
import numpy as np
from seektrack.library import FrameRow, LibraryStore
from seektrack.types import VideoInfo
place, backend, *videos = sys.argv[1:]
store = LibraryStore.open_or_create(place, model="tiny", fingerprint="f1", dim=16, backend=backend or None)
for n, video in enumerate(videos):
    if store.status(video) == "done":
        continue
    info = VideoInfo(video, 64, 48, Fraction(30), 4.0, 120)
    with store.begin_video(video, info) as handle:
        for i in range(handle.last_frame_index + 1, 40):
            handle.append([FrameRow(i, Fraction(i, 2), np.eye(16, dtype=np.float32)[(n + i) % 16])])
            if i % 4 == 3:
                handle.flush()
                print(n, i, flush=True)
        handle.finish()
print("all", flush=True)
"""


def test_a_writer_killed_at_any_moment_loses_nothing_and_doubles_nothing(
    place: Place, tmp_path: Path
) -> None:
    videos = [str(film(tmp_path, f"{n}.mp4", bytes([n]))) for n in range(3)]
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(place.path), place.backend or "", *videos]
    for lines in (3, 13):  # in the first video, and in the second
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with place.open() as store:
            store.verify()
            assert all(record.vectors == 40 for record in store.videos() if record.done)
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "all"
    with place.open() as store:
        store.verify()
        _, rows = store.vectors()
        for video in videos:
            here = rows.positions(Where(), store._ids_of(video, missing=True))
            assert rows.frame_indices[here].tolist() == list(range(40))


@pytest.mark.parametrize(
    ("source", "target"), [("embedded", "s3"), ("s3", "lance"), ("lance", "embedded"), ("lance", "s3")]
)
def test_a_copy_goes_between_back_ends_and_on_where_it_stopped(
    source: str, target: str, places: Callable[[str, str], Place], tmp_path: Path, rng: np.random.Generator
) -> None:
    old, new = places(source, "old"), places(target, "new")
    store, _ = _filled(old, tmp_path, rng)
    first = str(tmp_path / "0.mp4")
    ClipShelf(store).use(ClipModel("motion", "m1", 4))
    ClipShelf(store).put(first, [Cut(0.0, np.eye(4, dtype=np.float32)[0])], "window=2")
    DistanceShelf(store).put(first, {0: 0.25}, "domain")
    store.choose_index(IndexSettings(kind="ivf-sq8"))
    store.note_asked("tiny+x")

    def stop(done: int, total: int, stage: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_library(old.path, new.path, backend=new.backend, progress=stop)
    done = copy_library(old.path, new.path, backend=new.backend)
    assert (len(done.copied), len(done.unchanged), done.vectors) == (1, 2, 40)
    assert not copy_library(old.path, new.path).copied
    with new.open() as copied:
        copied.verify()
        by_name = [
            {
                (one.path(i), int(one.frame_indices[i]), one.box(i), float(one.times[i])): v[i].tobytes()
                for i in range(len(one))
            }
            for v, one in (store.vectors(), copied.vectors())
        ]
        assert by_name[0] == by_name[1] and len(by_name[0]) == 120
        assert [replace(v, fps=v.fps) for v in copied.videos()] == store.videos()
        assert ClipShelf(copied).rows().starts.tolist() == [0]
        assert DistanceShelf(copied).domain_of(first) == "domain"
        assert copied.stats().chosen.kind == "ivf-sq8" and copied.asked == "tiny+x"
        assert copied.status(first) == "done"
    store.close()
