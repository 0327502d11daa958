"""Times, turns, cuts and jumps as OpenCV has them, which shares no code with ours but FFmpeg."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.video import open_video

N = 40
WORDS = "ein Ordner – 日本/mit Platz & é.{}"


def picture(i: int) -> NDArray[np.uint8]:
    """Bright where nothing is alike: a corner tells turns, a bar the frame."""
    image = np.full((48, 80, 3), 30, np.uint8)
    image[:16, :24] = (220, 40, 40)
    image[-12:, : 2 * i] = (40, 200, 60)
    return image


def encode(path: Path, how: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    gaps = how.get("gaps_ms", [40])
    with av.open(str(path), "w") as container:
        stream = container.add_stream(how.get("codec", "libx264"), rate=25, options=how.get("options", {}))
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = 12
        if "turn" in how:
            stream.set_display_rotation(how["turn"])
        stamps = itertools.accumulate(itertools.cycle(gaps), initial=how.get("start_ms", 0))
        for i, stamp in zip(range(N), stamps, strict=False):
            frame = av.VideoFrame.from_ndarray(picture(i), "rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "b-frames": ("mp4", {"options": {"bf": "3"}}),
    "variable rate in mp4": ("mp4", {"gaps_ms": [20, 33, 120, 51, 7]}),
    "variable rate in matroska": ("mkv", {"gaps_ms": [17, 400, 16, 33]}),
    "transport stream": ("ts", {"options": {"bf": "2"}}),
    "webm": ("webm", {"codec": "libvpx", "options": {"deadline": "realtime"}}),
    "quarter turn": ("mp4", {"turn": 90}),
    "half turn": ("mp4", {"turn": 180}),
    "three quarters": ("mov", {"turn": 270}),
}


def opencv(path: Path) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """Seconds from the first frame, and RGB pictures."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.isOpened()
    times, images = [], []
    while True:
        ok, image = capture.read()
        if not ok:
            break
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    capture.release()
    return [t - times[0] for t in times], images


@pytest.fixture(scope="module", params=CASES)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suffix, how = CASES[request.param]
    return encode(tmp_path_factory.mktemp("clips") / WORDS.format(suffix), how)


def near(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> bool:
    return ours.shape == theirs.shape and float(np.abs(ours.astype(int) - theirs).mean()) < 2


def test_frames_times_and_turns_are_theirs(clip: Path) -> None:
    times, images = opencv(clip)
    frames = list(open_video(clip))
    assert len(frames) == len(images) == N
    assert [f.time_s for f in frames] == pytest.approx(times, abs=2e-3)
    assert all(near(f.image, image) for f, image in zip(frames, images, strict=True))
    assert open_video(clip).info.hw == images[0].shape[:2]


@pytest.mark.parametrize("interval", [(0.2, 0.61), (0.5, None), (None, 0.33)])
def test_an_interval_shows_the_frames_of_those_seconds(
    clip: Path, interval: tuple[float | None, float | None]
) -> None:
    start, end = interval
    times, images = opencv(clip)
    wanted = [i for i, t in enumerate(times) if (start or 0) - 1e-6 <= t < (end or 1e9) - 1e-6]
    frames = list(open_video(clip, start_s=start, end_s=end))
    assert [f.index for f in frames] == wanted
    assert all(near(f.image, images[f.index]) for f in frames)


def test_a_jump_lands_on_the_frame_shown_at_that_time(clip: Path, rng: np.random.Generator) -> None:
    times, images = opencv(clip)
    source = open_video(clip)
    for index in rng.integers(0, N, 12).tolist():
        assert near(source.frame_at(index).image, images[index])
        assert source.frame_near(times[index] + 1e-4).index == index
