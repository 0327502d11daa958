"""One way to open whatever somebody names: addresses, streams, cameras, parts, pictures between pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.video import LiveSource, Opening, VideoWriter, open_video
from seektrack.video.filters import between

FPS, N = 10, 12


def grey(i: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), 15 * i + 20, np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "my clip.mp4"
    with VideoWriter(path, width=64, height=48, fps=FPS, crf=4) as writer:
        for i in range(N):
            writer.write(grey(i))
    return path


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str | None] = []  # noqa: RUF012

    def do_GET(self) -> None:
        Quiet.asked.append(self.headers.get("Authorization"))
        if self.path == "/moved.mp4":
            self.send_response(302)
            self.send_header("Location", "/my%20clip.mp4")
            self.end_headers()
        elif self.path == "/trap.mp4":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        elif self.path == "/short.mp4":
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b"x" * 100)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=partial(server.serve_forever, 0.02), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def levels(source: object) -> list[int]:
    return [round((float(f.image.mean()) - 20) / 15) for f in source]  # type: ignore[attr-defined]


class TestAddresses:
    def test_a_recording_is_fetched_and_gone_through_in_any_order(self, clip: Path, address: str) -> None:
        told: list[tuple[int, int, str]] = []
        with open_video(f"{address}/my%20clip.mp4", progress=lambda *now: told.append(now)) as source:
            assert source.info.path == f"{address}/my%20clip.mp4"
            assert levels(source) == list(range(N))
            assert levels(source.frames_reversed()) == list(range(N))[::-1]
            assert source.frame_at(7).timestamp == Fraction(7, FPS)
        assert told[-1][0] == told[-1][1] and told[-1][2].startswith("fetching")

    def test_a_part_of_it(self, clip: Path, address: str) -> None:
        with open_video(f"{address}/my%20clip.mp4", start_s=0.3, frames=2) as source:
            assert [f.index for f in source] == [3, 4]

    def test_the_file_goes_with_the_source(self, clip: Path, address: str) -> None:
        source = open_video(f"{address}/my%20clip.mp4")
        kept = source._fetched.path  # type: ignore[attr-defined]
        assert kept.is_file()
        del source
        assert not kept.parent.exists()

    def test_a_path_object_made_of_an_address_is_the_address(self, clip: Path, address: str) -> None:
        with open_video(Path(f"{address}/my%20clip.mp4")) as source:
            assert levels(source) == list(range(N))

    def test_a_file_address_is_a_path(self, clip: Path) -> None:
        with open_video(clip.as_uri()) as source:
            assert source.info.path == str(clip)

    def test_redirections_are_followed_but_not_to_files_of_this_machine(
        self, clip: Path, address: str
    ) -> None:
        with open_video(f"{address}/moved.mp4") as source:
            assert len(levels(source)) == N
        with pytest.raises(VideoError, match="cannot fetch http://127"):
            open_video(f"{address}/trap.mp4")

    @pytest.mark.parametrize(
        "name, said", [("nosuch.mp4", "404"), ("short.mp4", "broke off after 100 of 5000 bytes")]
    )
    def test_what_cannot_be_had_is_said(self, name: str, said: str, address: str) -> None:
        with pytest.raises(VideoError, match=said):
            open_video(f"{address}/{name}")

    def test_a_server_that_is_not_there(self) -> None:
        with pytest.raises(
            VideoError, match=r"cannot fetch http://127\.0\.0\.1:9/a\.mp4: Connection refused"
        ):
            open_video("http://127.0.0.1:9/a.mp4")

    def test_what_is_there_but_no_video_is_named_by_its_address(self, tmp_path: Path, address: str) -> None:
        (tmp_path / "words.mp4").write_text("only words " * 99)
        with pytest.raises(VideoError, match=f"not a readable video: {address}/words.mp4"):
            open_video(f"{address}/words.mp4")

    def test_a_password_is_sent_and_shown_nowhere(self, clip: Path, address: str) -> None:
        Quiet.asked.clear()
        where = address.replace("://", "://me:pass%20word@")
        with open_video(f"{where}/my%20clip.mp4") as source:
            assert "pass" not in source.info.path
        assert Quiet.asked == ["Basic bWU6cGFzcyB3b3Jk"]  # me:pass word
        with pytest.raises(VideoError) as refused:
            open_video(f"{where}/nosuch.mp4")
        assert "pass" not in str(refused.value)

    def test_a_scan_at_an_address_takes_a_window(self, tmp_path: Path, address: str, write_nifti) -> None:
        write_nifti(tmp_path / "head.nii.gz", np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8))
        with open_video(f"{address}/head.nii.gz", window=(100, 50)) as source:
            here = open_video(tmp_path / "head.nii.gz", window=(100, 50))
            assert [np.array_equal(a.image, b.image) for a, b in zip(source, here, strict=True)] == [True] * 4


class StandIn:
    """A camera as OpenCV gives one, that never ends."""

    def __init__(self, number: int) -> None:
        self.shown = 0

    def isOpened(self) -> bool:
        return True

    def get(self, what: int) -> float:
        return 25.0

    def read(self) -> tuple[bool, NDArray[np.uint8]]:
        self.shown += 1
        return True, grey((self.shown - 1) % 12)

    def release(self) -> None:
        pass


class TestLive:
    @pytest.fixture(autouse=True)
    def _camera(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cv2, "VideoCapture", StandIn)

    @pytest.mark.parametrize("name", [0, "0"])
    @pytest.mark.parametrize("cache", [None, "raw"])
    def test_a_piece_of_a_camera_is_recorded_and_gone_through_in_any_order(
        self, name: int | str, cache: str | None
    ) -> None:
        with open_video(name, frames=5, cache=cache) as source:
            assert levels(source) == [0, 1, 2, 3, 4]
            assert levels(source.frames_reversed()) == [4, 3, 2, 1, 0]
            assert (source.info.path, source.info.n_frames) == ("camera://0", 5)
            assert source.times() == sorted(set(source.times()))

    def test_until_a_second_of_it(self) -> None:
        with open_video(0, start_s=0.01, end_s=0.05) as source:
            assert all(Fraction(1, 100) <= t < Fraction(1, 20) for t in source.times())
            assert source.first_index > 0 and source.len_frames() > 0

    def test_without_an_end_it_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(InputError, match="camera 0 is a live stream") as refused:
            open_video("0")
        assert "--end" in refused.value.hint and "--frames" in refused.value.hint

    def test_an_open_stream_is_recorded_too(self, clip: Path) -> None:
        with open_video(LiveSource(clip), end_s=0.5) as source:
            assert [f.index for f in source.frames_reversed()] == [4, 3, 2, 1, 0]
        with pytest.raises(InputError, match="live stream"):
            open_video(LiveSource(clip))

    def test_a_folder_called_like_a_camera_is_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("0").mkdir()
        cv2.imwrite("0/a.png", grey(3))
        with open_video("0") as source:
            assert levels(source) == [3]

    def test_any_source_is_played_at_its_own_pace(self, clip: Path) -> None:
        live = LiveSource(open_video([grey(i) for i in range(3)], fps=100))
        assert [f.index for f in live][-1] == 2


class TestSources:
    def test_a_source_stays_open_for_who_opened_it(self, clip: Path) -> None:
        kept = open_video(clip, cache="raw")
        assert kept.len_frames() == N
        with open_video(kept, start_s=0.5, end_s=0.8) as part:
            assert [f.index for f in part] == [5, 6, 7]
        assert kept.n_bytes  # type: ignore[attr-defined]

    def test_a_part_lies_within_the_part_given(self, clip: Path) -> None:
        with open_video(open_video(clip, start_s=0.2, end_s=0.9), start_s=0.0, end_s=0.4) as part:
            assert [f.index for f in part] == [2, 3]

    @pytest.mark.parametrize("how", [{"fps": 5}, {"window": (1, 2)}])
    def test_what_is_open_cannot_be_opened_otherwise(self, how: dict, clip: Path) -> None:
        with pytest.raises(InputError, match="given for"):
            open_video(open_video(clip), **how)

    @pytest.mark.parametrize("name", ["", "a\0b"])
    def test_no_name_is_no_video(self, name: str) -> None:
        with pytest.raises(VideoError, match="no such video"):
            open_video(name)

    def test_a_name_that_is_no_text_is_said_before_any_work(self) -> None:
        with pytest.raises(VideoError, match="not valid Unicode"):
            open_video("caf\udce9.mp4")


class TestPicturesBetween:
    def test_every_gap_is_filled_at_even_times(self, clip: Path) -> None:
        plain = list(open_video(clip))
        source = open_video(clip, interpolate=3)
        frames = list(source)
        assert len(frames) == source.len_frames() == source.info.n_frames == 3 * (N - 1) + 1
        assert source.info.fps == 3 * FPS
        assert [f.timestamp for f in frames] == [Fraction(i, 3 * FPS) for i in range(len(frames))]
        for i in range(N - 1):
            first, second = plain[i].image, plain[i + 1].image
            expected = [first, *between(first, second, [1 / 3, 2 / 3])]
            assert all(np.array_equal(frames[3 * i + k].image, expected[k]) for k in range(3))

    def test_any_order_and_parts_agree(self, clip: Path) -> None:
        source = open_video(clip, interpolate=4, start_s=0.2, end_s=0.55)
        forth = list(source)
        assert [f.index for f in forth] == list(range(8, 22))
        back = list(source.frames_reversed())[::-1]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(forth, back, strict=True))
        assert np.array_equal(source.frame_at(13).image, forth[5].image)

    @pytest.mark.parametrize("factor", [0, -1, 65])
    def test_an_impossible_number_is_refused(self, factor: int, clip: Path) -> None:
        with pytest.raises(InputError, match="interpolat"):
            open_video(clip, interpolate=factor)


def test_how_a_source_is_opened_is_told_where_it_changes_what_is_seen() -> None:
    assert str(Opening()) == str(Opening(cache="raw")) == ""
    how = Opening(fps=12.5, start_s=1, frames=9, window=(40, 400), interpolate=2)
    assert str(how) == "fps=12.5 part=1- frames=9 window=40,400 interpolate=2"


@pytest.mark.parametrize(
    "how",
    [
        {"frames": 0},
        {"interpolate": 0},
        {"fps": 0},
        {"start_s": -1},
        {"start_s": 5, "end_s": 3},
        {"window": (1, 0)},
        {"cache": "tape"},
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_is_opened(how: dict) -> None:
    with pytest.raises(InputError):
        Opening(**how)
