"""Streams that do not wait for who looks at them."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from seektrack.errors import InputError, VideoError
from seektrack.video import LiveSource, Sampling, VideoWriter, sample
from seektrack.video.live import LivePicture


def clip(path: Path, n: int = 30, fps: int = 50) -> Path:
    with VideoWriter(path, width=64, height=48, fps=fps, crf=4) as writer:
        for i in range(n):
            writer.write(np.full((48, 64, 3), 6 * i + 20, np.uint8))
    return path


def test_a_file_comes_at_its_own_pace_and_what_nobody_took_is_dropped(tmp_path: Path) -> None:
    source = LiveSource(clip(tmp_path / "a.mp4"))
    began = time.monotonic()
    frames, ages = [], []
    for picture in source.pictures():
        assert isinstance(picture, LivePicture)
        ages.append(time.monotonic() - picture.received_at)
        frames.append(picture.frame())
        if picture.index < 10:
            time.sleep(0.15)
    assert time.monotonic() - began >= 29 / 50
    assert source.received == 30
    assert source.dropped == 30 - len(frames) > 5
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    for frame in frames:
        assert frame.timestamp == frame.index * frames[-1].timestamp / frames[-1].index
        assert abs(float(frame.image.mean()) - (6 * frame.index + 20)) < 4, "the picture is another frame's"
    assert frames[-1].index == 29, "the newest is never dropped"
    assert source.info.hw == (48, 64)


def test_it_can_be_sampled_and_closed_from_another_thread(tmp_path: Path) -> None:
    taken = [f.time_s for f in sample(LiveSource(clip(tmp_path / "a.mp4")), Sampling.fps(10))]
    assert all(b - a > 0.01 for a, b in itertools.pairwise(taken))
    assert 1 < len(taken) <= 7
    source = LiveSource(clip(tmp_path / "long.mp4", 30, fps=5))
    threading.Timer(0.3, source.close).start()
    began = time.monotonic()
    assert len(list(source)) < 30
    assert time.monotonic() - began < 5


def test_there_is_no_past(tmp_path: Path) -> None:
    source = LiveSource(clip(tmp_path / "a.mp4", 3))
    for ask in (source.times, source.len_frames, lambda: source.frame_at(0), lambda: source.frame_near(0)):
        with pytest.raises(InputError, match="live stream"):
            ask()
    assert len(list(source)) >= 1
    with pytest.raises(InputError, match="read already"):
        list(source)


SENDER = """
import sys, time
import av
import numpy as np

for _ in range(200):  # until the reader listens
    try:
        out = av.open(sys.argv[1], "w", format="rtsp", options={"rtsp_transport": "tcp"})
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(50):
            picture = np.full((48, 64, 3), 4 * i + 20, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            time.sleep(0.01)
        break
    except Exception:
        time.sleep(0.05)
"""


def test_rtsp() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"rtsp://127.0.0.1:{port}/live"
    sender = subprocess.Popen([sys.executable, "-c", SENDER, url], stderr=subprocess.DEVNULL)
    try:
        options = {"rtsp_flags": "listen", "listen_timeout": "30"}
        source = LiveSource(url, options=options, timeout_s=30)
        frames = []
        for frame in source:
            frames.append(frame)
            if len(frames) == 5:
                source.close()
    finally:
        sender.kill()
        sender.wait()
    assert len(frames) == 5
    assert [f.timestamp for f in frames] == sorted({f.timestamp for f in frames})
    grey = [float(f.image.mean()) for f in frames]
    assert grey == sorted(grey)


def test_what_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such camera, stream or file"):
        LiveSource(tmp_path / "none.mp4")
    (tmp_path / "words.mp4").write_text("words")
    with pytest.raises(VideoError, match="cannot open the stream"):
        LiveSource(tmp_path / "words.mp4")
    with pytest.raises(VideoError, match="cannot open the stream"):
        LiveSource("rtsp://127.0.0.1:9/none", timeout_s=2)
    with pytest.raises(VideoError, match="camera 77"):
        LiveSource(77)


class StandIn:
    """A camera as OpenCV gives one, showing BGR pictures until it is unplugged."""

    def __init__(self, number: int) -> None:
        self.shown = 0

    def isOpened(self) -> bool:
        return True

    def get(self, what: int) -> float:
        return 30.0 if what == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.005)
        self.shown += 1
        return (True, np.full((48, 64, 3), (10, 20, 200), np.uint8)) if self.shown <= 8 else (False, None)

    def release(self) -> None:
        pass


def test_a_camera_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", StandIn)
    source = LiveSource("0")
    frames = list(source)
    assert source.received == 8
    assert source.info.fps == 30
    assert frames[0].image[0, 0].tolist() == [200, 20, 10]
    assert [f.timestamp for f in frames] == sorted({f.timestamp for f in frames})
