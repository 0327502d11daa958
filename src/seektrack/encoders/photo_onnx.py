"""The pocket CLIP and what knows photographs as ONNX graphs, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from seektrack.checkpoints.graphs import Graphs
from seektrack.encoders.base import PictureView, Vocabulary, check_batch_size, l2_normalise
from seektrack.encoders.clip_onnx import Images, OnnxClipEncoder, Rows
from seektrack.encoders.photographs import (
    BATCH,
    WEIGHTS,
    BothExperts,
    Photographs,
    margins_of,
    read_settings,
    unreadable,
)
from seektrack.encoders.taught import read_taught


class OnnxPhotoEncoder(OnnxClipEncoder):
    """Graphs of a CLIP and of what knows photographs as one `Encoder`.

    Args:
        name: What the user asked for.
        graphs: Those of the CLIP, and ``photographs`` and ``gate``; the folder holds ``photographs.json`` and
            ``photographs.safetensors`` too.
        vocabulary: What the CLIP knows.
        provider: Who computes them.

    Raises:
        ModelError: The note or the files lack what must be known.
    """

    def __init__(
        self, name: str, graphs: Graphs, *, vocabulary: Vocabulary | None, provider: str = "cpu"
    ) -> None:
        super().__init__(name, graphs, vocabulary=vocabulary, provider=provider)
        settings = read_settings(self.folder)
        try:
            held = load_file(self.folder / WEIGHTS)
            rows = np.concatenate([held["concepts"], held["backgrounds"]]).astype(np.float32)
            taught = read_taught(self.folder, weights=self.fingerprint, dim=rows.shape[1])
            photographs = Photographs(
                settings,
                l2_normalise(rows),
                tower=self._one("photographs"),
                gate=self._one("gate"),
                taught=taught,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(self.folder, error) from error
        self.experts = BothExperts(photographs, own=vocabulary, own_scale=self.logit_scale, own_dim=self.dim)
        self.vocabulary = self.experts.vocabulary
        self.logit_scale, self.dim = self.experts.logit_scale, self.experts.dim
        self.words, self.shares_from = self.experts.photographs.words, self.experts.own_dim
        self.texts_fingerprint = self.fingerprint if taught is None else f"{self.fingerprint} {taught.digest}"

    def _one(self, name: str) -> Any:
        def run(pixels: Rows) -> NDArray[Any]:
            return self._run(name, pixels)[0]

        return run

    def embed_images(self, images: Images, *, batch_size: int = BATCH) -> Rows:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        return self._embed(images, batch_size, 0.0)

    def view(self, picture: NDArray[np.uint8]) -> PictureView:
        """A picture, which tells better than its parts whether they are drawings."""
        odds = self._odds(picture)
        return PictureView(lambda crops: self._embed(crops, BATCH, odds), margins_of(odds))

    def _odds(self, picture: NDArray[np.uint8]) -> float:
        ((_, fine),) = self._groups([picture], 1)
        return float(self.experts.photographs.odds([picture], self._pixels([picture], fine))[0])

    def _embed(self, images: Images, batch_size: int, whole: float) -> Rows:
        check_batch_size(batch_size)
        out = np.zeros((len(images), self.dim), np.float32)
        for which, fine in self._groups(images, batch_size):
            shown = [images[i] for i in which]
            pixels = self._pixels(shown, fine)

            def drawn_rows(some: NDArray[np.intp], pixels: Rows = pixels, fine: bool = fine) -> Rows:
                return self._unit(self._run("vision_fine" if fine else "vision", pixels[some])[0])

            out[which] = self.experts.images(shown, pixels, drawn_rows, whole=whole)
        return out

    def _vectors(self, images: Images, pixels: Rows, rows: Rows) -> Rows:
        return self.experts.images(images, pixels, lambda some: rows[some])

    def colours_of(self, text: str) -> tuple[str, ...]:
        """The colours a text asks for."""
        return self.experts.photographs.lexicon.read(text).colours

    def embed_contrast(self, texts: list[str], colours: tuple[str, ...]) -> Rows:
        """Embed texts as a question meets them, see `seektrack.encoders.embed_contrast`."""
        return self.experts.texts(texts, super().embed_texts, beside=colours)

    def embed_texts(self, texts: Any, *, batch_size: int = 64) -> Rows:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        check_batch_size(batch_size)
        own = super().embed_texts
        return self.experts.texts(texts, lambda some: own(some, batch_size=batch_size))
