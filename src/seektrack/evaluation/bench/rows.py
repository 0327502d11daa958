"""One line of the benchmark, and what is measured."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seektrack import defaults
from seektrack.errors import InputError

REFERENCE = "transformers"
"""The runtime of transformers' own loop, object by object."""


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What is measured.

    Attributes:
        model: As for ``--model``.
        device: Where torch computes; chosen when None.
        runtimes: Who computes: ``torch``, ``onnx``, ``onnx:PROVIDER``.
        precisions: Of torch: ``fp32``, ``bf16``, on a GPU ``fp16``. What graphs compute in was settled when
            they were written.
        objects: Numbers of objects followed at once.
        resolutions: Sides of the square the segmenter sees, in pixels; None for the model's own.
        rounds: Frames timed for each; every contestant sees each frame before the next comes.
        reference: Whether transformers' loop runs beside.
        compiled: Whether torch's image encoder is compiled first, which takes a minute or more.
    """

    model: str = defaults.MODEL
    device: str | None = None
    runtimes: tuple[str, ...] = ("torch", "onnx")
    precisions: tuple[str, ...] = ("fp32",)
    objects: tuple[int, ...] = (1, 4, 16)
    resolutions: tuple[int | None, ...] = (None,)
    rounds: int = 12
    reference: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 2 or min(self.objects, default=0) < 1 or max(self.objects) > 64:
            raise InputError(
                f"rounds start at 2 and objects lie in 1 to 64, got {self.rounds} and {self.objects}"
            )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing measured.

    Attributes:
        stage: ``follow`` (frames), ``text`` (questions' vectors), ``pictures`` (theirs), ``cold`` (a search
            from the shell), ``index`` (frames of a film), ``ask`` (questions put to a library) or ``track``
            (frames of a film, from text to tracks).
        runtime, device, precision: What computed.
        resolution: Side of what the network sees, pixels; 0 where it sees none.
        objects: Followed at once; 0 elsewhere.
        per_second: Frames, pictures or questions, from the median.
        p50_ms, p95_ms: Of one.
        memory_mb: Held by the process, or on a GPU given out at most.
        ratio: Times the reference, median of rounds; None without one.
        agreement: Mean IoU with the reference's masks, least cosine with the first runtime's vectors, or
            mean IoU with its tracks.
        why: Why it was not measured; empty where it was.
    """

    stage: str
    runtime: str
    device: str = "cpu"
    precision: str = "fp32"
    resolution: int = 0
    objects: int = 0
    per_second: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    memory_mb: float | None = None
    ratio: float | None = None
    agreement: float | None = None
    why: str = ""

    def timed(self, seconds: Sequence[float], *, each: int = 1) -> Row:
        """With figures from the seconds that ``each`` things took, one entry a round."""
        ordered = sorted(s / each for s in seconds)
        middle = statistics.median(ordered)
        late = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return replace(
            self,
            per_second=round(1 / middle, 3),
            p50_ms=round(1000 * middle, 3),
            p95_ms=round(1000 * late, 3),
        )


def held_mb() -> float | None:
    """Memory of this process in MB; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
