"""What one staged clip followed one way gave, and how it is kept in a folder to go on from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.evaluation.kept import Kept
from seektrack.files import json_text, write_text
from seektrack.metrics import ClearScores, HotaScores, IdentityScores


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One clip followed one way.

    Attributes:
        condition, number, way: Which.
        mask_identity, mask_hota, mask_clear: By masks, IDF1 and MOTA at IoU 0.5.
        box_clear: MOTA by boxes, at IoU 0.5.
        kept: See `Kept`.
        seconds: The way took.
        frames: Of the clip.
    """

    condition: str
    number: int
    way: str
    mask_identity: IdentityScores
    mask_hota: HotaScores
    mask_clear: ClearScores
    box_clear: ClearScores
    kept: Kept
    seconds: float
    frames: int


class Shelf:
    """Scores in a folder, one file a clip and way; those of another recipe count as not there.

    Args:
        folder: Where they lie, or None to keep nothing.
        recipe: What the figures depend on beside clip and way: frames, model, settings, version.
    """

    def __init__(self, folder: Path | None, recipe: dict[str, str]) -> None:
        self._folder, self._recipe = folder, recipe

    def path(self, condition: str, number: int, way: str, end: str = ".scores.json") -> Path | None:
        """Where one clip's figures lie."""
        return None if self._folder is None else self._folder / f"{condition}-{number:03d}.{way}{end}"

    def find(self, condition: str, number: int, way: str) -> ClipScores | None:
        """Figures of an earlier run, or None."""
        path = self.path(condition, number, way)
        if path is None or not path.is_file():
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return _of_dict(kept["scores"]) if kept["recipe"] == self._recipe else None
        except (KeyError, TypeError, ValueError):  # somebody else's file, or an older form
            return None

    def put(self, scores: ClipScores) -> None:
        """Keep figures for a later run."""
        path = self.path(scores.condition, scores.number, scores.way)
        if path is not None:
            write_text(path, json_text({"recipe": self._recipe, "scores": _plain(asdict(scores))}))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


_PARTS: dict[str, Any] = {
    "mask_identity": IdentityScores,
    "mask_hota": HotaScores,
    "mask_clear": ClearScores,
    "box_clear": ClearScores,
    "kept": Kept,
}


def _of_dict(given: dict[str, Any]) -> ClipScores:
    values = {field.name: given[field.name] for field in fields(ClipScores)}
    for name, kind in _PARTS.items():
        values[name] = kind(**{k: np.array(v) if isinstance(v, list) else v for k, v in given[name].items()})
    return ClipScores(**values)
