"""The bounds of what one file may cost: pixels, memory, time. All of them, and how to move them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Self

from seektrack.errors import InputError

_MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What reading one file may take; each is moved by an environment variable of its name.

    ``SEEKTRACK_MAX_PIXELS``, ``SEEKTRACK_AHEAD_MB``, ``SEEKTRACK_BACKWARD_MB``, ``SEEKTRACK_SILENT_S``.

    Attributes:
        max_pixels: Of one picture; a larger one is refused before it is decoded. As Pillow's own bound.
        ahead_mb: Decoded pictures on their way from the decoder to whoever looks at them, in MiB.
        backward_mb: Decoded pictures held while walking backwards through a long group of pictures, in MiB.
        silent_s: How long a file may be read without giving a picture, in seconds.
    """

    max_pixels: int = 178_956_970
    ahead_mb: int = 512
    backward_mb: int = 128
    silent_s: int = 60

    @classmethod
    def current(cls) -> Self:
        """The bounds that hold now.

        Raises:
            InputError: A variable that is no whole number ≥ 1.
        """
        usual = cls()
        return cls(**{f.name: _from_environment(f.name, getattr(usual, f.name)) for f in fields(cls)})

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


def _from_environment(name: str, usual: int) -> int:
    variable = f"SEEKTRACK_{name.upper()}"
    text = os.environ.get(variable)
    if text is None:
        return usual
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise InputError(f"{variable} must be a whole number ≥ 1, got {text!r}", hint=f"usual is {usual}")
    return value
