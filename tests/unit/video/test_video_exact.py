"""A frame asked for is the frame it was: any order, backwards, from a start, in every kind of container."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from seektrack.video import open_video
from seektrack.video.decoder import Decoder
from seektrack.video.file import FileSource

N = 60
X264 = {"x264-params": "keyint=16:bframes=3:scenecut=0"}
REFRESH = {"x264-params": "intra-refresh=1:keyint=16:bframes=0"}
OPEN = {"x264-params": "open-gop=1:keyint=16:bframes=3:scenecut=0"}
KINDS = {
    "h264 in avi": ("a.avi", "libx264", X264),
    "open gop in avi": ("o.avi", "libx264", OPEN),
    "mpeg-4 with b-frames in avi": ("m.avi", "mpeg4", {"bf": "2"}),
    "mpeg-2 program stream": ("a.mpg", "mpeg2video", {"bf": "2"}),
    "dvd": ("a.vob", "mpeg2video", {"bf": "2"}),
    "mpeg-1": ("1.mpg", "mpeg1video", {"bf": "2"}),
    "intra refresh in mp4": ("r.mp4", "libx264", REFRESH),
    "intra refresh in mkv": ("r.mkv", "libx264", REFRESH),
    "intra refresh in ts": ("r.ts", "libx264", REFRESH),
    "intra refresh in flv": ("r.flv", "libx264", REFRESH),
    "intra refresh bare": ("r.h264", "libx264", REFRESH),
    "open gop in ts": ("o.ts", "libx264", OPEN),
    "hevc open gop": ("h.mkv", "libx265", {"x265-params": "log-level=none:open-gop=1:keyint=16"}),
    "mjpeg in avi": ("j.avi", "mjpeg", {}),
    "wmv": ("a.wmv", "wmv2", {}),
    "gif": ("a.gif", "gif", {}),
}


@pytest.fixture(scope="module", params=KINDS)
def film(request, tmp_path_factory, write_film, pictures) -> Path:
    name, codec, options = KINDS[request.param]
    pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    path = tmp_path_factory.mktemp("films") / name
    fps = 25 if codec.startswith("mpeg") else 10
    return write_film(path, pictures(N, h=64, w=96), codec=codec, options=options, pix_fmt=pix_fmt, fps=fps)


def test_any_order_backwards_and_from_a_start_equal_the_whole(film: Path, rng: np.random.Generator) -> None:
    with av.open(str(film)) as container:
        expected = sum(1 for _ in container.decode(video=0))
    whole = list(open_video(film))
    assert len(whole) == expected

    def same(frame) -> bool:
        was = whole[frame.index]
        return frame.timestamp == was.timestamp and np.array_equal(frame.image, was.image)

    source = open_video(film)
    assert all(same(source.frame_at(int(i))) for i in rng.permutation(expected)[:25])
    back = list(open_video(film).frames_reversed())
    assert [f.index for f in back] == list(range(expected))[::-1]
    assert all(map(same, back))
    for i in (1, 7, 17, 31, expected - 1):
        start = float(whole[i].timestamp)
        shown = list(open_video(film, start_s=start, end_s=start + 0.35))
        assert shown[0].index == i
        assert all(map(same, shown))


def test_a_seek_in_a_good_container_decodes_one_group_only(
    tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", pictures(120, h=64, w=96), gop=12)
    source = open_video(path)
    source.times()
    decoded = 0
    plain = Decoder._decode

    def counted(self: Decoder, packet: object) -> list[av.VideoFrame]:
        nonlocal decoded
        frames = plain(self, packet)  # type: ignore[arg-type]
        decoded += len(frames)
        return frames

    monkeypatch.setattr(Decoder, "_decode", counted)
    assert source.frame_at(100).index == 100
    assert decoded <= 24


def test_where_stamps_cannot_be_trusted_seeks_still_spare_most_of_the_file(
    tmp_path: Path, write_film, pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.avi", pictures(120, h=64, w=96), options=X264)
    source = open_video(path)
    list(source)  # a pass settles the table with the mark of each picture
    asked: list[int] = []
    restart = Decoder.restart
    monkeypatch.setattr(Decoder, "restart", lambda self: (asked.append(1), restart(self))[1])
    whole = list(open_video(path))
    asked.clear()
    for i in (100, 50, 119, 75):
        assert np.array_equal(source.frame_at(i).image, whole[i].image)
    assert len(asked) <= 1, "found by its pixels behind a key frame, not from the front"


def test_a_table_that_decoding_contradicts_is_given_up(tmp_path: Path, write_film, pictures) -> None:
    """Whatever a seek gives, a picture that is not the wanted one is never shown for it."""
    path = write_film(tmp_path / "a.avi", pictures(40, h=64, w=96), options=X264)
    source = FileSource(path)
    whole = [f.image for f in source]
    table = source._frame_index()
    astray = tuple(k._replace(before=k.before + 5, dts=k.dts + 5) for k in table.keys)
    source._index = replace(table, keys=astray)
    assert all(np.array_equal(source.frame_at(i).image, whole[i]) for i in (39, 20, 33, 1))
