"""The kind of search index, and filters, as a user chooses them while indexing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack import Library
from seektrack.cli import main
from seektrack.encoders import register_encoder, registry
from seektrack.errors import InputError, LibraryError
from seektrack.library import IndexSettings, LibraryStore
from seektrack.library.ann import recall_at
from seektrack.library.database import write_meta
from seektrack.video import VideoWriter
from seektrack.video.filters import denoise_gaussian

DIM = 48


class Thumbnail:
    """Mean colours of sixteen parts of a picture; keeps what it was shown."""

    name, dim, fingerprint, logit_scale, image_size = "thumbnail", DIM, "thumbnail-16", 100.0, 4
    shown: list[NDArray[np.uint8]]

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        self.shown = [*getattr(self, "shown", []), *images]
        small = np.stack([x.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)).ravel() + 1 for x in images])
        small = small - small.mean(axis=1, keepdims=True)
        return (small / np.linalg.norm(small, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        return np.full((len(texts), DIM), DIM**-0.5, np.float32)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Thumbnail:
    made = Thumbnail()
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("thumbnail")(lambda *, device, dtype: made)
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 100)
    return made


@pytest.fixture
def videos(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "b"):
        with VideoWriter(folder / f"{name}.mp4", width=32, height=32, fps=25) as writer:
            for _ in range(100):
                writer.write(np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8))
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    return int(ended.value.code or 0), capsys.readouterr().out


@pytest.mark.parametrize("kind", ["flat", "ivf-sq8", "ivf-pq", "hnsw"])
def test_the_kind_asked_for_is_built_kept_and_told_with_its_recall(
    kind: str,
    encoder: Thumbnail,
    videos: Path,
    tmp_path: Path,
    rng: np.random.Generator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = tmp_path / "lib"
    how = ("--library", library, "--model", "thumbnail", "--sampling", "every=1", "--regions", "none")
    status, out = run(capsys, "index", videos, *how, "--ann", kind)
    assert status == 0
    assert f"search index: {'exact,' if kind == 'flat' else kind} over 200 pictures" in out
    _, out = run(capsys, "videos", "--summary", "--json", "--library", library)
    told = json.loads(out)
    assert (told["chosen"]["kind"], told["index"]["kind"], told["index"]["vectors"]) == (kind, kind, 200)
    with LibraryStore.open(library) as store:
        asked = store.vectors()[0].astype(np.float32)[:50] + rng.normal(size=(50, DIM)) / 20
        asked = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
        found = np.stack([store.nearest(q, 10)[1] for q in asked])
        exact = np.stack([store.nearest(q, 10, exact=True)[1] for q in asked])
    assert recall_at(exact, found) > 0.95
    assert told["index"]["recall_at_10"] >= 0.99

    # Another run without the option keeps the kind, over what was added.
    with VideoWriter(videos / "c.mp4", width=32, height=32, fps=25) as writer:
        for i in range(10):
            writer.write(np.full((32, 32, 3), 20 * i, np.uint8) + np.arange(32, dtype=np.uint8)[:, None])
    assert run(capsys, "index", videos, *how)[0] == 0
    with LibraryStore.open(library) as store:
        store.nearest(asked[0], 10)
        assert (store.stats().index.kind, store.stats().index.vectors) == (kind, 210)


def test_a_small_library_says_from_when_on_its_index_counts(
    encoder: Thumbnail,
    videos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seektrack.library.reader.INDEXED_FROM", 1000)
    with Library(tmp_path / "lib", model="thumbnail") as library:
        report = library.index(videos, regions="none", ann=IndexSettings(kind="hnsw", target_recall=0.9))
        assert report.index is None
        assert library.stats().chosen == IndexSettings(kind="hnsw", target_recall=0.9)
    _, out = run(capsys, "videos", "--summary", "--library", tmp_path / "lib")
    assert out.splitlines()[1].endswith("every picture is compared; hnsw from 1000 pictures on")
    assert sorted(p.suffix for p in (tmp_path / "lib").iterdir()) == [".sqlite"]


def test_an_unknown_kind_or_filter_is_refused_before_anything_is_made(
    encoder: Thumbnail, videos: Path, tmp_path: Path
) -> None:
    with Library(tmp_path / "lib", model="thumbnail") as library:
        with pytest.raises(InputError, match="unknown index kind 'lsh'"):
            library.index(videos, ann="lsh")
        with pytest.raises(InputError, match="unknown filter 'sharpen'"):
            library.index(videos, filters="sharpen")
    assert not (tmp_path / "lib").exists()


def test_frames_are_filtered_before_they_are_looked_at(
    encoder: Thumbnail, videos: Path, tmp_path: Path
) -> None:
    how = {"sampling": "every=25", "regions": "none"}
    with Library(tmp_path / "lib", model="thumbnail") as library:
        library.index(videos / "a.mp4", **how)
        plain, encoder.shown = encoder.shown, []
        report = library.index(videos / "a.mp4", filters="gaussian = 3", **how)
        assert (report.indexed, report.frames) == (1, 4)
        for before, after in zip(plain, encoder.shown, strict=True):
            np.testing.assert_array_equal(after, denoise_gaussian(before, sigma=3.0))
        again = library.index(videos / "a.mp4", filters="gaussian=3.0", **how)
        assert (again.indexed, again.skipped) == (0, 1)
        assert library.videos()[0].settings == "every=25 regions=none filter=gaussian=3"


def _kept(library: Path, text: str) -> None:
    with LibraryStore.open(library) as store, store.writing() as connection:
        write_meta(connection, {"index": text})


def test_settings_of_another_release_are_read_as_far_as_they_are_known(
    encoder: Thumbnail, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = tmp_path / "lib"
    with Library(where, model="thumbnail") as library:
        library.index(videos / "a.mp4", regions="none", ann="hnsw")
    _kept(where, json.dumps({"kind": "hnsw", "rerank": 4, "shards": 7}))
    with Library(where) as library:
        assert library.stats().chosen == IndexSettings(kind="hnsw", rerank=4)
    for unknown in ('{"kind": "shards"}', '{"kind": ["hnsw"]}', '{"sample": "x"}', "[1]", "{", "7", '"hnsw"'):
        _kept(where, unknown)
        with pytest.raises(SystemExit) as ended:
            main(["videos", "--library", str(where)])
        printed = capsys.readouterr()
        assert ended.value.code == LibraryError.exit_code
        assert printed.err.startswith("error: the search index settings of"), printed.err
        assert "--ann auto" in printed.err
    with Library(where, model="thumbnail") as library:
        library.index(videos / "a.mp4", regions="none", ann="auto")
        assert library.stats().chosen == IndexSettings()
