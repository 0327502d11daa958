"""What lies beside the vectors of a video: numbers of its frames, and stretches of a temporal encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Extra:
    """What is kept of one kind of one video.

    Attributes:
        note: What it belongs to, for machines.
        numbers: By frame index.
    """

    note: str
    numbers: Mapping[int, float]

    def packed(self) -> bytes:
        """The numbers as bytes: pairs of little-endian doubles."""
        return np.array([*self.numbers.items()], dtype="<f8").reshape(len(self.numbers), 2).tobytes()

    @classmethod
    def unpacked(cls, note: str, numbers: bytes) -> Extra:
        """What `packed` made of them."""
        held = np.frombuffer(numbers, dtype="<f8").reshape(-1, 2)
        return cls(note, {int(i): float(value) for i, value in held})


@dataclass(frozen=True)
class ClipModel:
    """The temporal encoder that made the stretches of a library.

    Attributes:
        name: For people, and to load it by.
        fingerprint: For the machine.
        dim: Length of an embedding.
    """

    name: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, eq=False)
class ClipRows:
    """N stretches, in order of video and start.

    Attributes:
        video_ids: int64 (N,); ``paths`` names them.
        starts, ends: float64 (N,), seconds of the first and the last frame.
        vectors: float16 (N, D), unit rows.
        paths: Path of each video by id.
    """

    video_ids: NDArray[np.int64]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    vectors: NDArray[np.float16]
    paths: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def of(
        cls,
        video_ids: list[int],
        starts: list[float],
        ends: list[float],
        vectors: list[bytes],
        *,
        dim: int,
        paths: Mapping[int, str],
    ) -> ClipRows:
        """From columns, vectors as bytes of half-precision numbers."""
        raw = np.frombuffer(b"".join(vectors), dtype="<f2")
        return cls(
            np.array(video_ids, dtype=np.int64),
            np.array(starts, dtype=np.float64),
            np.array(ends, dtype=np.float64),
            raw.astype(np.float16, copy=False).reshape(len(vectors), dim),
            paths,
        )
