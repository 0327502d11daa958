"""One reader of pictures for every door; Pillow, OpenCV or a closed form is the other opinion."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from seektrack import limits
from seektrack.errors import InputError, VideoError
from seektrack.video import find_videos, open_video, read_image

ORIENTATION = 274


def corners(h: int = 48, w: int = 64) -> NDArray[np.uint8]:
    """No turn or mirror leaves it as it is."""
    image = np.full((h, w, 3), 120, np.uint8)
    image[: h // 2, : w // 2], image[: h // 2, w // 2 :] = (220, 30, 30), (30, 200, 40)
    image[h // 2 :, : w // 2] = (20, 40, 220)
    return image


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_says_at_every_door(
    suffix: str, orientation: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[271] = orientation, "Camera"
    path = tmp_path / f"a.{suffix}"
    lossy = {"quality": 95} if suffix in ("jpg", "webp", "avif") else {}
    Image.fromarray(corners()).save(path, exif=exif, **lossy)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    for got in (read_image(path), open_video(path).frame_at(0).image, open_video(tmp_path).frame_at(0).image):
        assert got.shape == expected.shape
        assert got.flags.writeable
        assert np.abs(got.astype(int) - expected).mean() < 1


def test_a_turned_photo_is_embedded_as_the_upright_one(tmp_path: Path) -> None:
    from seektrack.encoders import load_encoder

    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright = Image.fromarray(cv2.GaussianBlur(corners(240, 320), (0, 0), 4))
    upright.save(tmp_path / "up.jpg", quality=95)
    upright.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    a, b = load_encoder("pocket").embed_images([read_image(tmp_path / f"{n}.jpg") for n in ("up", "turned")])
    assert a @ b >= 0.999


@pytest.mark.parametrize(
    "name, stored, shown",
    [
        ("a.png", np.full((6, 8), 0x6666, np.uint16), 102),
        ("a.tif", np.full((6, 8), 0x6666, np.uint16), 102),
        ("low.png", np.array([[0, 2048, 4000]], np.uint16), [0, 128, 249]),  # 12 bits
        ("ten.tif", np.array([[0, 512, 1023]], np.uint16), [0, 128, 255]),
        ("eight.png", np.array([[0, 100, 200]], np.uint16), [0, 100, 200]),
        ("dark.png", np.array([[0, 5000, 10_000]], np.uint16), [0, 19, 39]),  # 16 bits, of a night
        ("float.tif", np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
    ],
)
def test_deep_greys_are_scaled_by_the_bits_they_have(
    name: str, stored: NDArray[np.generic], shown: object, tmp_path: Path
) -> None:
    Image.fromarray(stored).save(tmp_path / name)
    wanted = np.broadcast_to(shown, stored.shape)
    for got in (read_image(tmp_path / name), open_video(tmp_path).frame_at(0).image):
        assert np.abs(got[..., 0].astype(int) - wanted).max() <= 1
        assert (got == got[..., :1]).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("scale, kind", [(257, np.uint16), (16, np.uint16), (1 / 255, np.float32)])
def test_deep_colours_too(suffix: str, scale: float, kind: type, tmp_path: Path) -> None:
    if suffix == "png" and kind is np.float32:
        pytest.skip("PNG holds whole numbers")
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), (corners().astype(float) * scale).astype(kind)[..., ::-1])
    assert np.abs(read_image(path).astype(int) - corners()).max() <= 1


def test_deep_pictures_of_a_folder_share_the_first_ones_white(tmp_path: Path) -> None:
    for i, value in enumerate((4000, 1000)):
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / f"{i}.png")
    assert [int(f.image[0, 0, 0]) for f in open_video(tmp_path)] == [249, 62]


def test_what_is_transparent_lies_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 40, 10, 51)).save(tmp_path / "a.png")
    Image.new("LA", (4, 4), (0, 128)).save(tmp_path / "b.png")
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([9, 9, 9] * 256)
    palette.save(tmp_path / "c.png", transparency=3)
    deep = np.zeros((4, 4, 4), np.uint16)
    deep[..., 2], deep[..., 3] = 65535, 13107
    cv2.imwrite(str(tmp_path / "d.png"), deep)
    shown = [read_image(tmp_path / f"{n}.png")[0, 0].tolist() for n in "abcd"]
    assert shown == [[244, 212, 206], [127] * 3, [255] * 3, [255, 204, 204]]


def test_colours_are_brought_to_srgb_by_the_profile(tmp_path: Path) -> None:
    plain = corners()
    Image.fromarray(plain).save(tmp_path / "s.png")
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(plain).save(tmp_path / "p.png", icc_profile=lab.tobytes())
    assert np.array_equal(read_image(tmp_path / "p.png"), plain)
    Image.fromarray(plain).save(tmp_path / "bad.png", icc_profile=b"no profile")
    assert np.array_equal(read_image(tmp_path / "bad.png"), plain), "a viewer ignores it"
    cmyk = Image.fromarray(plain).convert("CMYK")
    cmyk.save(tmp_path / "c.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "c.jpg").astype(int) - plain).mean() < 3


def pages(n: int = 4) -> list[Image.Image]:
    return [Image.new("RGB", (16, 12), (60 * i, 10, 200)) for i in range(n)]


@pytest.mark.parametrize("suffix", ["webp", "png", "apng", "gif"])
def test_moving_pictures_are_videos_with_times_of_their_own(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    how = {"lossless": True} if suffix == "webp" else {}
    pages()[0].save(
        path, save_all=True, append_images=pages()[1:], duration=[100, 300, 200, 400], loop=0, **how
    )
    source = open_video(path)
    assert [f.timestamp for f in source] == [Fraction(t, 1000) for t in (0, 100, 400, 600)]
    assert [round(int(f.image[0, 0, 0]) / 60) for f in source] == [0, 1, 2, 3]
    assert source.info.duration_s == pytest.approx(1.0)
    assert find_videos([tmp_path]) == [path]
    with pytest.raises(InputError, match="fps=5 given for"):
        open_video(path, fps=5)


def test_a_page_shown_for_no_time_is_shown_for_a_tenth_of_a_second(tmp_path: Path) -> None:
    pages()[0].save(tmp_path / "a.webp", save_all=True, append_images=pages()[1:3], duration=0)
    assert open_video(tmp_path / "a.webp").times() == [Fraction(i, 10) for i in range(3)]


def test_pages_of_a_tiff_are_frames_but_small_copies_are_not(tmp_path: Path) -> None:
    from PIL import TiffImagePlugin

    small = TiffImagePlugin.ImageFileDirectory_v2()
    small[254] = 1
    path = tmp_path / "a.tif"
    whole = [*pages(3)]
    copy = Image.new("RGB", (4, 3))
    copy.encoderinfo = {"tiffinfo": small}
    whole[0].save(path, save_all=True, append_images=[copy, *whole[1:]])
    source = open_video(path, fps=2)
    assert source.times() == [Fraction(0), Fraction(1, 2), Fraction(1)]
    assert [round(int(f.image[0, 0, 0]) / 60) for f in source] == [0, 1, 2]
    assert source.info.hw == (12, 16)


def test_one_still_is_one_frame(tmp_path: Path) -> None:
    """Also a phone's JPEG that carries a second picture behind the first."""
    Image.fromarray(corners()).save(tmp_path / "a.png")
    Image.fromarray(corners()).save(
        tmp_path / "b.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]
    )
    (tmp_path / "without suffix").write_bytes((tmp_path / "a.png").read_bytes())
    for name in ("a.png", "b.jpg", "without suffix"):
        source = open_video(tmp_path / name)
        assert (source.len_frames(), source.info.hw) == (1, (48, 64))


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


BAD = {
    "huge.png": png_of(60_000, 60_000),
    "large.png": png_of(20_000, 20_000),
    "header.png": png_of(8, 8)[:20],
    "half.jpg": b"\xff\xd8\xff\xe0" + bytes(40),
    "empty.webp": b"",
    "words.tif": b"II*\0 only words",
    "zero.png": png_of(0, 8),
    "riff.webp": b"RIFF\x10\0\0\0WEBPVP8X" + bytes(8),
    "short.png": png_of(64, 64),
}


@pytest.mark.parametrize("name", BAD)
def test_a_picture_that_cannot_be_read_is_named_at_every_door(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BAD[name])
    for door in (read_image, open_video, lambda _: open_video(tmp_path)):
        with pytest.raises(VideoError) as refused:
            door(tmp_path / name)
        assert name in str(refused.value) and "\n" not in str(refused.value)


def test_how_many_pixels_are_too_many_can_be_set(tmp_path: Path) -> None:
    Image.fromarray(corners()).save(tmp_path / "a.png")
    refusal = r"has 3072 pixels, more than 3071 .*SEEKTRACK_MAX_PIXELS"
    with limits.use(max_pixels=3071), pytest.raises(VideoError, match=refusal):
        read_image(tmp_path / "a.png")
    with limits.use(max_pixels=3072):
        assert read_image(tmp_path / "a.png").shape == (48, 64, 3)


def test_flipped_bits_never_raise_anything_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = []
    for form, how in (("PNG", {}), ("JPEG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("BMP", {})):
        whole = io.BytesIO()
        Image.fromarray(corners()).save(whole, form, **how)
        made.append(whole.getvalue())
    read = 0
    for i in range(150):
        data = bytearray(made[i % len(made)])
        for at in rng.integers(0, len(data), 3):
            data[at] ^= 1 << int(rng.integers(0, 8))
        path = tmp_path / "a.img"
        path.write_bytes(data)
        try:
            assert read_image(path).shape[2] == 3
            read += 1
        except VideoError as error:
            assert "a.img" in str(error)
    assert 0 < read < 150
