"""Clips with masks as people have them: what cannot be used is named and counted, the rest is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from seektrack.errors import InputError, SeekTrackError
from seektrack.training.datasets.base import Dataset, FrameMasks, MaskClip
from seektrack.training.datasets.left_out import LeftOuts

LOOKED_THROUGH = 3000
"""Frames in all up to which every annotation is looked at beforehand; of more, when a frame is met."""


class UsableClips(Dataset[MaskClip]):
    """Those of some clips that can be opened, without the frames whose masks cannot be read or do not fit.

    Args:
        clips: A strict data set, whose errors are told instead of raised.
        name: What it is called.

    Attributes:
        left_out: What was passed over so far.

    Raises:
        InputError: No clip can be used.
    """

    def __init__(self, clips: Sequence[MaskClip], *, name: str = "clips") -> None:
        self.name = name
        self.left_out: LeftOuts = getattr(clips, "left_out", None) or LeftOuts()
        keys = getattr(clips, "keys", None) or range(len(clips))
        found: dict[str, MaskClip] = {}
        frames = 0
        for number, key in enumerate(keys):
            try:
                clip = clips[number]
                with clip.open() as video:
                    hw, count, first = (
                        (video.info.height, video.info.width),
                        video.len_frames(),
                        video.first_index,
                    )
            except (SeekTrackError, OSError) as error:
                self.left_out.add(f"{name}/{key}", "", _why(error))
                continue
            known = _Forgiving(clip.annotation, f"{name}/{clip.key}", hw, self.left_out)
            found[clip.key] = replace(clip, annotation=known)
            frames += count
            if frames <= LOOKED_THROUGH:
                for index in range(first, first + count):
                    known(index)
        if not found:
            raise InputError(f"no clip of {name} can be used", hint=str(next(iter(self.left_out), "")))
        super().__init__(list(found), partial(_of, found))


def _of(found: dict[str, MaskClip], key: str) -> MaskClip:
    return found[key]


@dataclass
class _Forgiving:
    """An annotation that is unknown where it cannot be read."""

    annotation: Callable[[int], FrameMasks | None]
    name: str
    hw: tuple[int, int]
    left_out: LeftOuts
    told: set[int] = field(default_factory=set)

    def __call__(self, index: int) -> FrameMasks | None:
        try:
            known = self.annotation(index)
        except SeekTrackError as error:
            self._tell(index, _why(error))
            return None
        masks = [] if known is None else [*known.masks.values(), *([known.void] if known.void else [])]
        if any(mask.size != self.hw for mask in masks):
            self._tell(index, "masks of another size than the frame")
            return None
        return known

    def _tell(self, index: int, why: str) -> None:
        if index not in self.told:
            self.told.add(index)
            self.left_out.add(self.name, f"frame {index}", why)


_KINDS = {
    "cannot be read": "cannot be read",
    "of mode": "a mask in colour",
    "has the value": "masks of other values",
    "annotates": "a mask without a picture",
    "has a mask": "a mask without a picture",
}
"""What an error's message holds, and why that is in a few words."""


def _why(error: Exception) -> str:
    """In a few words, the same for all of a kind; else the whole message."""
    said = getattr(error, "message", str(error))
    return next((why for part, why in _KINDS.items() if part in said), said)
