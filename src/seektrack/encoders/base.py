"""What an encoder is: images and texts into one shared space of unit vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError

TEMPORAL = "seektrack_temporal"
"""``model_type`` of our own encoder of stretches of video."""


@dataclass(frozen=True)
class Vocabulary:
    """What a model with a small world knows, read from ``vocabulary.json`` in its folder.

    Attributes:
        labels: Every thing it can name, as noun phrases (``"a red car"``).
        background: What a picture of none of them is called (``"an empty street"``).
        templates: Wordings it was trained with, each with one ``{}``; empty for the built-in ones.
        languages: Codes of the languages it was taught.
        kinds: What things are kinds of, by name (``"bee": ("insect",)``), one step each.
        groups: Names of kinds (``"insect"``) that it was taught beside what they hold together; a picture of
            no one of these in particular may be told by them.
    """

    labels: tuple[str, ...]
    background: tuple[str, ...]
    templates: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en", "de", "fr", "es")
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@runtime_checkable
class Encoder(Protocol):
    """Embeds images and texts in one space; anything with these members can be registered.

    An encoder may also have ``vocabulary: Vocabulary | None``, which `contrast_texts` then uses;
    ``languages: tuple[str, ...] | None``, the codes of those it reads (None: many), for `check_language`;
    ``domain: Domain | None``, what its training pictures were like, and with it
    ``embed_with_layers(images)``, see `seektrack.encoders.features`; and ``calibration: Calibration |
    None``, what its scores mean; ``texts_fingerprint: str``, where texts may have other vectors while those
    of pictures stay; ``embed_contrast(texts, colours)`` and ``colours_of(text)``, where texts that a query
    competes with are not embedded as if they were asked; ``shares_from: int``, see
    `seektrack.retrieval.confidence.query_probability`; ``words: frozenset[str]``, which `speller_for`
    leaves alone; ``view(picture)``, a `PictureView`, where the whole picture helps to understand its parts.

    Attributes:
        name: What the user asked for: a built-in name, a folder or a hub id.
        dim: D, length of an embedding.
        fingerprint: Hash of weights, configuration and preprocessing. Vectors of two encoders may be
            compared only when their fingerprints are equal.
        logit_scale: Factor that turns cosines into the logits the model was trained with.
        image_size: Side in pixels of the square the network sees.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def logit_scale(self) -> float: ...  # noqa: D102
    @property
    def image_size(self) -> int: ...  # noqa: D102

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length."""
        ...

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Embed texts as float32 (N, D) rows of unit length."""
        ...


CROP_MARGIN = 0.45
"""Around an object that an encoder looks at, as a fraction of half its box's longer side."""


@dataclass(frozen=True)
class PictureView:
    """A picture whose parts are to be embedded, once looked at as a whole.

    Attributes:
        embed: Embeds parts of it, RGB uint8 (H, W, 3) of any sizes, as float32 (N, D) rows of unit length.
        margins: How much is to be seen around an object, as it is and dimmed outside its mask, as fractions
            of half the longer side of its box.
    """

    embed: Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
    margins: tuple[float, float] = (CROP_MARGIN, CROP_MARGIN)


def view_picture(encoder: Encoder, picture: NDArray[np.uint8]) -> PictureView:
    """Look at a whole picture, RGB uint8 (H, W, 3), before its parts; some encoders have a ``view``."""
    own: Any = getattr(encoder, "view", None)
    looked: PictureView = PictureView(encoder.embed_images) if own is None else own(picture)
    return looked


def l2_normalise(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale the rows of (N, D), or one (D,) vector, to unit length; zero rows stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


def check_batch_size(batch_size: int) -> None:
    """Refuse batches of nothing.

    Raises:
        InputError: Below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
