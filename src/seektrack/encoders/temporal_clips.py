"""Clips cut from a video and embedded, whoever computes the networks of the temporal encoder."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import check_batch_size, l2_normalise
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.shots import CutFinder, Shot
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError, ModelError

if TYPE_CHECKING:
    from seektrack.types import Frame

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ClipWindow:
    """One stretch of a video and its embedding.

    Attributes:
        start_s, end_s: Time of its first and last frame, seconds.
        vector: float32 (D,), unit length.
    """

    start_s: float
    end_s: float
    vector: NDArray[np.float32]


class TemporalClips(ABC):
    """Embeds clips and texts in one space, as an `Encoder` does pictures; a picture counts as a still clip.

    Args:
        sizes: Of the network.
        name: What the user asked for.
        fingerprint: Hash of everything that changes the embeddings.
        logit_scale: Factor that turns cosines into the logits the model was trained with.
        folder: Where its files lie.

    Attributes:
        sizes: Of the network.
        n_frames: T, frames it looks at in a clip, however many the clip has.
        dim: D, length of an embedding.
        image_size: Side in pixels of the square a frame is brought to.
        logit_scale: As given.
    """

    def __init__(
        self,
        sizes: TemporalSizes,
        *,
        name: str,
        fingerprint: str,
        logit_scale: float,
        folder: Path | None = None,
    ) -> None:
        self.sizes, self.name, self.fingerprint, self.folder = sizes, name, fingerprint, folder
        self.settings = ImageSettings.for_size(sizes.image_size)
        self.n_frames, self.dim = sizes.frames, sizes.dim
        self.image_size, self.logit_scale = sizes.image_size, logit_scale

    @abstractmethod
    def _frames(self, pixels: Floats) -> Floats:
        """Normalised pictures (B, 3, S, S) to what they show where, (B, G, G, C)."""

    @abstractmethod
    def _time(self, features: Floats) -> Floats:
        """That of the frames of clips, (N, T, G, G, C), to (N, D)."""

    @abstractmethod
    def _texts(self, texts: Sequence[str]) -> Floats:
        """Texts to (N, D)."""

    def embed_clips(self, clips: Sequence[Sequence[Image] | Image], *, batch_size: int = 8) -> Floats:
        """Embed clips as float32 (N, D) rows of unit length.

        Args:
            clips: Each a sequence of RGB uint8 (H, W, 3) frames in order of time, or uint8 (T, H, W, 3);
                `n_frames` of them, spread evenly, are looked at.
            batch_size: Clips computed at once.

        Raises:
            InputError: A clip has no frames, or a frame is not uint8 (H, W, 3).
        """
        check_batch_size(batch_size)
        rows = []
        for i in range(0, len(clips), batch_size):
            chosen = [[clip[t] for t in self._spread(len(clip))] for clip in clips[i : i + batch_size]]
            features = self.embed_frames([frame for clip in chosen for frame in clip], batch_size=32)
            rows.append(
                self.embed_features(features.reshape(len(chosen), self.n_frames, *features.shape[1:]))
            )
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def embed_images(self, images: Sequence[Image], *, batch_size: int = 32) -> Floats:
        """Embed RGB uint8 (H, W, 3) pictures, as clips in which nothing moves: float32 (N, D)."""
        return self.embed_clips([[image] for image in images], batch_size=batch_size)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Floats:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        check_batch_size(batch_size)
        rows = [
            self._unit_rows(self._texts(texts[i : i + batch_size])) for i in range(0, len(texts), batch_size)
        ]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def embed_frames(self, images: Sequence[Image], *, batch_size: int = 32) -> Floats:
        """What single frames show where: float32 (N, G, G, C), to be reused by every clip a frame is in."""
        check_batch_size(batch_size)
        sizes = self.sizes
        rows = [np.zeros((0, sizes.grid, sizes.grid, sizes.channels), np.float32)]
        for i in range(0, len(images), batch_size):
            rows.append(
                self._frames(np.stack([clip_transform(f, self.settings) for f in images[i : i + batch_size]]))
            )
        return np.concatenate(rows)

    def embed_features(self, features: NDArray[np.floating]) -> Floats:
        """Embed clips given as what `embed_frames` said of their frames, (N, T, G, G, C): float32 (N, D).

        Raises:
            InputError: T is not `n_frames`.
        """
        if features.ndim != 5 or features.shape[1] != self.n_frames:
            raise InputError(
                f"features of clips must be (N, {self.n_frames}, G, G, C), got {features.shape}",
                hint="choose that many frames of each clip",
            )
        return self._unit_rows(self._time(np.ascontiguousarray(features, dtype=np.float32)))

    def embed_video(
        self, frames: Iterable[Frame], *, window_s: float = 3.0, stride_s: float = 1.0
    ) -> Iterator[ClipWindow]:
        """Embed every stretch of a video while it is read; each frame passes the image tower at most once.

        No stretch reaches over a cut. The last one of a shot ends with it; a shot shorter than a stretch is
        one by itself.

        Args:
            frames: In order of time, such as a video source.
            window_s: Length of a stretch in seconds.
            stride_s: From one stretch to the next, seconds.

        Raises:
            InputError: The window or the stride is not positive.
        """
        if window_s <= 0 or stride_s <= 0:
            raise InputError(
                f"window_s and stride_s must be positive, got {window_s} and {stride_s}",
                hint="such as window_s=3, stride_s=1",
            )
        every = window_s / (2 * self.n_frames)
        shot = Shot(window_s - every, stride_s)
        cuts = CutFinder()
        taken = -math.inf
        for frame in frames:
            now = frame.time_s
            if now - taken < every - 1e-6:
                continue
            taken = now
            if cuts(frame.image):
                if last := shot.last():
                    yield self._window(last)
                shot = Shot(window_s - every, stride_s)
            if full := shot.add(now, self.embed_frames([frame.image])[0]):
                yield self._window(full)
        if last := shot.last():
            yield self._window(last)

    def _window(self, held: Sequence[tuple[float, NDArray[np.float32]]]) -> ClipWindow:
        features = np.stack([held[i][1] for i in self._spread(len(held))])
        return ClipWindow(held[0][0], held[-1][0], self.embed_features(features[None])[0])

    def _spread(self, count: int) -> list[int]:
        if count < 1:
            raise InputError("a clip has no frames", hint="give at least one frame of each clip")
        spread: list[int] = np.linspace(0, count - 1, self.n_frames).round().astype(int).tolist()
        return spread

    def _unit_rows(self, rows: Floats) -> Floats:
        if not np.isfinite(rows).all():
            raise ModelError(
                f"model {self.name!r} gives values that are not numbers",
                hint="load it with dtype='float32', or export it with --precision fp32",
            )
        return l2_normalise(rows)
