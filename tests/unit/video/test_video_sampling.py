from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.video import Picture, Sampling, VideoWriter, open_video, prefetch, sample


def grey(values: list[int]) -> NDArray[np.uint8]:
    return np.stack([np.full((36, 64, 3), v, np.uint8) for v in values])


def indices(values: list[int], sampling: Sampling, *, fps: float = 10, **interval: float) -> list[int]:
    return [f.index for f in sample(open_video(grey(values), fps=fps, **interval), sampling)]


def test_every_takes_the_first_and_each_nth() -> None:
    assert indices([0] * 11, Sampling.every(4)) == [0, 4, 8]
    assert indices([0] * 3, Sampling.every(1)) == [0, 1, 2]
    assert indices([0] * 11, Sampling.every(4), start_s=0.25) == [3, 7]


def test_fps_takes_the_first_frame_at_or_after_each_tick() -> None:
    assert indices([0] * 25, Sampling.fps(2)) == [0, 5, 10, 15, 20]
    assert indices([0] * 25, Sampling.fps(4)) == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]
    assert indices([0] * 4, Sampling.fps(100)) == [0, 1, 2, 3]


@settings(max_examples=40)
@given(rate=st.fractions(Fraction(1, 10), 60), fps=st.sampled_from([24, 25, 30, Fraction(30000, 1001)]))
def test_fps_never_drifts_nor_exceeds_its_rate(rate: Fraction, fps: Fraction) -> None:
    images = [np.zeros((2, 2, 3), np.uint8)] * 60
    times = [f.timestamp for f in sample(open_video(images, fps=fps), Sampling.fps(rate))]
    ticks = [int(t * rate) for t in times]
    assert ticks == sorted(set(ticks))
    if rate <= fps:
        length = Fraction(59) / fps
        assert ticks == list(range(int(length * rate) + 1))[: len(ticks)]
        assert len(ticks) >= int(length * rate)


def test_fps_follows_real_time_at_a_variable_rate(tmp_path: Path) -> None:
    stamps = [0.0, 0.04, 0.08, 1.0, 1.01, 1.02, 3.5, 3.54]
    with VideoWriter(tmp_path / "v.mp4", width=64, height=36, fps=25) as writer:
        for image, stamp in zip(grey([10 * i for i in range(8)]), stamps, strict=True):
            writer.write(image, stamp)
    assert [f.index for f in sample(open_video(tmp_path / "v.mp4"), Sampling.fps(1))] == [0, 3, 6]


def test_adaptive_takes_changes_and_keeps_its_limits() -> None:
    still, jump = [50] * 10, [120] * 10
    quick = Sampling.adaptive(min_change=0.1, max_gap_s=100, max_fps=10)
    assert indices(still + jump, quick) == [0, 10]
    assert indices(still * 4, Sampling.adaptive(min_change=0.1, max_gap_s=1.5)) == [0, 15, 30]
    flicker = [0, 200] * 10
    assert indices(flicker, quick) == list(range(20))
    assert indices(flicker, Sampling.adaptive(max_fps=3)) == [0, 5, 10, 15]


def test_adaptive_sees_a_small_thing_move_and_not_the_noise_of_the_sensor() -> None:
    rng = np.random.default_rng(0)
    images = []
    for i in range(40):
        image = rng.normal(100, 6, (144, 256, 3)).clip(0, 255).astype(np.uint8)
        if 20 <= i < 24:  # half a hundredth of the picture
            image[60:74, 40 + 20 * i % 160 : 54 + 20 * i % 160] = 190
        images.append(image)
    taken = [f.index for f in sample(open_video(images, fps=4), Sampling.adaptive(max_gap_s=100))]
    assert taken == [0, 20, 21, 22, 23, 24]


def test_adaptive_sees_slow_change_because_it_compares_with_the_last_frame_taken() -> None:
    ramp = list(range(0, 200, 2))
    taken = indices(ramp, Sampling.adaptive(min_change=20 / 255, max_gap_s=100, max_fps=10))
    assert taken == list(range(0, 100, 10))


def test_keyframes_are_those_the_encoder_made_and_nothing_else_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "k.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"x264-params": "keyint=7:scenecut=0"})
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for image in grey([3 * i for i in range(30)]):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    source = open_video(path)
    taken = list(sample(source, Sampling.keyframes()))
    assert [f.index for f in taken] == [0, 7, 14, 21, 28]
    everything = [f.image for f in source]
    assert all(np.array_equal(f.image, everything[f.index]) for f in taken)
    trimmed = open_video(path, start_s=0.6, end_s=2.1)
    assert [f.index for f in sample(trimmed, Sampling.keyframes())] == [7, 14]


def test_frames_not_taken_are_never_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[int] = []
    original = Picture.frame

    def counted(picture: Picture) -> object:
        converted.append(picture.index)
        return original(picture)

    monkeypatch.setattr(Picture, "frame", counted)
    assert indices([0] * 20, Sampling.fps(1)) == converted == [0, 10]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every=5", Sampling.every(5)),
        (" FPS = 2 ", Sampling.fps(2)),
        ("fps=0.5", Sampling.fps(Fraction(1, 2))),
        ("fps=30000/1001", Sampling.fps(Fraction(30000, 1001))),
        ("keyframes", Sampling.keyframes()),
        ("adaptive", Sampling.adaptive()),
        ("adaptive=0.1", Sampling.adaptive(min_change=0.1)),
        ("adaptive, gap=9", Sampling.adaptive(max_gap_s=9)),
        ("adaptive=0.1,gap=10,fps=2.5", Sampling.adaptive(min_change=0.1, max_gap_s=10, max_fps=2.5)),
    ],
)
def test_parse_reads_what_str_writes(text: str, expected: Sampling) -> None:
    assert Sampling.parse(text) == expected
    assert Sampling.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "every", "every=0", "every=2.5", "fps", "fps=0", "fps=-1", "fps=nan", "fps=1/0", "fps=inf",
        "keyframes=3", "adaptive=0", "adaptive=2", "adaptive=", "sometimes",
        "adaptive=0.1,gap", "adaptive,gap=0", "adaptive,luck=3", "adaptive,fps=0", "fps=2,gap=3", "every=2,",
    ],
)  # fmt: skip
def test_parse_refuses_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Sampling.parse(text)
    assert "\n" not in str(caught.value)


def producers() -> int:
    return sum(t.name == "seektrack-prefetch" for t in threading.enumerate())


def test_prefetch_keeps_order_and_ends_its_thread() -> None:
    assert list(prefetch(range(100), depth=3)) == list(range(100))
    assert list(prefetch([])) == []
    assert producers() == 0


def test_prefetch_runs_ahead_but_never_further_than_its_depth() -> None:
    made: list[int] = []

    def produce() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    ahead = prefetch(produce(), depth=4)
    assert made == []
    for taken in range(1, 10):
        next(ahead)
        deadline = time.monotonic() + 10
        while len(made) < taken + 4 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.005)
        assert len(made) == taken + 4
    ahead.close()  # type: ignore[attr-defined]
    assert producers() == 0


def test_prefetch_raises_the_producers_error_after_what_came_before() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("the third is broken")

    seen: list[int] = []
    with pytest.raises(InputError, match="third"):
        for item in prefetch(broken()):
            seen.append(item)
    assert seen == [1, 2]
    assert producers() == 0


def test_prefetch_closes_the_iterator_when_its_consumer_leaves() -> None:
    closed_in: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread().name)

    for _ in prefetch(endless(), depth=2):
        break
    assert closed_in == ["seektrack-prefetch"]
    assert producers() == 0


def test_prefetch_refuses_no_depth() -> None:
    with pytest.raises(InputError, match="depth"):
        prefetch([1], depth=0)


def test_prefetch_of_a_file_gives_the_same_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "p.mp4", width=64, height=36, fps=10) as writer:
        for image in grey([8 * i for i in range(24)]):
            writer.write(image)
    source = open_video(tmp_path / "p.mp4")
    ahead = [(f.index, f.image.tobytes()) for f in prefetch(source, depth=2)]
    assert ahead == [(f.index, f.image.tobytes()) for f in source]
