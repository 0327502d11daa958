from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seektrack.errors import InputError, OutputError
from seektrack.video import VideoWriter, open_video
from seektrack.video import writer as writing


def picture(i: int = 0, *, h: int = 48, w: int = 64) -> NDArray[np.uint8]:
    image = np.full((h, w, 3), (200, 60, 40), np.uint8)
    image[:, w // 2 :] = (30, 60, 210)
    image[: h // 2, : (7 * i) % w] = (40, 200, 60)
    return image


def stamps(path: Path) -> list[Fraction]:
    """What plain PyAV reads back, as seconds."""
    with av.open(str(path)) as container:
        return [f.pts * f.time_base for f in container.decode(video=0)]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "w.mp4", width=64, height=48, fps=Fraction(30000, 1001), crf=1) as writer:
        for i in range(20):
            writer.write(picture(i))
    assert writer.n_written == 20
    assert stamps(tmp_path / "w.mp4") == [Fraction(i * 1001, 30000) for i in range(20)]
    for frame in open_video(tmp_path / "w.mp4"):
        assert np.abs(frame.image.astype(int) - picture(frame.index)).mean() < 4


def test_the_file_is_h264_yuv420p_with_colours_tagged_and_its_index_in_front(tmp_path: Path) -> None:
    path = tmp_path / "w.mp4"
    with VideoWriter(path, width=64, height=48, fps=25) as writer:
        writer.write(picture())
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert (stream.codec_context.name, frame.format.name) == ("h264", "yuv420p")
        assert (frame.colorspace, frame.color_range) == (1, 1)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.integers(1, 4000), min_size=1, max_size=12), start=st.integers(0, 3000))
def test_given_timestamps_are_kept_exactly(tmp_path: Path, gaps: list[int], start: int) -> None:
    times = [Fraction(start + sum(gaps[:i]), 1000) for i in range(len(gaps))]
    with VideoWriter(tmp_path / "v.mp4", width=16, height=16, fps=25) as writer:
        for i, t in enumerate(times):
            writer.write(picture(i, h=16, w=16), t if i % 2 else float(t))
    assert stamps(tmp_path / "v.mp4") == times


def test_a_missing_timestamp_follows_the_last_one(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "m.mp4", width=64, height=48, fps=10) as writer:
        for stamp in (None, 0.5, None, Fraction(9, 10)):
            writer.write(picture(), stamp)
    assert stamps(tmp_path / "m.mp4") == [0, Fraction(1, 2), Fraction(6, 10), Fraction(9, 10)]


@pytest.mark.parametrize(("h", "w"), [(47, 63), (48, 63), (47, 64), (1, 1)])
def test_odd_sizes_repeat_their_edge(tmp_path: Path, h: int, w: int) -> None:
    image = picture(3, h=h, w=w)
    with VideoWriter(tmp_path / "o.mp4", width=w, height=h, fps=10, crf=1) as writer:
        writer.write(image)
    got = open_video(tmp_path / "o.mp4").frame_at(0).image.astype(int)
    assert got.shape == (h + h % 2, w + w % 2, 3)
    assert np.abs(got[:h, :w] - image).mean() < 8
    assert np.abs(got[-1] - got[h - 1]).mean() < 8
    assert np.abs(got[:, -1] - got[:, w - 1]).mean() < 8


def test_nothing_but_the_finished_file_is_left(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "f.mp4"
    with VideoWriter(target, width=64, height=48, fps=10) as writer:
        writer.write(picture())
        assert not target.exists()
    assert [p.name for p in target.parent.iterdir()] == ["f.mp4"]
    writer.close()


def test_an_error_leaves_the_older_file_untouched(tmp_path: Path) -> None:
    target = tmp_path / "f.mp4"
    target.write_bytes(b"older")
    with pytest.raises(ZeroDivisionError), VideoWriter(target, width=64, height=48, fps=10) as writer:
        writer.write(picture())
        raise ZeroDivisionError
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OutputError, match="closed"):
        writer.write(picture())


def test_a_video_without_a_picture_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no picture"),
        VideoWriter(tmp_path / "n.mp4", width=64, height=48, fps=10),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_unwritable_targets_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    for target in (tmp_path / "file" / "x.mp4", tmp_path / "folder.mp4", tmp_path / "x.avi", tmp_path):
        with pytest.raises(OutputError) as caught:
            VideoWriter(target, width=64, height=48, fps=10)
        assert str(target) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.mp4"]


def test_pictures_and_times_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "r.mp4", width=64, height=48, fps=10) as writer:
        writer.write(picture(), 1.0)
        for wrong in (picture(h=50), picture()[..., 0], picture().astype(np.float32)):
            with pytest.raises(InputError, match=r"must be uint8 \(48, 64, 3\)"):
                writer.write(wrong)
        for stamp, words in ((1.0, "must rise"), (0.2, "must rise"), (-1.0, "≥ 0"), (float("nan"), "≥ 0")):
            with pytest.raises(InputError, match=words):
                writer.write(picture(), stamp)
    assert stamps(tmp_path / "r.mp4") == [1]


@pytest.mark.parametrize("wrong", [{"width": 0}, {"height": -2}, {"fps": 0}, {"crf": 60}])
def test_settings_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        VideoWriter(tmp_path / "s.mp4", **{"width": 64, "height": 48, "fps": 10, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone gives a process its processors")
def test_equal_pictures_are_equal_bytes_on_any_processor(tmp_path: Path) -> None:
    """As x264 writes without any SIMD; and on one processor as on all."""
    pictures = np.random.default_rng(0).integers(0, 255, (12, 45, 60, 3), dtype=np.uint8)
    pictures = pictures.repeat(4, axis=1).repeat(4, axis=2)

    def written(name: str) -> bytes:
        path = tmp_path / name
        with VideoWriter(path, width=240, height=180, fps=25) as writer:
            for picture in pictures:
                writer.write(picture)
        return path.read_bytes()

    every = written("all.mp4")
    held = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(held)})
        assert written("one.mp4") == every
    finally:
        os.sched_setaffinity(0, held)
    with pytest.MonkeyPatch.context() as patch:
        slow = {**writing.X264, "x264-params": writing.X264["x264-params"] + ":asm=0"}
        patch.setattr(writing, "X264", slow)
        assert written("plain.mp4") == every
