"""Pictures whose values are numbers: of objects, of regions, white for inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.errors import InputError

_MODES = ("P", "L", "1")


def read_labels(path: Path) -> NDArray[np.uint8]:
    """A picture of numbers (H, W): the palette indices, the grey levels or the bits of a PNG.

    Raises:
        InputError: It is missing, damaged, too large, or in colour.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            geometry.check_size((picture.height, picture.width))
            mode = picture.mode
            values = np.array(picture) if mode in _MODES else np.zeros((0, 0), np.uint8)
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    except Exception as error:  # Pillow lets through what its plugins raise, MemoryError too
        said = str(error) or type(error).__name__
        raise InputError(f"{path} cannot be read as a picture: {said}", hint="is it damaged?") from error
    if mode not in _MODES:
        raise InputError(
            f"{path} is a picture of mode {mode}, not one of ids",
            hint="ids are the palette indices or the grey levels of an 8-bit PNG",
        )
    return values.astype(np.uint8)
