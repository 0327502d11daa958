"""What is wrong with a file that can be read all the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """What a pass through a video met, or its container admits.

    Attributes:
        errors: Packets and pictures that could not be read or decoded.
        missing: Pictures the packets promised and decoding did not give.
        cut_short: Whether the file ends before its container says it does.
        reason: The first error in words, or how much of the file is there.
        frames: Pictures that could be decoded; None before a whole pass.
    """

    errors: int = 0
    missing: int = 0
    cut_short: bool = False
    reason: str = ""
    frames: int | None = None

    def __bool__(self) -> bool:
        return bool(self.errors or self.missing or self.cut_short)

    def __str__(self) -> str:
        parts = ["cut short"] if self.cut_short else []
        parts += [f"{self.errors} error{'s' * (self.errors != 1)}"] if self.errors else []
        parts += [f"{self.missing} picture{'s' * (self.missing != 1)} missing"] if self.missing else []
        told = ", ".join(parts) or "whole"
        counted = "" if self.frames is None else f"; {self.frames} frames could be decoded"
        return f"{told}{f' ({self.reason})' if self.reason else ''}{counted}"
