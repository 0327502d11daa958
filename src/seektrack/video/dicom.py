"""DICOM series as slices in order, read by pydicom."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.video.images import natural_key
from seektrack.video.optional import require_medical
from seektrack.video.stills import IMAGE_SUFFIXES

_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
_MAGIC_AT, _MAGIC = 128, b"DICM"


def dicom_files(path: Path) -> list[Path]:
    """The DICOM files a path names: itself, or those directly in a folder, in natural order of names.

    Files count by extension, or, without one, by the mark at byte 128. A folder with pictures and nothing
    called ``.dcm`` is a folder of pictures.
    """
    if path.is_file():
        return [path] if _is_dicom(path) else []
    if not path.is_dir():
        return []
    files = [p for p in path.iterdir() if not p.name.startswith(".") and p.name.upper() != "DICOMDIR"]
    named = [p for p in files if p.suffix.lower() in _SUFFIXES]
    if not named and any(p.suffix.lower() in IMAGE_SUFFIXES for p in files):
        return []
    return sorted((p for p in files if p.is_file() and _is_dicom(p)), key=lambda p: natural_key(p.name))


def _is_dicom(file: Path) -> bool:
    if file.suffix.lower() in _SUFFIXES:
        return True
    # Names such as 1.2.840.10008 end in digits; anything else after a dot is another kind of file.
    if file.suffix and not file.suffix[1:].isdigit():
        return False
    with file.open("rb") as opened:
        return opened.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC


class DicomSlices:
    """The frames of one DICOM series, along the normal of their plane.

    Slices without a position are ordered by instance number, then by name. Stored values are rescaled to
    the scan's unit.

    Args:
        path: A file, or a folder of files that belong to one series.

    Raises:
        VideoError: pydicom is missing, a file cannot be read, there is no picture, several series, or
            pictures of different sizes.
    """

    affine: NDArray[np.float64] | None = None
    positions: NDArray[np.float64] | None
    window: tuple[float, float] | None
    inverted: bool
    fps: Fraction | None

    def __init__(self, path: Path) -> None:
        self._pydicom = require_medical("pydicom", path)
        headers = [(file, self._header(file)) for file in dicom_files(path)]
        pictures = [(file, header) for file, header in headers if "Rows" in header]
        if not pictures:
            raise VideoError(
                f"no DICOM pictures in {path}", hint="name the file, or the folder of one series"
            )
        series = Counter(str(h.get("SeriesInstanceUID", "")) for _, h in pictures)
        if len(series) > 1:
            told = ", ".join(f"{uid or 'without a number'} ({n} files)" for uid, n in series.items())
            raise VideoError(f"{path} holds {len(series)} DICOM series: {told}", hint="keep each in a folder")
        try:
            self._arrange(pictures)
        except (TypeError, ValueError) as error:
            raise VideoError(
                f"the DICOM header in {path} cannot be understood: {error}", hint="is it damaged?"
            ) from error

    def _arrange(self, pictures: list[tuple[Path, Any]]) -> None:
        """Put the frames of all files in order and take what holds for all from the first file."""
        frames = [(f, h, i) for f, h in pictures for i in range(int(h.get("NumberOfFrames", None) or 1))]
        frames.sort(key=lambda frame: _place(frame[1], frame[2]))
        self._frames = [(file, i) for file, _, i in frames]
        self._headers = dict(pictures)
        places = [_position(header, i) for _, header, i in frames]
        self.positions = None if any(p is None for p in places) else np.asarray(places, dtype=np.float64)
        first = frames[0][1]
        self._hw = int(first.Rows), int(first.Columns)
        self._colour = int(first.get("SamplesPerPixel", 1)) > 1 or self._uses_palette(first)
        self.inverted = first.get("PhotometricInterpretation", "") == "MONOCHROME1"
        self.window = (0.0, 255.0) if self._colour else _window(first)
        self.fps = _rate(first) if len(pictures) == 1 else None

    def __len__(self) -> int:
        return len(self._frames)

    def values(self, index: int) -> NDArray[np.float32]:
        """Slice as float32 (H, W) in the scan's unit, or (H, W, 3) of 0 to 255 when it is in colour."""
        file, frame = self._frames[index]
        header = self._headers[file]
        hw = int(header.Rows), int(header.Columns)
        if hw != self._hw:
            raise VideoError(
                f"{file} is {hw[1]}x{hw[0]}, the first slice is {self._hw[1]}x{self._hw[0]}",
                hint="a series read as a video holds slices of one size",
            )
        try:
            stored = self._pydicom.pixels.pixel_array(file, index=frame)
        except Exception as error:  # pydicom raises many kinds, for missing decoders and damaged data alike
            raise VideoError(
                f"cannot read the picture in {file}: {error}", hint="is it complete, and a decoder installed?"
            ) from error
        if self._uses_palette(header):
            stored = self._pydicom.pixels.apply_color_lut(stored, header)[..., :3]
        if self._colour:
            bits = stored.dtype.itemsize * 8
            return np.asarray(stored >> (bits - 8), dtype=np.float32)
        if "ModalityLUTSequence" in header:
            return np.asarray(self._pydicom.pixels.apply_modality_lut(stored, header), dtype=np.float32)
        rescale = _item(header, "PixelValueTransformationSequence", frame)
        slope, offset = rescale.get("RescaleSlope", None), rescale.get("RescaleIntercept", None)
        factor = 1.0 if slope is None else float(slope)
        return np.asarray(stored, dtype=np.float32) * np.float32(factor) + np.float32(offset or 0)

    @staticmethod
    def _uses_palette(header: Any) -> bool:
        return str(header.get("PhotometricInterpretation", "")) == "PALETTE COLOR"

    def _header(self, file: Path) -> Any:
        try:
            return self._pydicom.dcmread(file, stop_before_pixels=True)
        except Exception as error:  # a damaged header surfaces as whatever its parser stumbled over
            raise VideoError(f"cannot read the DICOM file {file}: {error}", hint="is it complete?") from error


def _item(header: Any, sequence: str, frame: int) -> Any:
    """Where a macro of an enhanced multi-frame file lies: with the frame, with all frames, or on top."""
    for groups, which in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = header.get(groups, None) or ()
        if which < len(items) and items[which].get(sequence, None):
            return items[which][sequence].value[0]
    return header


def _position(header: Any, frame: int) -> list[float] | None:
    """Centre of a slice's first pixel in mm in the patient, or None where the file does not say."""
    position = _item(header, "PlanePositionSequence", frame).get("ImagePositionPatient", None)
    return [float(v) for v in position] if position else None


def _place(header: Any, frame: int) -> tuple[float, int, int]:
    """Sort key of a slice: position along the normal in mm, then instance number, then place in the file."""
    position = _position(header, frame)
    axes = _item(header, "PlaneOrientationSequence", frame).get("ImageOrientationPatient", None)
    along = 0.0
    if position and axes:
        rows, columns = np.asarray(axes[:3], dtype=float), np.asarray(axes[3:], dtype=float)
        along = float(np.cross(rows, columns) @ np.asarray(position))
    return round(along, 3), int(header.get("InstanceNumber", None) or 0), frame


def _window(header: Any) -> tuple[float, float] | None:
    """The file's first ``(level, width)``, or None."""
    asked = _item(header, "FrameVOILUTSequence", 0)
    pair = [asked.get(name, None) for name in ("WindowCenter", "WindowWidth")]
    if any(value is None or value == "" for value in pair):
        return None
    level, width = (float(v[0] if not isinstance(v, (str, float, int)) else v) for v in pair)
    return (level, width) if width > 0 else None


def _rate(header: Any) -> Fraction | None:
    """Frames per second of a recording, from the milliseconds between its frames."""
    gap_ms = header.get("FrameTime", None)
    return Fraction(1000) / Fraction(str(gap_ms)) if gap_ms and float(gap_ms) > 0 else None
