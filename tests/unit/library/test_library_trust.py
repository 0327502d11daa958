"""What was served stays until something better is whole; a flipped bit never answers without a word."""

from __future__ import annotations

import os
import shutil
import sqlite3
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from seektrack.errors import LibraryError, SeekTrackError
from seektrack.library import (
    DistanceShelf,
    FrameRow,
    IndexSettings,
    LibraryStore,
    Maker,
    TurnTimes,
    Where,
    database,
)
from seektrack.library.clips import ClipModel, ClipShelf
from seektrack.library.salvage import repair
from seektrack.types import VideoInfo

DIM = 16
FLIPS = int(os.environ.get("FLIPS", "25"))
OTHER = Maker("base", "f2", 24)


def unit(rng, n, dim=DIM):
    x = rng.normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def create(folder):
    return LibraryStore.create(folder, model="tiny", fingerprint="f1", dim=DIM)


def begin(store, path, **options):
    return store.begin_video(path, VideoInfo(str(path), 64, 48, Fraction(30), 4.0, 120), **options)


def rows_of(vectors):
    return [
        FrameRow(
            i // 2,
            Fraction(i // 2, 30),
            v,
            None if i % 2 == 0 else (1, 2, 3, 4),
            "frame" if i % 2 == 0 else "tile",
        )
        for i, v in enumerate(vectors)
    ]


def index(store, path, vectors, **options):
    with begin(store, path, **options) as handle:
        handle.append(rows_of(vectors))
        handle.finish()


@pytest.fixture
def videos(tmp_path):
    paths = [tmp_path / f"{name}.mp4" for name in "abc"]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * (3 << 20))
    return paths


def test_what_is_served_stays_until_the_new_is_whole(tmp_path, videos, rng):
    store, old, new = create(tmp_path / "lib"), unit(rng, 6), unit(rng, 8)
    index(store, videos[0], old)
    with begin(store, videos[0], settings="other", restart=True) as handle:
        handle.append(rows_of(new))
        handle.flush()
        np.testing.assert_array_equal(store.vectors()[0], old.astype(np.float16))
        (record,) = store.videos()
        assert record.done and record.renewing and record.vectors == 6
        handle.finish()
    np.testing.assert_array_equal(store.vectors()[0], new.astype(np.float16))
    (record,) = store.videos()
    assert record.done and not record.renewing and record.settings == "other"


def test_a_library_is_made_anew_by_another_model_beside_what_it_serves(tmp_path, videos, rng):
    folder, old = tmp_path / "lib", [unit(rng, 4) for _ in videos[:2]]
    with create(folder) as store:
        for path, vectors in zip(videos, old, strict=False):
            index(store, path, vectors)
    new = [unit(rng, 4, OTHER.dim) for _ in videos[:2]]
    with LibraryStore.open(folder) as store:
        store.make_with(OTHER)
        assert store.status(videos[0]) == "changed"
        index(store, videos[0], new[0])
        assert store.status(videos[0]) == "done" and store.lacking() == [str(videos[1])]
        with pytest.raises(LibraryError, match="1 videos of the library are not indexed with 'base'"):
            store.switch()
        np.testing.assert_array_equal(store.vectors()[0], np.concatenate(old).astype(np.float16))
    with LibraryStore.open(folder) as store:  # as after a kill
        assert (store.model, store.dim) == ("tiny", DIM)
        store.make_with(OTHER)
        assert store.status(videos[0]) == "done", "what was ready is kept"
        index(store, videos[1], new[1])
        store.switch()
        np.testing.assert_array_equal(store.vectors()[0], np.concatenate(new).astype(np.float16))
    with LibraryStore.open(folder, readonly=True) as store:
        assert (store.model, store.fingerprint, store.dim) == ("base", "f2", OTHER.dim)
        assert [v.done for v in store.videos()] == [True, True]


def test_stretches_stay_when_the_frames_of_the_same_file_are_made_anew(tmp_path, videos, rng):
    store = create(tmp_path / "lib")
    index(store, videos[0], unit(rng, 4))
    shelf = ClipShelf(store)
    shelf.use(ClipModel("temporal", "t1", 8))

    class Stretch:
        start_s, end_s, vector = 0.0, 2.0, np.ones(8)

    shelf.put(videos[0], [Stretch()], "window")
    index(store, videos[0], unit(rng, 6), restart=True)
    assert shelf.settings_of(videos[0]) == "window" and len(shelf.rows()) == 1
    videos[0].write_bytes(b"another film")
    index(store, videos[0], unit(rng, 6))
    assert shelf.settings_of(videos[0]) is None and len(shelf.rows()) == 0


def test_half_a_download_is_looked_at_again_and_a_touched_file_is_not(tmp_path, videos, rng, monkeypatch):
    whole = rng.bytes(4 << 20)
    half = bytearray(whole)
    half[2 << 20 : 3 << 20] = bytes(1 << 20)
    videos[0].write_bytes(half)
    store = create(tmp_path / "lib")
    index(store, videos[0], unit(rng, 4))
    os.utime(videos[0], (1, 1))
    assert store.status(videos[0]) == "done", "only touched"
    monkeypatch.setattr("hashlib.file_digest", None)
    assert store.status(videos[0]) == "done", "the new time is remembered, nothing is read"
    monkeypatch.undo()
    videos[0].write_bytes(whole)
    assert store.status(videos[0]) == "changed"


def test_a_file_that_changes_while_it_is_indexed_is_looked_at_again(tmp_path, videos, rng):
    store = create(tmp_path / "lib")
    with begin(store, videos[0]) as handle:
        handle.append(rows_of(unit(rng, 4)))
        videos[0].write_bytes(bytes([9]) * (3 << 20))
        handle.finish()
    assert store.status(videos[0]) == "changed"


def test_a_moved_video_is_known_again(tmp_path, videos, rng):
    store, vectors = create(tmp_path / "lib"), unit(rng, 4)
    index(store, videos[0], vectors)
    index(store, videos[1], unit(rng, 4))
    moved = tmp_path / "elsewhere" / "renamed.mp4"
    moved.parent.mkdir()
    shutil.copy(videos[0], moved)
    assert store.recognise(moved) is None, "the first is still there: this is a copy"
    videos[0].unlink()
    assert store.recognise(moved) == str(videos[0])
    assert store.status(moved) == "done" and store.status(videos[0]) == "new"
    some, rows = store.vectors(where=Where(video=str(moved)))
    np.testing.assert_array_equal(some, vectors.astype(np.float16))
    assert {rows.path(i) for i in range(len(rows))} == {str(moved)}
    other = tmp_path / "other.mp4"
    other.write_bytes(b"\7" + bytes([1]) * ((3 << 20) - 1))
    videos[1].unlink()
    assert store.recognise(other) is None, "another file"


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_gone_videos_are_left_out_marked_and_pruned(tmp_path, videos, rng, threshold, monkeypatch):
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", threshold)
    store, kept = create(tmp_path / "lib"), [unit(rng, 4) for _ in videos]
    for path, vectors in zip(videos, kept, strict=True):
        index(store, path, vectors)
    query = kept[1][0]
    everywhere = store.nearest(query, 1)[0]
    videos[1].unlink()
    left, rows = store.vectors()
    assert len(left) == 8 and {rows.path(i) for i in range(8)} == {str(videos[0]), str(videos[2])}
    assert (
        store.nearest(query, 12)[0].tolist() != everywhere.tolist() and len(store.nearest(query, 12)[0]) == 8
    )
    assert len(store.vectors(where=Where(missing=True))[0]) == 12
    assert store.nearest(query, 1, where=Where(missing=True))[0].tolist() == everywhere.tolist()
    assert [v.available for v in store.videos()] == [True, False, True]
    assert store.prune() == [str(videos[1])]
    assert len(store.vectors(where=Where(missing=True))[0]) == 8


def _add_stretches(store, paths, rng):
    shelf = ClipShelf(store)
    shelf.use(ClipModel("temporal", "t1", 8))
    for path in paths:
        held = [SimpleNamespace(start_s=s, end_s=s + 2.0, vector=unit(rng, 1, 8)[0]) for s in (0.0, 1.0)]
        shelf.put(path, held, "window")


def answers(folder, queries):
    """What a library says, or that it is damaged."""
    try:
        with LibraryStore.open(folder) as store:
            found = [store.nearest(q, 5) for q in queries]
            found += [store.nearest(queries[0], 3, where=Where(start_s=0.02, kinds=("tile",)))]
            shown = [(i.tolist(), s.tolist()) for i, s in found]
            kept = store.cached_array("texts")
            records = [(v.path, v.done, v.frames, v.vectors, v.fps) for v in store.videos()]
            names = [store.vectors()[1].path(i) for i in range(store.count())]
            beside = DistanceShelf(store).known(), [store.turns(path) for path in sorted(set(names))]
            clips = ClipShelf(store).rows()
            stretches = clips.starts.tolist(), clips.ends.tolist(), clips.vectors.tolist()
            return shown, records, names, beside, stretches, None if kept is None else kept.tolist()
    except SeekTrackError as error:
        assert error.hint
        return None


@pytest.mark.parametrize("threshold, kind", [(0, "flat"), (0, "ivf-sq8"), (10**9, "auto")])
def test_a_flipped_bit_is_told_or_changes_nothing(tmp_path, videos, rng, threshold, kind, monkeypatch):
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", threshold)
    folder, queries = tmp_path / "lib", unit(rng, 3)
    with create(folder) as store:
        for n, path in enumerate(videos):
            with begin(store, path) as handle:
                handle.append(rows_of(unit(rng, 30)))
                handle.finish(turns=TurnTimes({4: 0.1 + n, 9: 0.3}, 0.5))
            DistanceShelf(store).put(path, dict.fromkeys(range(15), 0.4 + 0.4 * n), "domain")
        _add_stretches(store, videos, rng)
        store.keep_array("texts", queries)
        store.choose_index(IndexSettings(kind=kind))
        store.nearest(queries[0], 5)
    right = answers(folder, queries)
    assert right is not None
    told = 0
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for _ in range(FLIPS):
            raw, at = bytearray(whole), int(rng.integers(len(whole)))
            raw[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(raw)
            said = answers(folder, queries)
            told += said is None
            if said is not None:
                assert said[:-1] == right[:-1], f"byte {at} of {path.name}"
                assert said[-1] in (None, right[-1])
            path.write_bytes(whole)
    assert told > 0
    print(
        f"{FLIPS} flips in each of {len(list(folder.iterdir()))} files: {told} told, none answered otherwise"
    )


@pytest.mark.parametrize("kind", ["flat", "ivf-sq8", "hnsw"])
@pytest.mark.parametrize("readonly", [False, True])
def test_a_row_is_compared_with_its_checksum_before_it_first_answers(
    tmp_path, videos, rng, kind, readonly, monkeypatch
):
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 0)
    folder, kept = tmp_path / "lib", [unit(rng, 40) for _ in videos]
    with create(folder) as store:
        for path, vectors in zip(videos, kept, strict=True):
            index(store, path, vectors)
        store.choose_index(IndexSettings(kind=kind))
        right = store.nearest(kept[1][7], 3)
    (file,) = folder.glob("vectors-*.faiss")
    raw, row = bytearray(file.read_bytes()), kept[1][7].astype("<f2").tobytes()
    raw[raw.index(row) + 3] ^= 0x40
    os.utime(folder), file.write_bytes(raw)
    manifest = next(folder.glob("index-*.json")).read_bytes()
    with LibraryStore.open(folder, readonly=readonly) as store:
        store.vectors(where=Where(video=videos[0]))
        assert next(folder.glob("index-*.json")).read_bytes() == manifest, (
            "rows nobody asked for are not read"
        )
        found = store.nearest(kept[1][7], 3)
        assert [one.tolist() for one in found] == [one.tolist() for one in right]
        np.testing.assert_array_equal(
            store.vectors(where=Where(video=videos[1]))[0], kept[1].astype(np.float16)
        )
    assert (row in file.read_bytes()) is not readonly, "what can be written is mended"


def test_what_is_whole_of_a_damaged_library_is_saved(tmp_path, videos, rng):
    folder, kept = tmp_path / "lib", [unit(rng, 10) for _ in videos]
    with create(folder) as store:
        for path, vectors in zip(videos, kept, strict=True):
            index(store, path, vectors)
    assert repair(folder) is None
    raw = (folder / "library.sqlite").read_bytes()
    at = raw.index(kept[1][4].astype("<f2").tobytes())
    (folder / "library.sqlite").write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
    with (
        LibraryStore.open(folder) as store,
        pytest.raises(LibraryError, match="is not what was stored") as told,
    ):
        store.vectors()
    assert "seektrack videos --repair" in told.value.hint
    report = repair(folder)
    assert report is not None and report.backup.is_file()
    assert (report.saved, report.lost) == ((str(videos[0]), str(videos[2])), (str(videos[1]),))
    with LibraryStore.open(folder) as store:
        np.testing.assert_array_equal(
            store.vectors()[0], np.concatenate([kept[0], kept[2]]).astype(np.float16)
        )
        assert store.status(videos[0]) == "done" and store.status(videos[1]) == "new"


def test_a_page_of_noise_loses_only_its_videos(tmp_path, videos, rng):
    folder, kept = tmp_path / "lib", [unit(rng, 400) for _ in videos]
    with create(folder) as store:
        for path, vectors in zip(videos, kept, strict=True):
            index(store, path, vectors)
    raw = bytearray((folder / "library.sqlite").read_bytes())
    at = raw.index(kept[1][200].astype("<f2").tobytes()) // 4096 * 4096
    raw[at : at + 4096] = rng.bytes(4096)
    (folder / "library.sqlite").write_bytes(raw)
    report = repair(folder)
    assert report is not None and str(videos[1]) in report.lost
    assert set(report.saved) == {str(videos[0]), str(videos[2])}


VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE videos (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, fps TEXT NOT NULL,
    duration_s REAL, n_frames INTEGER, settings TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('indexing', 'done')), owner TEXT NOT NULL, beat_s REAL NOT NULL
);
CREATE TABLE frames (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    video_id INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    frame_index INTEGER NOT NULL, pts TEXT NOT NULL, time_s REAL NOT NULL, kind INTEGER NOT NULL,
    x0 REAL, y0 REAL, x1 REAL, y1 REAL, vector BLOB NOT NULL
);
CREATE INDEX frames_of_video ON frames (video_id, frame_index, time_s);
CREATE TABLE clip_videos (
    video_id INTEGER PRIMARY KEY REFERENCES videos(id) ON DELETE CASCADE, settings TEXT NOT NULL
);
CREATE TABLE clips (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    video_id INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    start_s REAL NOT NULL, end_s REAL NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX clips_of_video ON clips (video_id, start_s);
"""


def test_a_library_of_the_first_version_is_brought_up_to_date(tmp_path, videos, rng):
    folder, vectors = tmp_path / "lib", unit(rng, 5)
    folder.mkdir()
    old = sqlite3.connect(folder / "library.sqlite")
    old.executescript(VERSION_1)
    old.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
    meta = {"schema": "1", "generation": "g", "model": "tiny", "fingerprint": "f1", "dim": str(DIM)}
    meta |= {"clip_model": "temporal", "clip_fingerprint": "t1", "clip_dim": "8"}
    old.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    stat = videos[0].stat()
    old.execute(
        "INSERT INTO videos VALUES (7, ?, ?, ?, 'd', 64, 48, '30', 4.0, 120, 's', 'done', '', 0)",
        (str(videos[0]), stat.st_size, stat.st_mtime_ns),
    )
    for i, v in enumerate(vectors):
        box = (None,) * 4 if i % 2 else (1.0, 2.0, 3.0, 4.0)
        old.execute(
            "INSERT INTO frames VALUES (?, 7, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
            (i + 1, i, f"{i}/30", i / 30, *box, v.astype("<f2").tobytes()),
        )
    old.execute("INSERT INTO clip_videos VALUES (7, 'window')")
    old.execute("INSERT INTO clips VALUES (1, 7, 0.0, 2.0, ?)", (np.ones(8, "<f2").tobytes(),))
    old.commit()
    old.close()
    with pytest.raises(LibraryError, match="earlier version"):
        LibraryStore.open(folder, readonly=True)
    with LibraryStore.open(folder) as store:
        np.testing.assert_array_equal(store.vectors()[0], vectors.astype(np.float16))
        assert store.status(videos[0], settings="s") == "done"
        assert ClipShelf(store).settings_of(videos[0]) == "window" and len(ClipShelf(store).rows()) == 1
        store.verify()
        assert store.remove(videos[0])
        assert store._connection.execute("SELECT count(*) FROM frames").fetchone()[0] == 0
        assert store._connection.execute("SELECT count(*) FROM clips").fetchone()[0] == 0
    LibraryStore.open(folder, readonly=True).close()
