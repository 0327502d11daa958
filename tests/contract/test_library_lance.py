"""What can go wrong with a library in LanceDB or on object storage: one line each, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.contract.conftest import free_port, start_s3
from tests.contract.test_library_backends import DIM, film, frames, index, info, unit

from seektrack import Library
from seektrack.cli import main
from seektrack.errors import InputError, LibraryError
from seektrack.library import LibraryStore
from seektrack.library.address import backend_of, place_of
from seektrack.library.lance import catalogue
from seektrack.library.made_with import made_with


def make(path: Path | str) -> LibraryStore:
    return LibraryStore.open_or_create(path, model="tiny", fingerprint="f1", dim=DIM, backend="lance")


def test_an_address_keeps_its_slashes_however_it_comes() -> None:
    assert place_of("s3://bucket/a/b/") == "s3://bucket/a/b"
    assert place_of(Path("s3://bucket/a")) == "s3://bucket/a"
    assert place_of("folder") == Path("folder")
    assert backend_of("gs://bucket/a") == backend_of("az://box/a") == "lance"
    for address in ("ftp://host/lib", "https://host/lib", "s3://"):
        with pytest.raises(LibraryError, match="no library can lie at"):
            place_of(address)


def test_a_back_end_that_does_not_fit_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown back end 'milvus'.*embedded or lance"):
        Library(tmp_path / "lib", backend="milvus")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the embedded back end keeps folders"):
        Library("s3://bucket/lib", backend="embedded")
    make(tmp_path / "lib").close()
    with pytest.raises(LibraryError, match="kept by the back end 'lance', not 'embedded'"):
        Library(tmp_path / "lib", backend="embedded")
    assert Library(tmp_path / "lib").backend == "lance"  # what is there says so itself
    assert made_with(tmp_path / "lib") == "tiny"


def test_without_the_extra_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "lib").close()
    monkeypatch.setitem(__import__("sys").modules, "lancedb", None)
    for place in ("s3://bucket/lib", tmp_path / "lib"):
        with pytest.raises(LibraryError, match=r"needs LanceDB.*pip install 'seektrack\[lance\]'"):
            LibraryStore.open(place)


def test_a_bucket_that_is_missing_and_a_library_that_is_not_there(bucket: str) -> None:
    with pytest.raises(LibraryError, match=r"the bucket 'no-such-bucket' does not exist"):
        make("s3://no-such-bucket/lib")
    with pytest.raises(LibraryError, match=f"there is no library at 's3://{bucket}/lib'"):
        LibraryStore.open(f"s3://{bucket}/lib")
    assert not LibraryStore.is_library(f"s3://{bucket}/lib")


def test_a_wrong_key_and_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    server = start_s3(port, INITIAL_NO_AUTH_ACTION_COUNT="0")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    try:
        with pytest.raises(LibraryError, match="access to the bucket 'bucket' is refused"):
            LibraryStore.open("s3://bucket/lib")
    finally:
        server.kill()
        server.wait()
    began = time.monotonic()
    with pytest.raises(LibraryError, match="the bucket 'bucket' cannot be reached"):
        LibraryStore.open("s3://bucket/lib")
    assert time.monotonic() - began < 60
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(LibraryError, match="in which region the bucket 'bucket' lies"):
        LibraryStore.open("s3://bucket/lib")


def test_a_google_key_and_an_azure_account_that_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "away.json"))
    with pytest.raises(LibraryError, match="the key for the bucket 'bucket' cannot be read") as caught:
        LibraryStore.open("gs://bucket/lib")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(caught.value.hint)
    (tmp_path / "key.json").write_text('{"a": 1}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(LibraryError, match="the key for the bucket 'bucket' cannot be read"):
        LibraryStore.open("gs://bucket/lib")
    with pytest.raises(LibraryError, match="in which account the container 'box' lies") as caught:
        LibraryStore.open("az://box/lib")
    assert "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value.hint)


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(LibraryError, match="holds other files and no library"):
        make(tmp_path)
    with pytest.raises(LibraryError, match="is not a library"):
        LibraryStore.open(tmp_path)


def test_a_table_that_was_half_written_is_told_and_made(tmp_path: Path, rng: np.random.Generator) -> None:
    folder = tmp_path / "lib"
    (folder / "catalogue.lance" / "data").mkdir(parents=True)
    (folder / "catalogue.lance" / "data" / "part.lance").write_bytes(b"half")
    with pytest.raises(LibraryError, match="was never made whole"):
        LibraryStore.open(folder)
    with make(folder) as store:
        index(store, film(tmp_path), unit(rng, 2))
        assert store.count() == 2


def test_a_later_version_and_damage_are_told(tmp_path: Path, rng: np.random.Generator) -> None:
    video = film(tmp_path)
    with make(tmp_path / "lib") as store:
        index(store, video, unit(rng, 4))
    shutil.copytree(tmp_path / "lib", tmp_path / "later")
    with make(tmp_path / "later") as store:
        said = store._state().library  # type: ignore[attr-defined]
        about = {**said.about, "schema": catalogue.SCHEMA_VERSION + 1}
        table = store._catalogue  # type: ignore[attr-defined]
        catalogue.write(table, store.path, [replace(said, about=about)])
        with pytest.raises(LibraryError, match="written by a later version"):
            LibraryStore.open(tmp_path / "later")
    shutil.copytree(tmp_path / "lib", tmp_path / "cut")
    for part in (tmp_path / "cut" / "frames_f1.lance" / "data").iterdir():
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with LibraryStore.open(tmp_path / "cut") as store, pytest.raises(LibraryError, match="is damaged"):
        store.vectors()
    ways: dict[str, tuple[str, Callable[[Path], object]]] = {
        "short": ("frames_f1.lance/data/*", lambda part: os.truncate(part, part.stat().st_size - 200)),
        "gone": ("frames_f1.lance/data/*", Path.unlink),
        "stub": ("catalogue.lance/_versions/*", lambda part: os.truncate(part, 40)),
    }
    for name, (which, spoil) in ways.items():
        shutil.copytree(tmp_path / "lib", tmp_path / name)
        for part in list((tmp_path / name).glob(which)):
            spoil(part)
        with (
            pytest.raises(LibraryError, match="is damaged") as told,
            LibraryStore.open(tmp_path / name) as store,
        ):
            store.vectors()
        assert ".rs:" not in str(told.value)
    # A number that changed under its checksum is told, and never answers.
    with make(tmp_path / "lib") as store:
        table = store._frames_of("f1")  # type: ignore[attr-defined]
        table.update(where="frame_index = 2", values={"time_s": 77.0})
    with LibraryStore.open(tmp_path / "lib") as store:
        with pytest.raises(LibraryError, match="is not what was stored"):
            store.vectors()
        with pytest.raises(LibraryError, match="is not what was stored"):
            store.verify()


def test_a_clock_that_is_wrong_loses_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    vectors, video = unit(rng, 4), film(tmp_path)
    with make(tmp_path / "lib") as store, make(tmp_path / "lib") as other:
        away = store.begin_video(video, info(video))
        away.append(frames(vectors[:2]))
        away.flush()
        (row,) = store._now().of_path(str(video))  # type: ignore[attr-defined]
        elsewhere = "machine-2/17/abc"
        for clock in (time.time() + 60, time.time() - 60):  # a minute out: it is heard of still
            store.write([replace(row, owner=elsewhere, beat_s=clock)])  # type: ignore[attr-defined]
            with pytest.raises(LibraryError, match="is being indexed by another process"):
                other.begin_video(video, info(video))
        # Hours out it is taken for dead; the one that lost the video is told, and nothing comes twice.
        store.write([replace(row, owner=elsewhere, beat_s=time.time() + 9e4)])  # type: ignore[attr-defined]
        taken = other.begin_video(video, info(video))
        assert taken.last_frame_index == 1
        with pytest.raises(LibraryError, match="taken over"):
            away.finish()
        taken.append(frames(vectors[2:], start=2))
        taken.finish()
        assert other.count() == 4


def test_what_is_gone_is_taken_out_of_the_tables(tmp_path: Path, rng: np.random.Generator) -> None:
    video = film(tmp_path)
    with make(tmp_path / "lib") as store:
        index(store, video, unit(rng, 3))
        index(store, video, unit(rng, 5), "other")
        table = store._frames_of("f1")  # type: ignore[attr-defined]
        assert table.count_rows() == 8 and store.count() == 5
        store.tidy()
        assert table.count_rows() == 5
        store.remove(video)
        assert store.count() == 0 and len(store.vectors()[1]) == 0
        store.tidy()
        assert table.count_rows() == 0


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The command's status, and what it wrote."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out if not ended.value.code else told.err


def test_the_command_line_takes_an_address(
    bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LibraryStore.create(tmp_path / "lib", model="tiny", fingerprint="f1", dim=DIM) as store:
        index(store, film(tmp_path), np.eye(DIM, dtype=np.float32)[:3])
    address = f"s3://{bucket}/lib"
    status, told = run(capsys, "library", "copy", str(tmp_path / "lib"), address, "--json")
    assert status == 0, told
    assert json.loads(told)["vectors"] == 3
    status, told = run(capsys, "videos", "--library", address, "--summary", "--json")
    assert status == 0
    assert [json.loads(told)[name] for name in ("videos", "vectors", "model")] == [1, 3, "tiny"]
    status, told = run(capsys, "videos", "--library", f"s3://{bucket}/nothing")
    assert status and f"there is no library at 's3://{bucket}/nothing'" in told
    status, told = run(capsys, "index", "x.mp4", "--library", "ftp://host/lib")
    assert status and "no library can lie at 'ftp://host/lib'" in told
