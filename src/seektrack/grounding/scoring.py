"""How sure CLIP is that a crop shows what was asked for.

A cosine alone means little; what counts is the share the query takes in a softmax against everything else the
crop could show (`seektrack.encoders.contrast_texts`) and against the same thing in other colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, l2_normalise, view_picture
from seektrack.encoders.prompts import Templates
from seektrack.errors import QueryError
from seektrack.geometry import Box, crop_square, masked_crop
from seektrack.grounding.found import CropKind
from seektrack.query import COLOUR_FAMILIES, Concept, Query, read, with_article
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.exclusions import allowed_objects
from seektrack.retrieval.query import prepare_object
from seektrack.types import Mask

Image = NDArray[np.uint8]


class TextScorer:
    """Confidence of crops in one concept, with the texts embedded once.

    Args:
        encoder: Embeds texts and crops.
        target: What is asked for: a concept, or a question that asks for one.
        settings: How cosines become beliefs.
        templates: See `seektrack.encoders.embed_query`.

    Attributes:
        target: What is asked for.
        query: Its text made ready, with what it competes with and what the object must not be.

    Raises:
        QueryError: The text is empty, asks for several things, or is in a script the encoder cannot read.
    """

    def __init__(
        self,
        encoder: Encoder,
        target: Concept | Query | str,
        *,
        settings: ConfidenceSettings | None = None,
        templates: Templates = "auto",
    ) -> None:
        self.encoder = encoder
        self.target = target if isinstance(target, Concept) else one_concept(read(target))
        self.settings = settings or ConfidenceSettings()
        # A vocabulary names every colour the model knows; unknown ones would only dilute its belief.
        closed = getattr(encoder, "vocabulary", None) is not None
        self.query = prepare_object(
            encoder,
            self.target,
            rivals=[] if closed else counter_texts(self.target),
            settings=self.settings,
            templates=templates,
        )

    def confidence(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Belief in [0, 1] that each embedding (N, D) of unit length shows the concept: (N,).

        What it must not be is held against the object itself, not against what else the picture shows.
        """
        shows = self.query.probability(embeddings, self.settings)
        return shows * allowed_objects(self.query.without, embeddings, self.settings)


def one_concept(query: Query) -> Concept:
    """The concept of a question that asks for one.

    Raises:
        QueryError: It asks for several.
    """
    if len(query.concepts) != 1:
        raise QueryError(
            f"{query.typed!r} asks for {len(query.concepts)} things",
            hint="ground one at a time, or follow them all",
        )
    return query.concepts[0]


def counter_texts(target: Concept) -> list[str]:
    """The same thing in other colours, which a colour asked for must beat; empty when none is asked for."""
    text = target.english or target.instance
    if target.colour is None or target.colour not in text.split():
        return []
    others = [f.split()[0] for f in COLOUR_FAMILIES if target.colour not in f.split()]
    return [with_article(text.replace(target.colour, other, 1)) for other in others]


def object_crop(image: Image, box: Box, size: int, *, margin: float) -> Image:
    """The square around a box as it is in the picture, uint8 (size, size, 3)."""
    return crop_square(image, box, size, margin=margin)


def embed_objects(
    encoder: Encoder,
    image: Image,
    boxes: Sequence[Box],
    masks: Sequence[Mask | None],
    *,
    crop: CropKind = "plain",
    margin: float | None = None,
) -> NDArray[np.float32]:
    """Appearance of objects of one picture, float32 (N, D) of unit length.

    Args:
        encoder: Embeds the crops.
        image: uint8 (H, W, 3), RGB.
        boxes: ``xyxy`` pixels.
        masks: Pixels of each, used unless ``crop`` is ``plain``; a None mask is cropped plainly.
        crop: See `GroundSettings`.
        margin: See `GroundSettings`.
    """
    size = encoder.image_size
    if not boxes:
        return encoder.embed_images([])
    view = view_picture(encoder, image)
    close, wide = view.margins if margin is None else (margin, margin)
    plain = [object_crop(image, b, size, margin=close) for b in boxes]
    if crop == "plain":
        return view.embed(plain)
    masked = [
        p if m is None else masked_crop(image, m.to_array(), b, size, margin=wide)
        for p, b, m in zip(plain, boxes, masks, strict=True)
    ]
    if crop == "masked":
        return view.embed(masked)
    both = view.embed([*plain, *masked])
    return l2_normalise(both[: len(plain)] + both[len(plain) :])
