"""A picture is what a player shows: colours, shape, depth, transparency and lines, against closed forms."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.video import open_video

SDR = np.array(
    [(220, 30, 30), (30, 200, 40), (20, 40, 220), (120, 120, 120), (60, 60, 60), (200, 180, 60)], float
)
# ITU-R BT.2087 and SMPTE EG 432-1, linear light of BT.709 to the wider primaries.
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])


def pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084 of light whose white is 203 cd/m²."""
    p = np.clip(light * 203 / 1e4, 0, 1) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * p) / (1 + 2392 / 128 * p)) ** (2523 / 32)


def hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """ARIB STD-B67 of light whose white is 203 of 1000 cd/m², through the inverse system gamma of 1.2."""
    shown = light * 203 / 1000
    luminance = np.maximum(shown @ (0.2627, 0.6780, 0.0593), 1e-9)[..., None]
    scene = shown * luminance ** (1 / 1.2 - 1)
    logarithm = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm)


def gamma(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(light, 0) ** (1 / 2.2)


def patches(codes: NDArray[np.float64], side: int = 32) -> NDArray[np.uint16]:
    """Codes (N, 3) in [0, 1] as squares side by side, uint16 (side, N * side, 3)."""
    row = np.repeat(np.rint(codes * 65535).astype(np.uint16), side, axis=0)
    return np.repeat(row[None], side, axis=0)


def middles(image: NDArray[np.uint8], side: int = 32) -> NDArray[np.int64]:
    return image[side // 2, side // 2 :: side].astype(np.int64)


KINDS = {
    "PQ in HEVC": (pq, TO_2020, (9, 16, 9), "h.mp4", "libx265", "yuv420p10le"),
    "HLG in HEVC": (hlg, TO_2020, (9, 18, 9), "h.mkv", "libx265", "yuv420p10le"),
    "PQ in FFV1 of 12 bits": (pq, TO_2020, (9, 16, 9), "f.mkv", "ffv1", "yuv444p12le"),
    "HLG in ProRes": (hlg, TO_2020, (9, 18, 9), "p.mov", "prores_ks", "yuv422p10le"),
    "PQ in H.264": (pq, TO_2020, (9, 16, 9), "x.ts", "libx264", "yuv422p10le"),
    "wide without HDR": (gamma, TO_2020, (9, 14, 9), "w.mp4", "libx265", "yuv420p10le"),
    "Display P3": (gamma, TO_P3, (12, 13, 1), "d.mov", "prores_ks", "yuv422p10le"),
    "linear": (lambda light: light, np.eye(3), (1, 8, 1), "l.mkv", "ffv1", "yuv444p16le"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_films_for_other_displays_look_as_for_this_one(kind: str, tmp_path: Path, write_film) -> None:
    curve, primaries, (told, transfer, matrix), name, codec, pix_fmt = KINDS[kind]
    codes = np.clip(curve((SDR / 255) ** 2.2 @ primaries.T), 0, 1)

    def tag(context) -> None:
        context.color_primaries, context.color_trc, context.colorspace = told, transfer, matrix
        context.color_range = 1

    def frame() -> av.VideoFrame:
        rgb = av.VideoFrame.from_ndarray(patches(codes), "rgb48le")
        made = rgb.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=1)
        made.color_primaries, made.color_trc = told, transfer
        return made

    options = {
        "libx265": {"x265-params": "log-level=none:lossless=1:bframes=0"},
        "libx264": {"qp": "0"},
    }
    path = write_film(
        tmp_path / name,
        [frame() for _ in range(3)],
        codec=codec,
        pix_fmt=pix_fmt,
        setup=tag,
        options=options.get(codec, {}),
    )
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
    assert (first.color_primaries, first.color_trc) == (told, transfer), "the film is what it should be"
    source = open_video(path)
    assert np.abs(middles(source.frame_at(1).image) - SDR).max() <= 10
    small = next(iter(source.pictures())).luma((4, 4))
    assert small.shape == (4, 4)


def test_highlights_of_hdr_are_rolled_off_in_order_and_keep_their_hue(tmp_path: Path, write_film) -> None:
    light = np.array([(n, n, n) for n in (0.1, 0.5, 1.0, 2.0, 4.0)] + [(3.0, 0.3, 0.3)])
    rgb = patches(pq(light @ TO_2020.T))

    def tag(context) -> None:
        context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9

    frame = av.VideoFrame.from_ndarray(rgb, "rgb48le").reformat(
        format="yuv444p12le", dst_colorspace=9, dst_color_range=1
    )
    path = write_film(tmp_path / "h.mkv", [frame], codec="ffv1", pix_fmt="yuv444p12le", setup=tag)
    shown = middles(open_video(path).frame_at(0).image)
    greys = shown[:5, 0]
    assert (np.diff(greys) > 0).all() and greys[-1] <= 255, "brighter is brighter, up to white"
    assert abs(greys[0] - 255 * 0.1 ** (1 / 2.2)) <= 3, "what is well below white stays"
    assert greys[2] >= 220, "white is nearly white"
    assert shown[5, 0] > 200 > shown[5, 1] + 60, "a bright red stays red"


def test_hdr_of_the_world_is_embedded_as_its_sdr(tmp_path: Path, write_film) -> None:
    from seektrack.encoders import load_encoder
    from seektrack.world import SceneSettings, render, sample_scene

    settings = SceneSettings(height=256, width=256, n_frames=24, cast=(("car", "red"),), street_only=True)
    picture = render(sample_scene(300_000_000, settings)).frames[5]
    encoder = load_encoder("pocket")
    texts = encoder.embed_texts(["a red car", "a dog", "a boat", "the sea"])
    seen = [picture]
    for curve, transfer in ((pq, 16), (hlg, 18)):

        def tag(context, transfer: int = transfer) -> None:
            context.color_primaries, context.color_trc, context.colorspace = 9, transfer, 9

        codes = np.clip(curve((picture / 255) ** 2.2 @ TO_2020.T), 0, 1)
        frame = av.VideoFrame.from_ndarray(np.rint(codes * 65535).astype(np.uint16), "rgb48le").reformat(
            format="yuv420p10le", dst_colorspace=9, dst_color_range=1
        )
        path = write_film(
            tmp_path / f"{transfer}.mp4",
            [frame],
            codec="libx265",
            pix_fmt="yuv420p10le",
            setup=tag,
            options={"x265-params": "log-level=none:crf=8:bframes=0"},
        )
        seen.append(open_video(path).frame_at(0).image)
    vectors = encoder.embed_images(seen)
    assert (vectors[1:] @ vectors[0]).min() > 0.97
    assert (texts @ vectors.T).argmax(axis=0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("size, matrix", [((704, 480), 5), ((1280, 720), 1), ((960, 600), 1)])
def test_a_matrix_nobody_told_is_guessed_as_players_do(
    size: tuple[int, int], matrix: int, tmp_path: Path, write_film
) -> None:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:] = (220, 30, 30)
    frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=1
    )
    frame.colorspace = frame.color_range = 2 if matrix is None else frame.color_range
    path = write_film(tmp_path / "u.mp4", [frame], options={"crf": "4"})
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 2
    assert np.abs(open_video(path).frame_at(0).image[100, 100].astype(int) - (220, 30, 30)).max() <= 4


def test_ycgco_which_swscale_does_not_know(tmp_path: Path, write_film) -> None:
    r, g, b = (patches(SDR / 255)[..., i].astype(int) >> 8 for i in range(3))
    y, cg, co = (r + 2 * g + b) // 4, (2 * g - r - b) // 4 + 128, (r - b) // 2 + 128
    frame = av.VideoFrame.from_ndarray(np.stack([y, cg, co]).astype(np.uint8), "yuv444p")

    def tag(context) -> None:
        context.colorspace, context.color_range = 8, 2

    path = write_film(tmp_path / "y.mkv", [frame], pix_fmt="yuv444p", options={"qp": "0"}, setup=tag)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 8
    assert np.abs(middles(open_video(path).frame_at(0).image) - SDR).max() <= 4


ASPECTS = {
    "PAL wide": ("a.mp4", "libx264", Fraction(64, 45), (72, 90), (72, 128)),
    "NTSC": ("a.mkv", "libx264", Fraction(8, 9), (48, 72), (54, 72)),
    "MPEG-2": ("a.mpg", "mpeg2video", Fraction(4, 3), (48, 64), (48, 85)),
    "MPEG-4 in AVI": ("a.avi", "mpeg4", Fraction(4, 3), (48, 66), (48, 88)),
    "square": ("s.mp4", "libx264", Fraction(1, 1), (48, 64), (48, 64)),
    "a mistake": ("m.mp4", "libx264", Fraction(1000, 1), (48, 64), (48, 64)),
}


@pytest.mark.parametrize("kind", ASPECTS)
def test_pixels_that_are_not_square_are_stretched(kind: str, tmp_path: Path, write_film) -> None:
    name, codec, aspect, coded, shown = ASPECTS[kind]
    image = np.full((*coded, 3), 50, np.uint8)
    image[coded[0] // 4 : coded[0] // 2, coded[1] // 4 : coded[1] // 2] = (220, 30, 30)

    def tag(context) -> None:
        context.sample_aspect_ratio = aspect

    path = write_film(tmp_path / name, [image] * 3, codec=codec, setup=tag, fps=25)
    source = open_video(path)
    assert source.info.hw == shown
    expected = cv2.resize(image, shown[::-1], interpolation=cv2.INTER_LINEAR)
    got = source.frame_at(1).image
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(
    "codec, pix_fmt, name", [("qtrle", "argb", "q.mov"), ("png", "rgba", "p.mov"), ("ffv1", "bgra", "f.mkv")]
)
def test_what_is_transparent_lies_over_white(
    codec: str, pix_fmt: str, name: str, tmp_path: Path, write_film
) -> None:
    rgba = np.zeros((32, 48, 4), np.uint8)
    rgba[:, :16] = (200, 40, 10, 255)
    rgba[:, 16:32] = (200, 40, 10, 51)
    frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=pix_fmt)
    path = write_film(tmp_path / name, [frame] * 2, codec=codec, pix_fmt=pix_fmt)
    image = open_video(path).frame_at(1).image
    assert image[8, 8].tolist() == [200, 40, 10]
    assert np.abs(image[8, 24].astype(int) - (244, 212, 206)).max() <= 1, "a fifth of it over white"
    assert image[8, 40].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "codec, pix_fmt, name",
    [
        ("ffv1", "gray12le", "g.mkv"), ("ffv1", "gray16le", "h.mkv"), ("png", "rgb48be", "p.mov"),
        ("prores_ks", "yuv444p10le", "p.mov"), ("libx264", "yuv422p10le", "x.mp4"),
        ("libx265", "yuv420p12le", "y.mp4"), ("ffv1", "gbrp16le", "b.mkv"),
    ],
)  # fmt: skip
def test_more_than_eight_bits_show_the_same_picture(
    codec: str, pix_fmt: str, name: str, tmp_path: Path, write_film
) -> None:
    grey = pix_fmt.startswith("gray")
    wanted = SDR.mean(axis=1, keepdims=True).repeat(3, axis=1) if grey else SDR
    frame = av.VideoFrame.from_ndarray(patches(wanted / 255), "rgb48le").reformat(format=pix_fmt)
    options = {"libx265": {"x265-params": "log-level=none:lossless=1:bframes=0"}, "libx264": {"qp": "0"}}
    path = write_film(tmp_path / name, [frame], codec=codec, pix_fmt=pix_fmt, options=options.get(codec, {}))
    assert np.abs(middles(open_video(path).frame_at(0).image) - wanted).max() <= 4


def combed(image: NDArray[np.uint8]) -> float:
    """How much a line differs from the mean of its neighbours, beyond what these differ by."""
    a = image.astype(int)
    return float((np.abs(2 * a[1:-1] - a[:-2] - a[2:]) / 2 - np.abs(a[2:] - a[:-2])).clip(0).mean())


INTERLACED = {
    "MPEG-2": ("i.mpg", "mpeg2video", {"flags": "+ildct+ilme"}),
    "H.264 in TS": ("i.ts", "libx264", {"flags": "+ildct+ilme", "x264-params": "tff=1"}),
    "DV in MOV": ("i.mov", "dvvideo", {}),
}


@pytest.mark.parametrize("kind", INTERLACED)
def test_interlaced_pictures_are_shown_without_combs(kind: str, tmp_path: Path, write_film) -> None:
    name, codec, options = INTERLACED[kind]
    h, w = (576, 720) if codec == "dvvideo" else (120, 160)
    pictures = []
    for i in range(6):
        image = np.full((h, w, 3), 60, np.uint8)
        for field in (0, 1):  # the second field shows the square a little later
            x = 20 + 8 * i + 4 * field
            image[h // 4 + field : h // 2 : 2, x : x + 40] = (200, 200, 200)
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
        pictures.append(frame)
    path = write_film(tmp_path / name, pictures, codec=codec, options=options, fps=25)
    with av.open(str(path)) as container:
        raw = list(container.decode(video=0))
    assert all(f.interlaced_frame for f in raw)
    source = open_video(path)
    frames = list(source)
    assert len(frames) == len(raw) == 6
    for frame, was in zip(frames, raw, strict=True):
        before = combed(was.to_ndarray(format="rgb24"))
        assert before > 0.3 and combed(frame.image) < before / 4
    assert np.array_equal(source.frame_at(3).image, frames[3].image), "whatever was decoded before"


def test_pictures_only_called_interlaced_keep_every_line(tmp_path: Path, write_film, pictures) -> None:
    """Progressive pictures in an interlaced stream, as broadcast has them: smooth, so never combed."""
    smooth = [cv2.GaussianBlur(image, (0, 0), 3) for image in pictures(4)]
    path = write_film(
        tmp_path / "p.ts", smooth, options={"flags": "+ildct+ilme", "x264-params": "tff=1"}, fps=25
    )
    with av.open(str(path)) as container:
        raw = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    for frame, was in zip(open_video(path), raw, strict=True):
        assert np.array_equal(frame.image, was)
