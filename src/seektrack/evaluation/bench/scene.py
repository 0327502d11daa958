"""Pictures made when asked for: coloured discs that sway over a soft background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

HW = (360, 640)


def place(obj_id: int, index: int) -> tuple[int, int]:
    """Centre of an object on a picture: a grid of eight by eight that sways."""
    x = 40 + 80 * (obj_id % 8) + 14 * np.sin(0.13 * index + obj_id)
    y = 24 + 44 * (obj_id // 8 % 8) + 8 * np.cos(0.11 * index + 2 * obj_id)
    return round(float(x)), round(float(y))


def picture(index: int, objects: int) -> NDArray[np.uint8]:
    """RGB uint8 (360, 640, 3)."""
    soft = np.random.default_rng(0).integers(60, 130, (9, 16, 3), dtype=np.uint8)
    image = cv2.resize(soft, (HW[1], HW[0]), interpolation=cv2.INTER_CUBIC)
    for obj_id in range(objects):
        colour = tuple(int(c) for c in np.random.default_rng(obj_id).integers(0, 255, 3))
        cv2.ellipse(image, place(obj_id, index), (22, 15), 20.0 * obj_id, 0, 360, colour, -1, cv2.LINE_AA)
    return np.asarray(image, dtype=np.uint8)


def box(obj_id: int) -> tuple[float, float, float, float]:
    """Of an object on the first picture, ``xyxy`` pixels."""
    x, y = place(obj_id, 0)
    return max(x - 23.0, 0.0), max(y - 20.0, 0.0), min(x + 23.0, float(HW[1])), min(y + 20.0, float(HW[0]))
