"""Medical scans as videos: slice after slice, their values windowed to grey.

DICOM is read by pydicom and NIfTI by nibabel, both optional (``seektrack[medical]``).
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.video.dicom import DicomSlices, dicom_files
from seektrack.video.images import EvenSource
from seektrack.video.nifti import NiftiSlices, is_nifti
from seektrack.video.wall import wall

Values = NDArray[np.float32]

_SAMPLED_SLICES = 16
_PERCENTILES = (0.5, 99.5)


class Slices(Protocol):
    """A scan before it is turned into pictures."""

    @property
    def window(self) -> tuple[float, float] | None:
        """``(level, width)`` the file asks for, or None."""

    @property
    def inverted(self) -> bool:
        """Whether small values are bright."""

    @property
    def fps(self) -> Fraction | None:
        """Pictures per second, where the slices follow each other in time and the file says so."""

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """(4, 4), from ``(column, row, slice, 1)`` to mm in the patient, or None where it was not read."""

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """(Z, 3), each slice's first pixel in mm in the patient, or None where it was not read."""

    def __len__(self) -> int:
        """How many slices."""

    def values(self, index: int) -> Values:
        """Slice as float32 (H, W) in the scan's unit (Hounsfield for CT), or (H, W, 3) of 0 to 255."""


class MedicalSource(EvenSource):
    """A DICOM series or a NIfTI volume, one slice a frame.

    DICOM slices keep the plane they were taken in and go along its normal; a NIfTI volume is cut in axial
    slices from the feet up, shown as radiologists do, the patient's right on the left. An axial DICOM
    series and the same volume as NIfTI so give the same pictures.

    Args:
        path: NIfTI file, DICOM file (one slice or many frames), or a folder holding one DICOM series.
        fps: Slices per second; else as a scan in time says, else 25.
        window: ``(level, width)``: ``level - width / 2`` and below is black, ``level + width / 2`` and above
            white, linear between (DICOM PS3.3 C.11.2.1.3.2). Left out, the file's own, the first slice
            deciding for all; else the middle 99 % of the values of up to 16 slices. One window serves all
            slices, so that equal values look equal. Colour pictures have none.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: The package to read it is missing, or the scan cannot be used.
        InputError: A window that is not two finite numbers with a width above 0.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: Fraction | None = None,
        window: tuple[float, float] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        if window is not None:
            check_window(window)
        with wall(path):
            self._slices = open_slices(path)
            self.window = window or self._slices.window or _usual_window(self._slices)
        rate = fps or self._slices.fps or Fraction(25)
        super().__init__(str(path), len(self._slices), self._grey, fps=rate, start_s=start_s, end_s=end_s)

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """(4, 4), from ``(column, row, slice, 1)`` to mm in the patient, or None where it was not read."""
        return self._slices.affine

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """(Z, 3), each slice's first pixel in mm in the patient, or None where it was not read."""
        return self._slices.positions

    def values(self, index: int) -> Values:
        """The slice before windowing: float32 (H, W) in the scan's unit, or (H, W, 3) of a colour picture."""
        with wall(self.info.path):
            return self._slices.values(index)

    def _grey(self, index: int) -> NDArray[np.uint8]:
        values = self._slices.values(index)
        if values.ndim == 3:
            return values.astype(np.uint8)
        grey = window_to_grey(values, self.window)
        return np.repeat((255 - grey if self._slices.inverted else grey)[..., None], 3, axis=-1)


def is_medical(path: Path) -> bool:
    """Whether a path is a NIfTI file, a DICOM file, or a folder with DICOM files."""
    return is_nifti(path) or bool(dicom_files(path))


def open_slices(path: Path) -> Slices:
    """The slices of a scan in order, not windowed.

    Raises:
        VideoError: The package to read it is missing, or the scan cannot be used.
    """
    return NiftiSlices(path) if is_nifti(path) else DicomSlices(path)


def window_to_grey(values: Values, window: tuple[float, float]) -> NDArray[np.uint8]:
    """Values (H, W) to uint8 grey (H, W) by ``(level, width)``; what is not a number becomes black."""
    level, width = window
    scaled = (np.nan_to_num(values, nan=-np.inf) - (level - width / 2)) * (255 / width)
    return np.asarray(np.rint(np.clip(scaled, 0, 255)), dtype=np.uint8)


def check_window(window: tuple[float, float]) -> None:
    """Raise InputError unless a window is ``(level, width)``, two finite numbers, the width above 0."""
    if len(window) != 2 or not all(math.isfinite(v) for v in window) or window[1] <= 0:
        raise InputError(
            f"window must be (level, width), two finite numbers, the width > 0, got {window}",
            hint="soft tissue in CT: (40, 400); lung: (-600, 1500); bone: (400, 1800)",
        )


def _usual_window(slices: Slices) -> tuple[float, float]:
    n = len(slices)
    indices = sorted({round(i) for i in np.linspace(0, n - 1, min(n, _SAMPLED_SLICES))})
    sampled = np.concatenate([slices.values(i).ravel() for i in indices])
    finite = sampled[np.isfinite(sampled)]
    low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0.0, 1.0)
    return float(low + high) / 2, float(high - low) or 1.0
