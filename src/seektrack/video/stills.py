"""Still pictures as a viewer shows them: the one reader for every door."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from seektrack.errors import VideoError
from seektrack.limits import Limits
from seektrack.video.convert import over_white
from seektrack.video.wall import wall

IMAGE_SUFFIXES = frozenset(
    {
        ".apng", ".avif", ".bmp", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif",
        ".tiff", ".webp",
    }
)  # fmt: skip
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
_TIFF_MAGIC = (b"II*\0", b"MM\0*")
# Others call their layers, sizes and gain maps frames too.
_PAGED = frozenset({"AVIF", "GIF", "PNG", "TIFF", "WEBP"})
_ORIENTATION, _SUBFILE, _WIDTH, _HEIGHT = 0x0112, 254, 256, 257
# A page shown for at most so long is shown for a tenth of a second, as browsers and FFmpeg do.
_QUICKEST_MS, _USUAL_MS = 10, 100

Samples = NDArray[Any]


def read_image(file: str | Path, *, white: float | None = None) -> NDArray[np.uint8]:
    """One picture file as a viewer shows it: uint8 (H, W, 3), sRGB.

    Turned and mirrored as its EXIF says, colours brought to sRGB by its ICC profile, what is transparent
    over white, the first page of several. More than 8 bits are scaled to 8, see `white_level`.

    Args:
        file: JPEG, PNG, TIFF, WebP, AVIF, JPEG 2000, BMP and whatever else Pillow reads.
        white: The stored value that is white, of pictures of more than 8 bits; the picture's own when None.

    Raises:
        VideoError: Missing, empty, damaged, or larger than `Limits.max_pixels`.
    """
    with opened(file) as (image, data):
        deep = _deep(image, data)
        if deep is None:
            return page_as_shown(cast("Image.Image", image))
        return _eight_bits(deep, white_level(deep) if white is None else white)


def first_white(file: str | Path) -> float | None:
    """The white of a picture of more than 8 bits, for those that follow it; None of others."""
    with opened(file) as (image, data):
        deep = _deep(image, data)
        return None if deep is None else white_level(deep)


def white_level(samples: Samples) -> float:
    """Which stored value is white.

    Of 16 bits 65535; but a picture none of whose values reaches 4096 would be black then, and holds a
    sensor's 8, 10 or 12 bits: white is the largest value of the fewest of these that hold it. Of numbers
    with a point 1 if none is larger, else as of whole numbers.
    """
    finite = np.nan_to_num(samples, nan=0, posinf=0, neginf=0)
    top = float(finite.max(initial=0))
    if samples.dtype.kind == "f" and top <= 1:
        return 1.0
    return next((float(w) for w in (255, 1023, 4095, 65535) if top <= w), top)


@contextmanager
def opened(file: str | Path) -> Iterator[tuple[Image.Image | None, bytes]]:
    """An open Pillow image, None of one only OpenCV reads, and the file's bytes; failures name the file.

    Raises:
        VideoError: As `read_image`.
    """
    path = Path(file)
    with wall(f"the image {path}"):
        data = path.read_bytes() if path.is_file() else b""
        if not data:
            raise VideoError(f"cannot read the image {path}", hint="is it empty, damaged, or gone?")
        image = _image(path, data)
        if image is None:
            yield None, data
            return
        with image:
            _check_size(path, image.width * image.height)
            yield image, data


def _image(path: Path, data: bytes) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        if not data.startswith(_TIFF_MAGIC):
            raise VideoError(f"cannot read the image {path}", hint="it is no picture, or damaged") from None
        _check_size(path, _tiff_pixels(data))
        return None
    except Image.DecompressionBombError as error:
        counted = re.search(r"\((\d+) pixels\)", str(error))
        _check_size(path, int(counted[1]) if counted else 2**63)
        return None


def _tiff_pixels(data: bytes) -> int:
    stream = io.BytesIO(data)
    directory = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
    stream.seek(directory.next)
    directory.load(stream)
    return int(directory[_WIDTH]) * int(directory[_HEIGHT])


def _check_size(path: Path, pixels: int) -> None:
    limit = Limits.current().max_pixels
    if pixels > limit:
        raise VideoError(
            f"the image {path} has {pixels} pixels, more than {limit}",
            hint="make it smaller, or set SEEKTRACK_MAX_PIXELS",
        )


def _deep(image: Image.Image | None, data: bytes) -> Samples | None:
    """Samples (H, W) or (H, W, 3 or 4) of a picture of more than 8 bits, turned upright; None of others."""
    if image is not None and image.mode in ("I", "F", "I;16", "I;16B", "I;16L", "I;16N"):
        return turned(np.asarray(image), _orientation(image))
    if image is not None and not _has_deep_channels(image):
        return None
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None or read.dtype == np.uint8:
        if image is None:
            raise ValueError("OpenCV cannot read it either")
        return None
    if read.ndim == 3:
        read = read[..., [2, 1, 0, 3][: read.shape[2]]]
    turn = 1 if image is None or image.format == "TIFF" else _orientation(image)  # OpenCV turns TIFF itself
    return turned(read, turn)


def _has_deep_channels(image: Image.Image) -> bool:
    if image.format == "TIFF":
        bits = cast("Any", image).tag_v2.get(258, (8,))
        return bool(max(bits if isinstance(bits, tuple) else (bits,)) > 8)
    return image.format == "PNG" and any(";16B" in str(tile[3]) for tile in cast("Any", image).tile)


def _eight_bits(samples: Samples, white: float) -> NDArray[np.uint8]:
    scaled = np.nan_to_num(samples.astype(np.float32), nan=0) * np.float32(255 / (white or 1))
    eight = np.asarray(np.rint(np.clip(scaled, 0, 255)), dtype=np.uint8)
    if eight.ndim == 2:
        return np.repeat(eight[..., None], 3, axis=-1)
    return over_white(eight) if eight.shape[2] == 4 else np.ascontiguousarray(eight[..., :3])


def page_as_shown(image: Image.Image) -> NDArray[np.uint8]:
    """The page an open image stands on, of 8 bits a channel: uint8 (H, W, 3), upright, sRGB, over white."""
    image.load()
    turn = _orientation(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        colours = _in_srgb(rgba.convert("RGB"), image.info.get("icc_profile"))
        shown = over_white(np.dstack([np.asarray(colours), np.asarray(rgba.getchannel("A"))]))
    else:
        plain = image.convert("RGB") if image.mode in ("1", "P", "YCbCr") else image
        shown = np.asarray(_in_srgb(plain, image.info.get("icc_profile")))
    return np.array(turned(shown, turn), dtype=np.uint8, order="C")  # a copy, as it may be drawn on


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(own):
                done = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
                return cast("Image.Image", done)
        except (ImageCms.PyCMSError, OSError, ValueError):  # a viewer that cannot read a profile ignores it
            pass
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # tags that cannot be read turn no picture
        return 1


def turned(image: Samples, orientation: int) -> Samples:
    """A picture (H, W, …) upright, by the number of EXIF's tag Orientation; others than 2 to 8 leave it."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image[:, ::-1] if orientation in (2, 3, 6, 7) else image


def read_pages(file: str | Path, *, first: int = 0) -> Iterator[NDArray[np.uint8]]:
    """The pages of a file from ``first`` on, uint8 (H, W, 3), those of 16 bits with the first one's white.

    Raises:
        VideoError: As `read_image`.
    """
    white = first_white(file)
    with opened(file) as (image, _):
        if image is None:
            yield read_image(file)
            return
        for number in _page_numbers(image)[first:]:
            image.seek(number)
            if white is not None and image.mode[0] in "IF":
                yield np.ascontiguousarray(_eight_bits(turned(np.asarray(image), _orientation(image)), white))
            else:
                yield page_as_shown(image)


def page_seconds(file: str | Path) -> list[Fraction | None]:
    """How long each page of a picture file is shown; None of pages that are not shown in time.

    Raises:
        VideoError: As `read_image`.
    """
    with opened(file) as (image, _):
        if image is None or image.format not in _PAGED or image.format == "TIFF":
            return [None] * (1 if image is None else len(_page_numbers(image)))
        seconds: list[Fraction | None] = []
        for number in _page_numbers(image):
            image.seek(number)
            image.load()  # WebP tells it only then
            told = float(image.info.get("duration") or 0)
            ms = Fraction(told).limit_denominator(1000) if told > _QUICKEST_MS else Fraction(_USUAL_MS)
            seconds.append(ms / 1000)
        return seconds if len(seconds) > 1 else [None]


def _page_numbers(image: Image.Image) -> list[int]:
    """Pages that are shown: not the still that stands in for an APNG, nor a TIFF's small copies of a page."""
    count = int(getattr(image, "n_frames", 1))
    if image.format not in _PAGED or count == 1:
        return [0]
    if image.format == "TIFF":
        return [i for i in range(count) if i == 0 or not _is_small_copy(image, i)]
    return list(range(int(bool(image.info.get("default_image"))), count))


def _is_small_copy(image: Image.Image, number: int) -> bool:
    image.seek(number)
    return bool(int(cast("Any", image).tag_v2.get(_SUBFILE, 0)) & 1)


def is_picture(file: Path) -> bool:
    """Whether the first bytes are those of a picture file."""
    with file.open("rb") as stream:
        head = stream.read(16)
    return head.startswith(_MAGIC) or head[8:12] == b"WEBP" or head[4:12] in (b"ftypavif", b"ftypavis")


def is_animated(file: Path) -> bool:
    """Whether a picture file has several pages, by its first bytes alone; False of what cannot be read."""
    try:
        with file.open("rb") as stream:
            head = stream.read(4096)
            if head[8:16] == b"WEBPVP8X":
                return bool(head[20] & 2)
            if head.startswith(b"\x89PNG"):
                return 0 <= head.find(b"acTL") < (head.find(b"IDAT") % 2**32)
            if head.startswith(_TIFF_MAGIC):
                return _has_second_page(stream, head)
    except (OSError, IndexError, struct.error):
        return False
    return head[4:12] == b"ftypavis"


def _has_second_page(stream: BinaryIO, head: bytes) -> bool:
    order = "<" if head[:2] == b"II" else ">"
    stream.seek(struct.unpack(f"{order}I", head[4:8])[0])
    entries = struct.unpack(f"{order}H", stream.read(2))[0]
    stream.seek(12 * entries, io.SEEK_CUR)
    return bool(struct.unpack(f"{order}I", stream.read(4))[0])
