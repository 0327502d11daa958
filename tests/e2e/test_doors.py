"""Every door takes every source, several videos at once, and never writes where it reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack import Library, Prompt, PromptError, VideoError, track_objects, track_videos
from seektrack.cli import main
from seektrack.encoders import register_encoder, registry
from seektrack.library.embedded import EmbeddedStore
from seektrack.pipeline import Models, following, watch
from seektrack.video import LiveSource, Opening, VideoInput, VideoWriter, open_video
from seektrack.video.filtered import FilteredSource
from seektrack.video.filters import parse_filter

N, FPS = 6, 10
BOX = (20.0, 24.0, 44.0, 48.0)


def scene(i: int) -> NDArray[np.uint8]:
    """A red square on green, that moves to the right."""
    image = np.full((64, 96, 3), (40, 90, 40), np.uint8)
    image[24:48, 20 + 2 * i : 44 + 2 * i] = (220, 40, 30)
    return image


def film(path: Path, n: int = N) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, width=96, height=64, fps=FPS, crf=4) as writer:
        for i in range(n):
            writer.write(scene(i))
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.fixture(scope="module")
def models() -> Models:
    return Models("pocket")


@pytest.fixture(scope="module")
def prompt() -> Prompt:
    return Prompt(1, 0, box=BOX)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, write_dicom: Callable[..., Path]) -> Iterator[Path]:
    """A folder with one film in every form, and a web server over it; ``address`` holds where."""
    folder = tmp_path_factory.mktemp("place")
    film(folder / "film.mp4")
    (folder / "images").mkdir()
    for i in range(N):
        cv2.imwrite(str(folder / "images" / f"{i}.png"), scene(i)[..., ::-1])
    (folder / "scan").mkdir()
    for i in range(N):
        values = 1000 + 4 * scene(i)[..., 0].astype(np.int16)
        write_dicom(folder / "scan" / f"{i}.dcm", values, InstanceNumber=i + 1)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=partial(server.serve_forever, 0.02), daemon=True).start()
        (folder / "address").write_text(f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


SOURCES: dict[str, Callable[[Path], VideoInput]] = {
    "path": lambda p: p / "film.mp4",
    "address": lambda p: f"{(p / 'address').read_text()}/film.mp4",
    "images": lambda p: str(p / "images"),
    "scan through a window": lambda p: open_video(p / "scan", window=(1500, 900)),
    "array": lambda p: np.stack([scene(i) for i in range(N)]),
    "pictures": lambda p: [scene(i) for i in range(N)],
    "open": lambda p: open_video(p / "film.mp4", cache="raw"),
    "filtered": lambda p: FilteredSource(open_video(p / "film.mp4"), parse_filter("gaussian=0.5")),
    "pictures between": lambda p: open_video(p / "film.mp4", interpolate=2),
    "piece of a stream": lambda p: open_video(LiveSource(p / "film.mp4"), frames=4),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_tracking_takes_every_source(kind: str, place: Path, models: Models, prompt: Prompt) -> None:
    tracks = track_objects(SOURCES[kind](place), prompts=[prompt], model=models)
    count = {"pictures between": 2 * N - 1, "piece of a stream": 4}.get(kind, N)
    assert len(tracks.frame_times) == count
    [track] = tracks
    assert sum(o.visible for o in track.observations) >= count - 1
    first = track.observations[0].box
    assert np.abs(np.subtract(first, BOX)).max() < 8, first


class Thumbnail:
    """The cheapest encoder there is: mean colours."""

    name, dim, fingerprint, logit_scale, image_size = "thumbnail", 3, "thumbnail-3", 100.0, 2

    def embed_images(self, images, *, batch_size: int = 32) -> NDArray[np.float32]:
        means = np.stack([image.mean(axis=(0, 1)) for image in images]) + 1.0
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts, *, batch_size: int = 64) -> NDArray[np.float32]:
        return np.full((len(texts), 3), 3**-0.5, np.float32)


@pytest.fixture
def thumbnail(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("thumbnail")(lambda *, device, dtype: Thumbnail())  # noqa: PLW0108
    return "thumbnail"


@pytest.mark.parametrize("kind", SOURCES)
def test_indexing_takes_every_source(kind: str, place: Path, tmp_path: Path, thumbnail: str) -> None:
    with Library(tmp_path / "lib", model=thumbnail) as library:
        for indexed, skipped in ((1, 0), (0, 1)):  # and knows it again
            report = library.index(SOURCES[kind](place), sampling="every=1", regions="none")
            assert (report.indexed, report.skipped, report.failed) == (indexed, skipped, [])
        [video] = library.videos()
    count = {"pictures between": 2 * N - 1, "piece of a stream": 4}.get(kind, N)
    assert (video.done, video.frames, video.available) == (True, count, True)


@pytest.mark.parametrize("kind", SOURCES)
def test_watching_takes_every_source(kind: str, place: Path, thumbnail: str) -> None:
    source = SOURCES[kind](place)
    with watch(source, ["a car"], model=thumbnail, regions="none", sampling="every=1") as watching:
        list(watching)
    expected = {"pictures between": range(2 * N - 1, 2 * N), "piece of a stream": range(4, 5)}
    # An address is watched as a stream: at its own pace, pictures may be missed.
    seen = range(1, N + 1) if kind == "address" else expected.get(kind, range(N, N + 1))
    assert watching.seen in seen


def test_several_are_indexed_together_and_each_once(place: Path, tmp_path: Path, thumbnail: str) -> None:
    given = [
        place / "film.mp4",
        f"{(place / 'address').read_text()}/film.mp4",
        place,
        tmp_path / "nosuch.mp4",
    ]
    with Library(tmp_path / "lib", model=thumbnail) as library:
        report = library.index(given, sampling="every=1", regions="none")
        paths = {video.path for video in library.videos()}
    assert (report.indexed, len(paths)) == (3, 3)  # the film, the film at the address, the scan
    [(path, error)] = report.failed
    assert path.endswith("nosuch.mp4") and "no such file" in error.message.lower()


def test_how_a_video_was_opened_is_part_of_what_was_indexed(
    place: Path, tmp_path: Path, thumbnail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    same = (
        "index",
        place / "scan",
        "-l",
        tmp_path / "lib",
        "--model",
        thumbnail,
        "--regions",
        "none",
        "--json",
    )
    for window, indexed in (("1500,900", 1), ("1500,900", 0), ("1200,100", 1)):
        status, out, _ = run(capsys, *same, "--window", window, "--sampling", "every=1")
        assert (status, json.loads(out)["indexed"]) == (0, indexed)


def test_whatever_one_video_raises_is_its_own_failure(
    tmp_path: Path, thumbnail: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / "in" / f"{name}.mp4")
    embed = Thumbnail.embed_images
    seen: list[int] = []

    def failing(self, images, **how):
        seen.append(1)
        if len(seen) == 2:
            raise ZeroDivisionError("a fault in b")
        return embed(self, images, **how)

    monkeypatch.setattr(Thumbnail, "embed_images", failing)
    where = ("-l", tmp_path / "lib", "--model", thumbnail, "--regions", "none", "--json")
    status, out, err = run(capsys, "index", tmp_path / "in", *where)
    report = json.loads(out)
    assert (status, report["indexed"], "Traceback" in err) == (11, 2, False)
    [[path, error]] = report["failed"]
    assert path.endswith("b.mp4") and "ZeroDivisionError: a fault in b" in error["message"]


class TestSeveralVideos:
    """``track FOLDER``: one folder a video, going on where it stopped, passing over what cannot be read."""

    @pytest.fixture
    def films(self, tmp_path: Path) -> Path:
        film(tmp_path / "films" / "a" / "clip.mp4")
        film(tmp_path / "films" / "b" / "clip.mp4", 4)
        (tmp_path / "films" / "bad.mp4").write_text("only words")
        return tmp_path / "films"

    def test_each_has_a_folder_and_the_next_run_goes_on(
        self, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "my results"
        asked = ("track", films, "--box", "20,24,44,48@0", "--out", out, "--no-overlay", "--json")
        status, printed, _ = run(capsys, *asked)
        told = json.loads(printed)
        assert status == 11
        assert [Path(one["video"]).name for one in told] == ["clip.mp4", "clip.mp4", "bad.mp4"]
        assert [one.get("frames") for one in told] == [N, 4, None]
        assert told[2]["error"]["code"] == "bad_video"
        folders = [Path(one["folder"]) for one in told[:2]]
        assert folders[0] != folders[1] and all(folder.parent == out for folder in folders)
        assert all(Path(file).is_file() for one in told[:2] for file in one["files"].values())
        before = {file: file.stat().st_mtime_ns for folder in folders for file in folder.iterdir()}

        status, printed, _ = run(capsys, *asked)
        assert [one.get("unchanged") for one in json.loads(printed)] == [True, True, None]
        assert status == 11
        assert before == {file: file.stat().st_mtime_ns for folder in folders for file in folder.iterdir()}

        film(films / "b" / "clip.mp4", 5)  # one changes, and one lost a file
        (folders[0] / "tracks.csv").unlink()
        _, printed, _ = run(capsys, *asked)
        assert [one.get("unchanged") for one in json.loads(printed)] == [False, False, None]
        assert [one.get("frames") for one in json.loads(printed)] == [N, 5, None]
        _, printed, _ = run(capsys, *asked, "--frames", "2")
        assert [one.get("frames") for one in json.loads(printed)] == [2, 2, None]

    def test_for_people_each_is_a_line(
        self, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, out, err = run(
            capsys, "track", films, films / "nosuch.mp4", "--box", "20,24,44,48@0", "--out", tmp_path / "o"
        )
        assert status == 12
        assert "bad.mp4: failed: not a readable video" in out
        assert "nosuch.mp4: failed: " in out and "no such file" in out.lower()
        assert err.count("1 track over") == 2
        assert f"written to {tmp_path / 'o' / 'clip'}/: overlay.mp4" in err

    def test_whatever_one_raises_the_others_are_followed(
        self, films: Path, models: Models, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(*args: object, **how: object) -> None:
            monkeypatch.undo()
            raise RuntimeError("a fault")

        monkeypatch.setattr(following, "track_objects", breaks)
        done = list(track_videos(films, prompts=[prompt], model=models, opening=Opening(frames=2)))
        assert [one.error is None for one in done] == [False, True, False]
        assert done[0].error is not None and "RuntimeError: a fault" in done[0].error.message
        assert done[1].tracks is not None and len(done[1].tracks.frame_times) == 2

    def test_nothing_to_follow_is_an_error(self, tmp_path: Path, prompt: Prompt) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(VideoError, match="no videos"):
            list(track_videos(tmp_path / "empty", prompts=[prompt]))
        with pytest.raises(VideoError, match=r"(?i)no such file"):
            list(track_videos([tmp_path / "nosuch", tmp_path / "neither"], prompts=[prompt]))


def test_a_video_is_never_the_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = film(tmp_path / "d" / "overlay.mp4")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    for name in ("overlay.mp4", "link.mp4"):
        if name == "link.mp4":
            (tmp_path / "link.mp4").symlink_to(source)
        read = source if name == "overlay.mp4" else tmp_path / name
        status, _, err = run(capsys, "track", read, "--box", "20,24,44,48@0", "--out", tmp_path / "d")
        assert (status, "the file being read" in err) == (7, True), err
    assert hashlib.sha256(source.read_bytes()).hexdigest() == digest
    assert [file.name for file in (tmp_path / "d").iterdir()] == ["overlay.mp4"]


@pytest.mark.parametrize(
    "prompts, said",
    [
        (["--box", "200,10,300,50@0"], "has no area inside the 96x64 picture"),
        (["--point", "97,10@0"], "outside the 96x64 picture"),
        (["--box", "20,24,44,48@6"], "frame 6, which is not shown"),
        (["--point", "30,30@0", "--start", "0.2"], "frame 0, which is not shown"),
        (["--point", "30,30,0@0"], "only points that lie outside it"),
    ],
)
def test_prompts_that_lie_nowhere_are_said_and_leave_nothing_behind(
    prompts: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = film(tmp_path / "film.mp4")
    status, _, err = run(capsys, "track", source, *prompts, "--out", tmp_path / "out" / "deep")
    assert (status, said in err) == (2, True), err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4"]


def test_a_box_that_reaches_beyond_the_picture_is_cut_and_that_is_said(
    tmp_path: Path, models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    source = film(tmp_path / "film.mp4", 2)
    with pytest.warns(UserWarning, match=r"the box -5, 24, 44, 48 reaches beyond the 96x64 picture"):
        tracks = track_objects(source, prompts=[Prompt(0, 0, box=(-5, 24, 44, 48))], model=models)
    assert len(tracks) == 1
    with pytest.raises(PromptError):
        track_objects(source, prompts=[Prompt(0, 5, box=BOX)], model=models)


def test_a_live_stream_without_an_end_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = run(capsys, "index", "0", "-l", tmp_path / "lib")
    assert "live stream, which has no end" in err + out and "--frames" in err + out
    assert status in (2, 11)
    status, out, err = run(
        capsys, "track", "97", "--text", "a car"
    )  # followed live: no camera has that number
    assert "camera 97" in err + out and "cannot be opened" in err + out
    assert status == 3


def test_results_of_a_library_never_share_a_folder(tmp_path: Path, models: Models, thumbnail: str) -> None:
    from seektrack.pipeline.folders import OutputFolders, Record, folder_names

    folders = OutputFolders(tmp_path / "out")
    videos = ["/x/a/clip.mp4", "/x/b/clip.mp4", "/y/b/clip.mp4", "/x/a/clip.mkv", "/x/...mp4", "/x/Clip.mp4"]
    chosen = [folders.of(video) for video in videos]
    assert len({str(folder).lower() for folder in chosen}) == len(videos)
    assert all(folder.parent == tmp_path / "out" for folder in chosen)
    assert chosen[0].name == "clip" and chosen[1].name == "b-clip"
    assert [folders.of(video) for video in videos] == chosen
    chosen[0].mkdir(parents=True)
    Record(videos[0], [], {}).write(chosen[0])
    later = OutputFolders(tmp_path / "out")  # another run, which is asked for the other first
    assert later.of(videos[1]).name == "b-clip"
    assert later.of(videos[0]) == chosen[0]
    (tmp_path / "out" / "mine").mkdir()
    (tmp_path / "out" / "mine" / "notes.txt").write_text("not of seektrack")
    assert later.of("/x/mine.mp4").name != "mine"
    for video in (
        "/x/..",
        "/",
        "http://host",
        "http://host/a/b%2Fc.mp4?x=1",
        "/x/\x1b[2J.mp4",
        "/x/" + "é" * 300,
    ):
        for name in folder_names(video):
            assert name not in ("", ".", "..") and "/" not in name and name.isprintable()
            assert len(name.encode()) < 200


def test_one_missing_video_does_not_end_a_library_run(tmp_path: Path, models: Models) -> None:
    from types import SimpleNamespace

    from seektrack import Hit, Moment, search_and_track

    here = film(tmp_path / "here" / "clip.mp4", 2)
    also = film(tmp_path / "also" / "clip.mp4", 2)
    gone = str(tmp_path / "gone" / "clip.mp4")
    moments = [Moment(str(v), 0, 0.2, Hit(str(v), 0, 0.0, 0.3, 0.9), 0.9) for v in (gone, here, also)]
    nothing = np.zeros((0, 4)), SimpleNamespace(frame_indices=np.zeros(0, int))
    store = SimpleNamespace(vectors=lambda where: nothing)
    answers = {
        "search": lambda *a, **k: moments,
        "hits": lambda *a, **k: [],
        "_open_to_read": lambda: store,
    }
    library = SimpleNamespace(**answers, models=models, path=tmp_path / "my lib")
    told: list[tuple[str, str]] = []
    done = search_and_track(
        library,  # type: ignore[arg-type]
        "a red car",
        top=2,
        out=tmp_path / "out",
        overlay=False,
        on_error=lambda video, error: told.append((video, error.hint)),
    )
    assert [one.video for one in done] == [str(here), str(also)]
    assert len({one.folder for one in done}) == 2
    [(video, hint)] = told
    assert video == gone and f"--library '{tmp_path / 'my lib'}' --remove {gone}" in hint
    library.search = lambda *a, **k: moments[:1]
    with pytest.raises(VideoError, match="not on disk any more"):
        search_and_track(library, "a red car", on_error=lambda *_: None)  # type: ignore[arg-type]


def test_a_second_run_that_finishes_a_video_first_is_no_failure(
    tmp_path: Path, thumbnail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seektrack.errors import LibraryError

    film(tmp_path / "film.mp4")
    begin = EmbeddedStore.begin_video

    def beaten(self: EmbeddedStore, path, info, **how):
        handle = begin(self, path, info, **how)
        handle.finish()  # what another process does
        raise LibraryError("is being indexed by another process (7)")

    monkeypatch.setattr(EmbeddedStore, "begin_video", beaten)
    with Library(tmp_path / "lib", model=thumbnail) as library:
        report = library.index(tmp_path / "film.mp4", regions="none")
    assert (report.failed, report.skipped) == ([], 1)
    shutil.rmtree(tmp_path / "lib")
