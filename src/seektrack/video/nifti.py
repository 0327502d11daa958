"""NIfTI volumes as axial slices, read by nibabel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.video.optional import require_medical


def is_nifti(path: Path) -> bool:
    """Whether a path is named like a NIfTI file."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


class NiftiSlices:
    """A volume turned to the nearest patient axes and cut in axial slices from the feet up.

    Rows run from the front of the patient to the back, columns from the patient's right to the left, as in
    an axial DICOM slice. An uncompressed file stays on disk; a ``.nii.gz`` is held in memory in the type
    it is stored in.

    Raises:
        VideoError: nibabel is missing, or the file is no readable volume of three dimensions.
    """

    window: tuple[float, float] | None = None
    inverted = False
    fps: Fraction | None = None
    affine: NDArray[np.float64]
    positions: NDArray[np.float64] | None = None

    def __init__(self, path: Path) -> None:
        nibabel = require_medical("nibabel", path)
        if not path.is_file():
            raise VideoError(f"no such file: {path}", hint="check the path")
        try:
            image = nibabel.load(path)
            stored = np.asanyarray(image.dataobj.get_unscaled())
        except Exception as error:  # nibabel passes on whatever gzip, mmap and its header parsers raise
            raise VideoError(
                f"cannot read the volume {path}: {error}", hint="is it complete, and a NIfTI file?"
            ) from error
        while stored.ndim > 3 and stored.shape[-1] == 1:
            stored = stored[..., 0]
        if stored.ndim != 3 or 0 in stored.shape or stored.dtype.kind not in "biuf":
            raise VideoError(
                f"{path} holds {stored.dtype} of shape {stored.shape}, not one grey volume (X, Y, Z)",
                hint="several volumes: write each to a file with nibabel.funcs.four_to_three",
            )
        axes = nibabel.orientations
        to_lps = axes.ornt_transform(axes.io_orientation(image.affine), axes.axcodes2ornt(("L", "P", "S")))
        self._zyx = axes.apply_orientation(stored, to_lps).transpose(2, 1, 0)
        self.affine = image.affine @ axes.inv_ornt_aff(to_lps, stored.shape)
        self._slope, self._offset = float(image.dataobj.slope), float(image.dataobj.inter)

    def __len__(self) -> int:
        return int(self._zyx.shape[0])

    def values(self, index: int) -> NDArray[np.float32]:
        """Slice as float32 (H, W) in the volume's unit."""
        return np.asarray(self._zyx[index] * self._slope + self._offset, dtype=np.float32)
