"""An encoder of the CLIP family as ONNX graphs: the same embeddings, without torch or transformers.

Each tower's graph is opened when it is first needed: a question loads the text tower alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.graphs import UNREADABLE, Graphs, Session
from seektrack.encoders.base import Vocabulary, check_batch_size, l2_normalise
from seektrack.encoders.calibration import Calibration, read_calibration
from seektrack.encoders.domain import Domain, read_domain
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.text_reader import TextReader
from seektrack.errors import ModelError

Images = Sequence[NDArray[np.uint8]]
Rows = NDArray[np.float32]


class OnnxClipEncoder:
    """Graphs of a CLIP-family model as an `Encoder`.

    Args:
        name: What the user asked for.
        graphs: Its towers.
        vocabulary: What a small-world model knows, or None.
        provider: Who computes them.

    Raises:
        ModelError: The note lacks what must be known.
    """

    def __init__(
        self, name: str, graphs: Graphs, *, vocabulary: Vocabulary | None, provider: str = "cpu"
    ) -> None:
        self.name, self.vocabulary, self.provider = name, vocabulary, provider
        self.folder: Path = graphs.folder
        self.fingerprint = graphs.answers_fingerprint
        self._graphs = graphs
        try:
            held = graphs.settings
            self.dim, self.logit_scale = int(held["dim"]), float(held["logit_scale"])
            self._length = self.dim  # of what the graphs give
            self.settings = ImageSettings(**{k: _tuples(v) for k, v in held["image"].items()})
            self.fine_size = int(held["fine_size"])
            self._languages = None if held["languages"] is None else tuple(map(str, held["languages"]))
            self._text = dict(held["text"])
        except UNREADABLE as error:
            raise ModelError(
                f"the note of {graphs.folder} lacks what an encoder needs: {error}",
                hint="write it again: seektrack models export MODEL --to FOLDER",
            ) from error
        self.image_size = self.settings.size

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Codes of the languages its texts may be in; None when it was taught many."""
        return self.vocabulary.languages if self.vocabulary is not None else self._languages

    @cached_property
    def domain(self) -> Domain | None:
        """What its training pictures were like, or None where nobody measured it."""
        return read_domain(self.folder, weights=self._graphs.fingerprint)

    @cached_property
    def calibration(self) -> Calibration | None:
        """What its scores mean, or None where nobody measured it."""
        return read_calibration(self.folder, weights=self._graphs.fingerprint)

    def embed_images(self, images: Images, *, batch_size: int = 32) -> Rows:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length.

        Whole frames are looked at on the finer side, where there is one, as `ClipEncoder` does.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        return self.embed_with_layers(images, batch_size=batch_size)[0]

    def embed_with_layers(self, images: Images, *, batch_size: int = 32) -> tuple[Rows, Rows]:
        """`embed_images`, and what the layers before the last made of each picture, in one pass."""
        check_batch_size(batch_size)
        vectors, layers = np.zeros((len(images), self.dim), np.float32), np.zeros((0, 0), np.float32)
        for which, fine in self._groups(images, batch_size):
            shown = [images[i] for i in which]
            pixels = self._pixels(shown, fine)
            found, more = self._run("vision_fine" if fine else "vision", pixels)
            if not layers.size:
                layers = np.zeros((len(images), more.shape[1]), np.float32)
            vectors[which], layers[which] = self._vectors(shown, pixels, self._unit(found)), more
        return vectors, layers

    def _vectors(self, images: Images, pixels: Rows, rows: Rows) -> Rows:
        """Embeddings of pictures whose unit rows the graph gave."""
        return rows

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Rows:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        check_batch_size(batch_size)
        rows = [
            self._unit(self._run("text", *self._reader(texts[i : i + batch_size]))[0])
            for i in range(0, len(texts), batch_size)
        ]
        return np.concatenate(rows) if rows else np.zeros((0, self._length), np.float32)

    def knows_word(self, word: str) -> bool:
        """Whether its tokenizer stores a word whole, as those that were seen often."""
        return self._reader.is_whole(word)

    @cached_property
    def _reader(self) -> TextReader:
        return TextReader.load(self.folder, self._text)

    @cached_property
    def _run(self) -> Callable[..., list[NDArray[Any]]]:
        opened: dict[str, Session] = {}

        def run(name: str, *values: NDArray[Any]) -> list[NDArray[Any]]:
            if name not in opened:
                opened[name] = Session(self._graphs, name, provider=self.provider)
            return opened[name](*values)

        return run

    def _groups(self, images: Images, batch_size: int) -> Iterator[tuple[list[int], bool]]:
        """Numbers of pictures to be looked at together, and whether on the finer side."""
        sides = [min(np.shape(image)[:2], default=0) for image in images]
        for fine in (False, True):
            which = [i for i, side in enumerate(sides) if (0 < self.fine_size <= side) == fine]
            yield from ((which[i : i + batch_size], fine) for i in range(0, len(which), batch_size))

    def _pixels(self, images: Images, fine: bool) -> Rows:
        settings = self.settings.at(self.fine_size) if fine else self.settings
        return np.stack([clip_transform(image, settings) for image in images])

    def _unit(self, rows: NDArray[np.floating]) -> Rows:
        if rows.shape[1:] != (self._length,):
            raise ModelError(
                f"the graphs of {self.name!r} give {rows.shape[1:]} values, their note says {self._length}",
                hint="write them again: seektrack models export MODEL --to FOLDER",
            )
        if not np.isfinite(rows).all():
            raise ModelError(
                f"the graphs of {self.name!r} give values that are not numbers",
                hint="export the model with --precision fp32",
            )
        return l2_normalise(rows)

    def __repr__(self) -> str:
        return f"OnnxClipEncoder({self.name!r}, dim={self.dim}, provider={self.provider!r})"


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
