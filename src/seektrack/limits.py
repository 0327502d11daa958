"""The bounds of what anything from outside may claim or cost: pixels, numbers, memory, time.

All of them stand here. A size in a file is a claim; memory is only asked for once the claim lies within
these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from seektrack.errors import InputError

_MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """The bounds, each moved by an environment variable of its name (``SEEKTRACK_MAX_SIDE``), or by `use`.

    Attributes:
        max_side: Pixels of the longer side of a picture or mask.
        max_pixels: Pixels of one picture or mask; a larger one is refused before it is decoded. As Pillow's
            own bound.
        max_volume: Pixels of all masks of one array in a file, and of all frames of a drawn scene.
        max_frame_index: Index of a frame.
        max_id: Identity of an object; what JSON readers keep exactly.
        max_time_s: Seconds before or after the start of a video.
        max_fps: Frames a second.
        max_coordinate: Pixels of a coordinate, on either side of 0.
        max_filled: Frames filled in from one key frame to the next.
        max_file_bytes: Bytes of one file of tracks or prompts.
        ahead_mb: Decoded pictures on their way from the decoder to whoever looks at them, in MiB.
        backward_mb: Decoded pictures held while walking backwards through a long group of pictures, in MiB.
        silent_s: How long a file may be read without giving a picture, in seconds.
    """

    max_side: int = 65_536
    max_pixels: int = 178_956_970
    max_volume: int = 2**33
    max_frame_index: int = 2**31 - 1
    max_id: int = 2**53 - 1
    max_time_s: int = 10**9
    max_fps: int = 10**6
    max_coordinate: int = 10**7
    max_filled: int = 10**6
    max_file_bytes: int = 2**31
    ahead_mb: int = 512
    backward_mb: int = 128
    silent_s: int = 60

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(
                    f"{field.name} must be a whole number ≥ 1, got {value!r}",
                    hint=f"usual is {field.default}; the environment's name of it is {variable(field.name)}",
                )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Limits:
        """The bounds that some environment variables ask for.

        Raises:
            InputError: A variable that is no whole number ≥ 1.
        """
        given = {f.name: environment.get(variable(f.name)) for f in fields(cls)}
        return cls(**{name: _whole(text) for name, text in given.items() if text is not None})  # type: ignore[arg-type]

    @classmethod
    def current(cls) -> Limits:
        """The bounds that hold now: those of `use`, else what the environment said when first asked.

        Raises:
            InputError: A variable that is no whole number ≥ 1.
        """
        if not _HELD:
            _HELD.append(cls.from_environment(os.environ))
        return _HELD[-1]

    @property
    def ahead_bytes(self) -> int:
        """Bytes of decoded pictures on their way."""
        return self.ahead_mb * _MIB

    def fitting(self, item_bytes: int, at_most: int) -> int:
        """How many items of so many bytes may be on their way: at least one, at most ``at_most``."""
        return max(1, min(at_most, self.ahead_bytes // max(1, item_bytes)))

    @property
    def backward_bytes(self) -> int:
        """Bytes of decoded pictures held while walking backwards."""
        return self.backward_mb * _MIB


_HELD: list[Limits] = []
"""The bounds of the environment, once asked for, and those of each `use` in it."""


@contextmanager
def use(limits: Limits | None = None, **changes: int) -> Iterator[Limits]:
    """Hold other bounds inside a ``with`` block, in all threads of this process.

    Args:
        limits: The bounds; those that hold now when None.
        changes: Attributes of `Limits` that differ.

    Raises:
        InputError: A bound there is none of, or no whole number ≥ 1.
    """
    before = Limits.current()
    unknown = changes.keys() - {f.name for f in fields(Limits)}
    if unknown:
        allowed = ", ".join(f.name for f in fields(Limits))
        raise InputError(f"there is no bound {min(unknown)!r}", hint=f"use {allowed}")
    chosen = replace(limits or before, **changes)
    _HELD.append(chosen)
    try:
        yield chosen
    finally:
        _HELD.remove(chosen)


def variable(name: str) -> str:
    """The environment variable of a bound."""
    return f"SEEKTRACK_{name.upper()}"


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.strip().isdigit() else text
