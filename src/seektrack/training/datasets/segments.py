"""DICOM segmentation objects: the masks of a series in one file, segment after segment."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.training.datasets.base import FrameMasks
from seektrack.types import Mask
from seektrack.video.optional import require_medical


def is_segmentation(path: Path) -> bool:
    """Whether a path is a DICOM segmentation object."""
    if not path.is_file() or path.suffix.lower() not in {".dcm", ".dicom", ""}:
        return False
    pydicom = require_medical("pydicom", path)
    try:
        header = pydicom.dcmread(path, specific_tags=["Modality"], stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError:
        return False
    return bool(header.get("Modality", "") == "SEG")


class Segmentation:
    """The segments of one segmentation object, laid on the slices of its series by their position.

    An object id is the number of its segment; segments may overlap. Fractional segments count from one half.

    Args:
        path: The file.

    Raises:
        InputError: The file lacks what places its frames.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def categories(self) -> dict[int, str]:
        """Number of each segment to its label."""
        return {int(s.SegmentNumber): str(s.SegmentLabel) for s in self._header.SegmentSequence}

    def masks(self, index: int, positions: NDArray[np.float64] | None) -> FrameMasks:
        """Masks of one slice.

        Args:
            index: Of the slice.
            positions: (Z, 3) of the series' slices, mm.

        Raises:
            InputError: The slices have no positions, or a frame lies on none of them.
        """
        frames = self._placed(positions).get(index, ())
        pixels = require_medical("pydicom.pixels", self.path)
        fractional = self._header.get("SegmentationType", "") == "FRACTIONAL"
        half = float(self._header.get("MaximumFractionalValue", None) or 255) / 2 if fractional else 0.5
        drawn: dict[int, NDArray[np.bool_]] = {}
        for frame, number in frames:
            inside = np.asarray(pixels.pixel_array(self.path, index=frame)) >= half
            drawn[number] = drawn[number] | inside if number in drawn else inside
        return FrameMasks({i: Mask.from_array(inside) for i, inside in drawn.items() if inside.any()})

    @cached_property
    def _header(self) -> Any:
        return require_medical("pydicom", self.path).dcmread(self.path, stop_before_pixels=True)

    @cached_property
    def _frames(self) -> list[tuple[int, NDArray[np.float64]]]:
        """Segment number and position (3,) of each frame."""
        try:
            return [
                (
                    int(_macro(self._header, i, "SegmentIdentificationSequence").ReferencedSegmentNumber),
                    np.asarray(_macro(self._header, i, "PlanePositionSequence").ImagePositionPatient, float),
                )
                for i in range(int(self._header.NumberOfFrames))
            ]
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise InputError(
                f"the segmentation {self.path} does not say where its frames lie: {error}",
                hint="convert it to NIfTI, with the program that made it",
            ) from error

    def _placed(self, positions: NDArray[np.float64] | None) -> dict[int, list[tuple[int, int]]]:
        """Slice to the ``(frame, segment number)`` on it."""
        if positions is None:
            raise InputError(
                f"the segmentation {self.path} needs slices with positions, and the scan has none",
                hint="pair it with the DICOM series it was made for",
            )
        gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
        near = max(float(gaps.min()) / 2, 1e-3) if len(gaps) else 0.5
        placed: dict[int, list[tuple[int, int]]] = {}
        for frame, (number, position) in enumerate(self._frames):
            distances = np.linalg.norm(positions - position, axis=1)
            if distances.min() > near:
                raise InputError(
                    f"frame {frame} of the segmentation {self.path} lies on no slice of the scan, the "
                    f"nearest is {distances.min():.1f} mm away",
                    hint="pair it with the DICOM series it was made for",
                )
            placed.setdefault(int(distances.argmin()), []).append((frame, number))
        return placed


def _macro(header: Any, frame: int, sequence: str) -> Any:
    own = header.PerFrameFunctionalGroupsSequence[frame]
    holder = own if sequence in own else header.SharedFunctionalGroupsSequence[0]
    return holder[sequence].value[0]
