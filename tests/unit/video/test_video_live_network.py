"""Streams over HTTP from a server of the test's own: recordings, a camera that films and sends, faults."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.cli import main
from seektrack.encoders import Vocabulary, register_encoder, registry
from seektrack.errors import InputError, OutputError, VideoError
from seektrack.pipeline import watch
from seektrack.video import LiveSource, VideoWriter, open_video
from seektrack.video.lasting import LastingStream
from seektrack.video.live import LivePicture, without_password
from seektrack.video.sending import PictureSender

FPS = 25
Handle = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers each path with a function of the test."""

    daemon_threads = True

    def __init__(self) -> None:
        self.paths: dict[str, Handle] = {}
        self.released = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                handle = server.paths.get(self.path)
                if handle is None:
                    self.send_error(404)
                    return
                with contextlib.suppress(ConnectionError):  # the reader left
                    handle(self)

            def log_message(self, *_: object) -> None:
                pass

        server = self
        super().__init__(("127.0.0.1", 0), Handler)

    def serve(self, path: str, handle: Handle) -> str:
        self.paths[path] = handle
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.released.set()
    made.shutdown()
    thread.join()
    made.server_close()


def grey(i: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), 4 * i + 20, np.uint8)


def answer(handler: BaseHTTPRequestHandler, kind: str, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.send_header("Content-Type", kind)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def file_of(data: bytes, *, kind: str = "video/mp4") -> Handle:
    """The whole of a file."""

    def handle(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, kind, len(data))
        handler.wfile.write(data)

    return handle


def camera(
    pictures: Sequence[NDArray[np.uint8]],
    sent: list[float],
    *,
    after: Handle | None = None,
    announced: int | None = None,
    until: threading.Event | None = None,
) -> Handle:
    """MPEG-TS, each picture encoded and sent when it is due; ``sent`` notes when."""

    def handle(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, "video/mp2t", announced)
        buffer = io.BytesIO()
        out = av.open(buffer, "w", format="mpegts", options={"flush_packets": "1"})
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 5
        began, at = time.monotonic(), 0
        for i, picture in enumerate(pictures):
            time.sleep(max(0.0, began + i / FPS - time.monotonic()))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            data = buffer.getvalue()[at:]
            at += len(data)
            handler.wfile.write(data)
            handler.wfile.flush()
            sent.append(time.monotonic())
            if until is not None and until.is_set():
                break
        if after is not None:
            after(handler)

    return handle


def recording(path: Path, n: int) -> bytes:
    with VideoWriter(path, width=64, height=48, fps=FPS, crf=4) as writer:
        for i in range(n):
            writer.write(grey(i))
    return path.read_bytes()


def check(frames: list[LivePicture]) -> None:
    """Each picture is the one its index says, in order."""
    assert [p.index for p in frames] == sorted({p.index for p in frames})
    for picture in frames:
        assert float(picture.timestamp) == pytest.approx(picture.index / FPS, abs=1e-3)
        assert abs(float(picture.rgb().mean()) - (4 * picture.index + 20)) < 5


def test_a_recording_at_an_address_is_played_at_its_own_pace(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a%20clip.mp4?key=1", file_of(recording(tmp_path / "a.mp4", 20)))
    began = time.monotonic()
    source = LiveSource(url)
    taken = list(source.pictures())
    assert time.monotonic() - began >= 19 / FPS
    check(taken)  # type: ignore[arg-type]
    assert source.received == 20
    assert len(taken) + source.dropped == 20
    assert len(taken) > 2, "all of it arrived at once"
    assert taken[-1].index == 19
    assert source.info.hw == (48, 64)


def test_a_camera_is_seen_while_it_sends_and_ends_when_it_ends(server: Server) -> None:
    sent: list[float] = []
    source = LiveSource(server.serve("/live.ts", camera([grey(i) for i in range(50)], sent)))
    taken = []
    for picture in source.pictures():
        assert isinstance(picture, LivePicture)
        if not taken:
            assert len(sent) < 50, "the first picture came only when all had been sent"
        taken.append(picture)
    check(taken)
    assert len(taken) + source.dropped == source.received == 50


class Brightness:
    """Two directions, light and dark; looking takes its time."""

    name, dim, fingerprint, logit_scale, image_size = "brightness", 2, "brightness-1", 60.0, 8
    vocabulary = Vocabulary(labels=("light",), background=("dark",))

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        time.sleep(0.15)
        return np.eye(2, dtype=np.float32)[[int(image.mean() < 128) for image in images]]

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        rows = [[float("light" in text), float("dark" in text)] for text in texts]
        return np.array([r if any(r) else [0.7, 0.7] for r in rows], np.float32)


@pytest.fixture
def brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("brightness")(lambda *, device, dtype: Brightness())  # noqa: PLW0108


def test_who_looks_slowly_hears_of_now_and_what_was_dropped(brightness: None, server: Server) -> None:
    dark, light = np.full((48, 64, 3), 30, np.uint8), np.full((48, 64, 3), 220, np.uint8)
    sent: list[float] = []
    url = server.serve("/live.ts", camera([dark] * 30 + [light] * 30, sent))
    watching = watch(url, ["light"], model="brightness", regions="none", sampling="every=1")
    heard = []
    with watching:
        for alert in watching:
            heard.append((alert, time.monotonic()))
    [(alert, told_at)] = heard
    assert watching.dropped > 20
    assert watching.seen + watching.dropped == 60
    assert alert.frame.index >= 30
    assert alert.frame.image.mean() > 200
    assert alert.latency_s >= 0.15
    # Had pictures waited in a queue, those of 1.2 s would take 4.5 s to get through.
    assert told_at - sent[alert.frame.index] < 3.0
    assert max(watching.latencies_s) < 3.0


def test_a_stream_that_falls_silent_or_breaks_off_is_one_clear_error(server: Server) -> None:
    pictures, sent = [grey(i) for i in range(15)], list[float]()
    silent = server.serve("/silent.ts", camera(pictures, sent, after=lambda _: server.released.wait(20)))
    source = LiveSource(silent, timeout_s=1.5)
    taken = []
    with pytest.raises(VideoError, match=r"silent\.ts sent no picture for 1\.5 s") as error:
        for picture in source.pictures():
            taken.append(picture)
    assert error.value.hint
    assert taken
    source.close()

    short = server.serve("/short.ts", camera(pictures, [], announced=10**6))
    source, taken = LiveSource(short), []
    with pytest.raises(VideoError, match=r"short\.ts broke off: ") as error:
        for picture in source.pictures():
            taken.append(picture)
    assert error.value.hint == "open it again"
    assert taken
    check(taken)


def test_what_cannot_be_reached_or_is_no_video_is_said_in_one_line(
    server: Server, brightness: None, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = Server()
    refused = gone.serve("/live.ts", file_of(b""))
    gone.server_close()
    bad = {
        refused: "refused",
        server.serve("/none.mp4", lambda handler: handler.send_error(404)): "404",
        server.serve("/words.mp4", file_of(b"only words " * 99)): "Invalid data",
        server.serve("/page", file_of(b"<html>sign in</html>" * 50, kind="text/html")): "Invalid data",
        server.serve("/empty.ts", file_of(b"", kind="video/mp2t")): "",
        "nonsense://127.0.0.1/live": "rotocol",
        # A stream may not lead to files of this machine.
        server.serve("/list.m3u8", file_of(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", kind="")): "",
    }
    for url, why in bad.items():
        with pytest.raises(SystemExit) as ended:
            main(["live", url, "--query", "light", "--model", "brightness"])
        assert ended.value.code == VideoError.exit_code
        printed = capsys.readouterr()
        lines = printed.err.strip().splitlines()
        assert len(lines) == 2, printed.err
        assert lines[0].startswith("error: ")
        assert url in lines[0]
        assert why in lines[0]
        assert lines[1].startswith("hint: ")
        assert printed.out == ""


def test_the_command_tells_each_match_of_a_stream_and_how_it_kept_up(
    server: Server, brightness: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [np.full((48, 64, 3), value, np.uint8) for value in [30] * 15 + [220] * 15]
    url = server.serve("/live.ts", camera(pictures, []))
    with pytest.raises(SystemExit) as ended:
        main(["live", url, "--query", "light", "--model", "brightness", "--regions", "none"])
    assert ended.value.code == 0
    printed = capsys.readouterr()
    [line] = printed.out.splitlines()
    told = json.loads(line)
    assert told["query"] == "light"
    assert told["time_s"] == pytest.approx(told["frame_index"] / FPS, abs=1e-3)
    assert "dropped; latency 0." in printed.err


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:secret@cam/1", "rtsp://me:…@cam/1"),
        ("rtsp://me:se@cr:et@cam:554/1", "rtsp://me:…@cam:554/1"),
        ("http://cam:80/a@b:c", "http://cam:80/a@b:c"),
        ("http://me@cam/1", "http://me@cam/1"),
    ],
)
def test_passwords_are_not_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_the_error_of_a_stream_with_a_password_keeps_it_to_itself() -> None:
    with pytest.raises(VideoError) as error:
        LiveSource("rtsp://me:secret@127.0.0.1:9/none", timeout_s=2)
    assert "secret" not in str(error.value)
    assert "rtsp://me:…@127.0.0.1:9/none" in str(error.value)


def test_a_stream_that_breaks_off_and_comes_back_in_another_size_goes_on(server: Server) -> None:
    turns = iter([(48, 64), (72, 96), None])

    def handle(handler: BaseHTTPRequestHandler) -> None:
        hw = next(turns, None)
        if hw is None:
            handler.send_error(503)
            return
        first = 0 if hw == (48, 64) else 20
        pictures = [np.full((*hw, 3), 4 * (first + i) + 20, np.uint8) for i in range(15)]
        camera(pictures, [])(handler)

    stream = LastingStream(server.serve("/cam", handle), timeout_s=5, patience_s=1.5)
    arrived = list(stream)
    frames = [one.frame for one in arrived]
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    assert [f.timestamp for f in frames] == sorted({f.timestamp for f in frames})
    assert {f.image.shape for f in frames} == {(48, 64, 3)}
    back = [one for one in arrived if one.restarted]
    assert len(back) == 1 == stream.restarts and back[0].resized_from == (72, 96)
    grey_now = [float(f.image.mean()) for f in frames]
    assert grey_now == sorted(grey_now) and grey_now[-1] > 140
    assert stream.received == 30 and stream.dropped == 30 - len(frames)


def test_colours_that_are_not_tagged_stay_when_a_stream_comes_back_in_another_size(server: Server) -> None:
    colour, turns = (60, 187, 90), iter([(578, 64), (96, 64), None])

    def handle(handler: BaseHTTPRequestHandler) -> None:
        hw = next(turns, None)
        if hw is None:
            handler.send_error(503)
            return
        camera([np.full((*hw, 3), colour, np.uint8)] * 8, [])(handler)

    arrived = list(LastingStream(server.serve("/cam", handle), timeout_s=5, patience_s=1.0))
    assert {one.resized_from for one in arrived} == {None, (96, 64)}
    first, last = arrived[0].frame.image, arrived[-1].frame.image
    assert np.abs(first.mean((0, 1)) - last.mean((0, 1))).max() < 4


class Lines(io.StringIO):
    """What a command says; tells when five lines came since a word was in one."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word, self.enough = word, threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.getvalue().partition(self.word)[2].count("\n") > 5:
            self.enough.set()
        return written


def test_the_command_follows_through_a_restart_in_another_size(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three discs; the stream breaks off, and comes back half as large again and darker."""
    places = [(24, 30), (80, 60), (136, 30)]
    lines = Lines("restarted")
    asked: list[int] = []

    def pictures(hw: tuple[int, int], down: int, light: float) -> list[NDArray[np.uint8]]:
        image = np.full((96, 160, 3), 120, np.uint8)
        for (x, y), colour in zip(places, [(220, 30, 30), (30, 60, 220), (240, 220, 40)], strict=True):
            cv2.circle(image, (x, y + down), 10, colour, -1)
        big = cv2.resize(image, hw[::-1], interpolation=cv2.INTER_LINEAR)
        return [np.asarray(big * light, dtype=np.uint8)]

    def handle(handler: BaseHTTPRequestHandler) -> None:
        asked.append(1)
        if len(asked) == 1:
            camera(pictures((96, 160), 0, 1.0) * 45, [])(handler)
        elif len(asked) == 2:
            camera(pictures((144, 240), 12, 0.9) * 1000, [], until=lines.enough)(handler)
        else:
            handler.send_error(503)

    boxes = [f"{x - 11},{y - 11},{x + 11},{y + 11}@0" for x, y in places]
    given = ["--live", "--resolution", "128", "--patience", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "stdout", lines)
    with pytest.raises(SystemExit):
        main(["track", server.serve("/cam", handle), *(a for b in boxes for a in ("--box", b)), *given])
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [one["notes"][0] for one in told if "notes" in one].count("restarted") == 1
    assert told[-1]["notes"] == ["resized from 240x144"]
    assert len(told[-1]["objects"]) == 3
    for one, (x, y) in zip(told[-1]["objects"], places, strict=True):
        x0, y0, x1, y1 = one["box"]
        assert one["visible"] and abs((x0 + x1) / 2 - x) < 3 and abs((y0 + y1) / 2 - (y + 12)) < 3
    with open_video(tmp_path / "overlay.mp4") as overlay:
        assert [f.image.shape for f in overlay] == [(96, 160, 3)] * len(told)


def test_a_stream_that_stalls_is_opened_again_and_given_up_in_the_end(server: Server) -> None:
    asked: list[int] = []

    def handle(handler: BaseHTTPRequestHandler) -> None:
        asked.append(1)
        if len(asked) > 2:
            handler.send_error(503)
            return
        camera([grey(i) for i in range(8)], [], after=lambda _: server.released.wait(3))(handler)

    stream = LastingStream(server.serve("/cam", handle), timeout_s=0.7, patience_s=1.0)
    arrived = []
    with pytest.raises(VideoError, match=r"sent no picture|broke off"):
        for one in stream:
            arrived.append(one)
    assert sum(one.restarted for one in arrived) == 1
    assert len({one.frame.index for one in arrived}) == len(arrived) >= 2  # the newest of each time, at least


def test_pictures_that_are_sent_on_arrive() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arrived: list[np.ndarray] = []

    def receive() -> None:
        for frame in LiveSource(f"tcp://127.0.0.1:{port}?listen=1", timeout_s=15):
            arrived.append(frame.image)

    receiver = threading.Thread(target=receive)
    receiver.start()
    for attempt in range(60):  # until it listens
        try:
            sender = PictureSender(f"tcp://127.0.0.1:{port}", width=64, height=48, fps=Fraction(25))
            break
        except OutputError:
            assert attempt < 59
            time.sleep(0.1)
    with sender:
        for i in range(40):
            sender.send(grey(i), i / 25)
            time.sleep(0.02)
    receiver.join(20)
    assert not receiver.is_alive() and len(arrived) > 3
    means = [float(image.mean()) for image in arrived]
    assert means == sorted(means) and means[-1] > 100
    with pytest.raises(InputError, match="rtsp://"):
        PictureSender("ftp://host/x", width=64, height=48, fps=Fraction(25))
    with pytest.raises(OutputError, match="cannot send"):
        PictureSender("rtsp://me:secret@127.0.0.1:9/x", width=64, height=48, fps=Fraction(25))


def test_standard_input_is_a_stream(tmp_path: Path) -> None:
    data = recording(tmp_path / "a.mp4", 10)
    with av.open(io.BytesIO(data)) as film, av.open(str(tmp_path / "a.ts"), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    told = (
        "import sys; from seektrack.video import LiveSource; s = LiveSource('-', timeout_s=20); "
        "print([round(float(f.image.mean())) for f in s], s.received)"
    )
    with (tmp_path / "a.ts").open("rb") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", told], stdin=pipe, capture_output=True, text=True, timeout=60, check=True
        )
    means, received = done.stdout.rsplit(" ", 1)
    assert int(received) == 10 and len(means.split(",")) > 3
