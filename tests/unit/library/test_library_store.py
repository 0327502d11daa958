from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError, LibraryError, LibraryMismatchError, VideoError
from seektrack.library import FrameRow, LibraryStore, Where
from seektrack.types import VideoInfo

DIM = 16


def info(path: Path) -> VideoInfo:
    return VideoInfo(str(path), 64, 48, Fraction(30000, 1001), 4.0, 120)


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    x = rng.normal(size=(n, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def rows_of(vectors: np.ndarray, *, start: int = 0) -> list[FrameRow]:
    return [FrameRow(start + i, Fraction(1001 * (start + i), 30000), v) for i, v in enumerate(vectors)]


def create(folder: Path) -> LibraryStore:
    return LibraryStore.create(folder, model="tiny", fingerprint="f1", dim=DIM)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "füße 1.mp4"
    path.write_bytes(b"x" * 5000)
    return path


def index(store: LibraryStore, path: Path, vectors: np.ndarray, settings: str = "") -> None:
    with store.begin_video(path, info(path), settings=settings) as handle:
        for row in rows_of(vectors):
            handle.append([row])
        handle.finish()


def test_what_goes_in_comes_out(tmp_path: Path, video: Path, rng: np.random.Generator) -> None:
    a, b, c = unit(rng, 3)
    store = create(tmp_path / "lib")
    with store.begin_video(video, info(video)) as handle:
        handle.append([FrameRow(0, Fraction(0), a), FrameRow(0, Fraction(0), b, (1.5, 2, 30, 40), "object")])
        handle.append([FrameRow(7, Fraction(7, 30), c, (0, 0, 8, 8), "tile")])
        handle.finish()
    store.close()

    again = LibraryStore.open(tmp_path / "lib", readonly=True)
    vectors, rows = again.vectors()
    np.testing.assert_array_equal(vectors, np.stack([a, b, c]).astype(np.float16))
    assert rows.frame_indices.tolist() == [0, 0, 7]
    assert rows.times.tolist() == pytest.approx([0, 0, 7 / 30])
    assert [rows.box(i) for i in range(3)] == [None, (1.5, 2, 30, 40), (0, 0, 8, 8)]
    assert {rows.path(i) for i in range(3)} == {str(video)}
    record = again.videos()[0]
    assert (record.frames, record.vectors, record.done, record.fps) == (2, 3, True, Fraction(30000, 1001))
    assert again.stats().vectors == 3
    frames, times = again.timeline(video)
    assert frames.tolist() == [0, 7]
    assert times.tolist() == pytest.approx([0, 7 / 30])


def test_filters_agree_with_filtering_by_hand(tmp_path: Path, rng: np.random.Generator) -> None:
    store = create(tmp_path / "lib")
    paths = [tmp_path / f"{n}.mp4" for n in "abc"]
    for path in paths:
        path.write_bytes(os.urandom(100))
        index(store, path, unit(rng, 40))
    vectors, rows = store.vectors()
    where = Where(video=str(paths[1]), start_s=0.3, end_s=0.9)
    some, some_rows = store.vectors(where=where)
    keep = np.array([rows.path(i) == str(paths[1]) for i in range(len(rows))])
    keep &= (rows.times >= 0.3) & (rows.times < 0.9)
    assert 0 < keep.sum() < 40
    np.testing.assert_array_equal(some, vectors[keep])
    np.testing.assert_array_equal(some_rows.ids, rows.ids[keep])
    assert len(store.vectors(where=Where(kinds=("object",)))[1]) == 0
    picked, picked_rows = store.vectors_by_id(rows.ids[[70, 3, 50]])
    np.testing.assert_array_equal(picked, vectors[[3, 50, 70]])
    np.testing.assert_array_equal(picked_rows.ids, rows.ids[[3, 50, 70]])


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_nearest_equals_sorting_all_cosines(
    tmp_path: Path, video: Path, rng: np.random.Generator, threshold: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", threshold)
    store = create(tmp_path / "lib")
    index(store, video, unit(rng, 300))
    other = tmp_path / "other.mp4"
    other.write_bytes(b"y")
    for _ in range(2):
        vectors, rows = store.vectors()
        query = unit(rng, 1)[0]
        expected = vectors.astype(np.float32) @ query
        ids, scores = store.nearest(query, 20)
        np.testing.assert_allclose(scores, np.sort(expected)[::-1][:20], atol=1e-3)
        assert len(set(ids) & set(rows.ids[np.argsort(-expected)[:20]])) >= 19
        index(store, other, unit(rng, 50))  # the second round must see the new vectors
    assert len(list((tmp_path / "lib").glob("vectors-*.faiss"))) == (1 if threshold == 0 else 0)


def test_a_damaged_or_lost_index_is_rebuilt(
    tmp_path: Path, video: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 0)
    query = unit(rng, 1)[0]
    with create(tmp_path / "lib") as store:
        index(store, video, unit(rng, 30))
        expected = store.nearest(query, 5)[0]
    cache = next((tmp_path / "lib").glob("vectors-*.faiss"))
    cache.write_bytes(cache.read_bytes()[:50])
    with LibraryStore.open(tmp_path / "lib") as store:
        np.testing.assert_array_equal(store.nearest(query, 5)[0], expected)
    cache.unlink()
    with LibraryStore.open(tmp_path / "lib", readonly=True) as store:
        np.testing.assert_array_equal(store.nearest(query, 5)[0], expected)
        assert not cache.exists()


def test_an_unfinished_video_is_not_served_and_resumes(
    tmp_path: Path, video: Path, rng: np.random.Generator
) -> None:
    vectors = unit(rng, 20)
    store = create(tmp_path / "lib")
    with store.begin_video(video, info(video)) as handle:
        handle.append(rows_of(vectors[:8]))
    assert store.status(video) == "partial"
    assert len(store.vectors()[1]) == 0
    assert store.timeline(video)[0].size == 0
    with store.begin_video(video, info(video)) as handle:
        assert handle.last_frame_index == 7
        handle.append(rows_of(vectors[8:], start=8))
        handle.finish()
    np.testing.assert_array_equal(store.vectors()[0], vectors.astype(np.float16))
    assert store.status(video) == "done"


def test_changed_files_and_settings_start_anew(tmp_path: Path, video: Path, rng: np.random.Generator) -> None:
    store = create(tmp_path / "lib")
    assert store.status(video) == "new"
    index(store, video, unit(rng, 5), "fps=2")
    assert store.status(video, settings="fps=2") == "done"
    assert store.status(video, settings="fps=4") == "changed"
    os.utime(video, (1, 1))
    assert store.status(video, settings="fps=2") == "done", "only touched"
    video.write_bytes(b"z" * 5000)
    assert store.status(video, settings="fps=2") == "changed"
    new = unit(rng, 3)
    index(store, video, new, "fps=2")
    np.testing.assert_array_equal(store.vectors()[0], new.astype(np.float16))


def test_remove(tmp_path: Path, video: Path, rng: np.random.Generator) -> None:
    store = create(tmp_path / "lib")
    index(store, video, unit(rng, 5))
    assert len(store.vectors()[1]) == 5
    assert store.remove(video)
    assert not store.remove(video)
    assert len(store.vectors()[1]) == 0
    assert store.videos() == []


def test_another_model_is_refused_with_the_command(
    tmp_path: Path, video: Path, rng: np.random.Generator
) -> None:
    folder = tmp_path / "my lib"
    with create(folder) as store:
        index(store, video, unit(rng, 2))
    with pytest.raises(LibraryMismatchError) as caught:
        LibraryStore.open_or_create(folder, model="base", fingerprint="f2", dim=512)
    assert f"seektrack index '{video}' --library '{folder}' --model base --reindex" in caught.value.hint
    assert "--model tiny" in caught.value.hint
    with LibraryStore.open_or_create(folder, model="renamed", fingerprint="f1", dim=DIM) as store:
        assert len(store.videos()) == 1


def test_folders_that_are_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"does not exist.*seektrack index"):
        LibraryStore.open(tmp_path / "nothing")
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    (holiday / "beach.jpg").write_bytes(b"jpg")
    with pytest.raises(LibraryError, match="is not a library"):
        LibraryStore.open(holiday)
    with pytest.raises(LibraryError, match="holds other files"):
        create(holiday)
    assert [p.name for p in holiday.iterdir()] == ["beach.jpg"]
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "library.sqlite").write_text("not a database at all, only some text in a file" * 100)
    for readonly in (True, False):
        with pytest.raises(LibraryError, match="not a library"):
            LibraryStore.open(fake, readonly=readonly)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    sqlite3.connect(foreign / "library.sqlite").execute("CREATE TABLE t (x)")
    with pytest.raises(LibraryError, match="is not a library"):
        LibraryStore.open(foreign)
    create(tmp_path / "lib").close()
    with pytest.raises(LibraryError, match="already holds a library"):
        create(tmp_path / "lib")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(LibraryError):
        create(blocked)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "lib").close()
    connection = sqlite3.connect(tmp_path / "lib" / "library.sqlite")
    with connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    connection.close()
    with pytest.raises(LibraryError, match="later version"):
        LibraryStore.open(tmp_path / "lib")


def test_readonly_refuses_to_write(tmp_path: Path, video: Path) -> None:
    create(tmp_path / "lib").close()
    store = LibraryStore.open(tmp_path / "lib", readonly=True)
    with pytest.raises(LibraryError, match="read-only"):
        store.begin_video(video, info(video))
    with pytest.raises(LibraryError, match="read-only"):
        store.remove(video)


def test_bad_rows_are_refused(tmp_path: Path, video: Path, rng: np.random.Generator) -> None:
    store = create(tmp_path / "lib")
    handle = store.begin_video(video, info(video))
    good = unit(rng, 1)[0]
    with pytest.raises(InputError, match="16 finite numbers"):
        handle.append([FrameRow(0, Fraction(0), good[:5])])
    with pytest.raises(InputError, match="16 finite numbers"):
        handle.append([FrameRow(0, Fraction(0), good * np.nan)])
    with pytest.raises(InputError, match="unknown kind"):
        handle.append([FrameRow(0, Fraction(0), good, kind="scene")])  # type: ignore[arg-type]
    handle.append(rows_of(unit(rng, 3)))
    with pytest.raises(InputError, match="comes after frame 2"):
        handle.append([FrameRow(2, Fraction(0), good)])
    handle.finish()
    with pytest.raises(LibraryError, match="already finished"):
        handle.append([FrameRow(9, Fraction(9), good)])
    assert len(store.vectors()[1]) == 3
    with pytest.raises(VideoError, match="not valid Unicode"):
        store.status("/videos/\udcff.mp4")


def test_full_disk_is_one_clear_error_and_keeps_what_was_committed(
    tmp_path: Path, video: Path, rng: np.random.Generator
) -> None:
    store = create(tmp_path / "lib")
    handle = store.begin_video(video, info(video))
    handle.append(rows_of(unit(rng, 5)))
    handle.flush()
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LibraryError, match="free some disk space"):
        for start in range(5, 5000, 500):
            handle.append(rows_of(unit(rng, 500), start=start))
    store.close()
    with LibraryStore.open(tmp_path / "lib").begin_video(video, info(video)) as handle:
        assert handle.last_frame_index >= 4


def test_a_handle_that_was_taken_over_may_not_write(
    tmp_path: Path, video: Path, rng: np.random.Generator
) -> None:
    store = create(tmp_path / "lib")
    first = store.begin_video(video, info(video))
    second = store.begin_video(video, info(video))
    first.append(rows_of(unit(rng, 2)))
    with pytest.raises(LibraryError, match="taken over"):
        first.flush()
    second.append(rows_of(unit(rng, 3)))
    second.finish()
    assert len(store.vectors()[1]) == 3


def test_many_threads_search_while_one_writes(tmp_path: Path, rng: np.random.Generator) -> None:
    store = create(tmp_path / "lib")
    query, failures = unit(rng, 1)[0], list[BaseException]()

    def read() -> None:
        try:
            for _ in range(30):
                ids, scores = store.nearest(query, 3)
                assert len(ids) == len(scores)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(5):
        path = tmp_path / f"{i}.mp4"
        path.write_bytes(bytes([i]))
        index(store, path, unit(rng, 10))
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.vectors()[1]) == 50


WRITER = """
    import sys
    from fractions import Fraction
    import numpy as np
    from seektrack.library import FrameRow, LibraryStore
    from seektrack.types import VideoInfo

    folder, pause, *paths = sys.argv[1:]
    store = LibraryStore.open_or_create(folder, model="tiny", fingerprint="f1", dim=16)
    for path in paths:
        if store.status(path) == "done":
            continue
        handle = store.begin_video(path, VideoInfo(path, 64, 48, Fraction(30)))
        for i in range(handle.last_frame_index + 1, 400):
            vector = np.random.default_rng([len(path), i]).normal(size=16)
            handle.append([FrameRow(i, Fraction(i, 30), vector / np.linalg.norm(vector))])
            if i % 10 == 9:
                handle.flush()
                print(handle.last_frame_index, flush=True)
                if pause == "paced":
                    sys.stdin.readline()
        if pause == "pause":
            sys.stdin.read()
        handle.finish()
    print("finished", flush=True)
"""


def start_writer(folder: Path, pause: str, *paths: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), pause, *map(str, paths)]
    source = str(Path(__file__).parents[3] / "src")
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "lib"
    for wanted in (0, 7, 20):
        process = start_writer(folder, "paced", video)
        assert process.stdout is not None and process.stdin is not None
        acknowledged = -1
        for _ in range(wanted + 1):
            acknowledged = int(process.stdout.readline())
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        assert "finished" not in rest
        with LibraryStore.open(folder) as store:
            assert store.status(video) == "partial"
            assert len(store.vectors()[1]) == 0, "half a video must not be served"
            with store.begin_video(video, info(video)) as handle:
                assert handle.last_frame_index >= acknowledged
    process = start_writer(folder, "go", video)
    assert process.communicate()[0].endswith("finished\n")

    reference = tmp_path / "reference"
    assert start_writer(reference, "go", video).communicate()[0].endswith("finished\n")
    with LibraryStore.open(folder) as killed, LibraryStore.open(reference) as whole:
        np.testing.assert_array_equal(killed.vectors()[0], whole.vectors()[0])
        np.testing.assert_array_equal(killed.vectors()[1].frame_indices, whole.vectors()[1].frame_indices)


def test_two_processes_make_and_fill_one_library(tmp_path: Path) -> None:
    paths = [tmp_path / ("v" * (i + 1) + ".mp4") for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 10)
    processes = [start_writer(tmp_path / "lib", "go", *paths[i::2]) for i in range(2)]
    for process in processes:
        assert process.communicate()[0].endswith("finished\n")
    with LibraryStore.open(tmp_path / "lib", readonly=True) as store:
        assert [v.frames for v in store.videos()] == [400] * 4


def test_a_video_another_process_is_indexing_is_left_alone(tmp_path: Path, video: Path) -> None:
    process = start_writer(tmp_path / "lib", "pause", video)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 399:
        pass
    with LibraryStore.open(tmp_path / "lib") as store:
        with pytest.raises(LibraryError, match="indexed by another process"):
            store.begin_video(video, info(video))
        process.kill()
        process.wait()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                assert store.begin_video(video, info(video)).last_frame_index == 399
                break
            except LibraryError:
                time.sleep(0.05)
        else:
            pytest.fail("a dead process still holds the video")
    process.communicate()


def test_arrays_kept_beside_the_library(tmp_path: Path, rng: np.random.Generator) -> None:
    with create(tmp_path / "lib") as store:
        assert store.cached_array("k") is None
        kept = unit(rng, 4)
        store.keep_array("k", kept)
        np.testing.assert_array_equal(store.cached_array("k"), kept)
        assert store.cached_array("other") is None
        other = unit(rng, 4)
        store.keep_array("k", other)
        np.testing.assert_array_equal(store.cached_array("k"), other)
    path = next((tmp_path / "lib").glob("cache-*.bin"))
    path.write_bytes(path.read_bytes()[:20])
    with LibraryStore.open(tmp_path / "lib") as store:
        assert store.cached_array("k") is None
