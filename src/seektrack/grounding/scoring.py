"""How sure CLIP is that a crop shows what was asked for.

A cosine alone means little; what counts is the share the query takes in a softmax against everything else the
crop could show (`seektrack.encoders.contrast_texts`) and against the same thing in other colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, contrast_texts, embed_queries, embed_query, l2_normalise
from seektrack.geometry import BoolMask, Box, crop_square
from seektrack.grounding.found import CropKind
from seektrack.grounding.target import Target, counter_texts, parse_target
from seektrack.retrieval.confidence import ConfidenceSettings, competitors, query_probability
from seektrack.types import Mask

Image = NDArray[np.uint8]


class TextScorer:
    """Confidence of crops in one target, with the texts embedded once.

    Args:
        encoder: Embeds texts and crops.
        target: What is asked for.
        settings: How cosines become beliefs.

    Attributes:
        target: What is asked for, taken apart.
        query: Unit embedding of its text, float32 (D,).
        contrast: Unit embeddings of what competes with it, float32 (C, D).
    """

    def __init__(
        self, encoder: Encoder, target: Target | str, *, settings: ConfidenceSettings | None = None
    ) -> None:
        self.encoder = encoder
        self.target = parse_target(target) if isinstance(target, str) else target
        self.settings = settings or ConfidenceSettings()
        text = self.target.clip_text
        self.query = embed_query(encoder, text)
        # A vocabulary names every colour the model knows; unknown ones would only dilute its belief.
        closed = getattr(encoder, "vocabulary", None) is not None
        counters = [] if closed else counter_texts(self.target)
        texts = list(dict.fromkeys([*contrast_texts(encoder), *counters]))
        embedded = embed_queries(encoder, texts)
        rivals = competitors(text, self.query, texts, embedded, max_cosine=self.settings.max_cosine)
        self.contrast = embedded[rivals]

    def confidence(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Belief in [0, 1] that each embedding (N, D) of unit length shows the target: (N,)."""
        return query_probability(
            embeddings,
            self.query,
            self.contrast,
            logit_scale=self.encoder.logit_scale,
            temperature=self.settings.temperature,
        )


def object_crop(image: Image, box: Box, size: int, *, margin: float) -> Image:
    """The square around a box as it is in the picture, uint8 (size, size, 3)."""
    return crop_square(image, box, size, margin=margin)


def masked_crop(image: Image, mask: BoolMask, box: Box, size: int, *, margin: float) -> Image:
    """The square around a box with everything outside the mask blurred and greyed.

    The surrounding stays as a hint of place without showing other objects sharply.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W), what to keep.
        box: ``xyxy`` pixels of the mask.
        size: Side of the result in pixels.
        margin: As in `seektrack.geometry.crop_square`.

    Returns:
        uint8 (size, size, 3).
    """
    plain = crop_square(image, box, size, margin=margin)
    as_picture = np.repeat(mask.astype(np.uint8)[:, :, None] * 255, 3, axis=2)
    alpha = crop_square(as_picture, box, size, margin=margin).astype(np.float32) / 255
    sigma = max(size / 16, 1.0)
    backdrop = cv2.GaussianBlur(plain, (0, 0), sigma).astype(np.float32) * 0.4 + 127 * 0.6
    return np.clip(plain * alpha + backdrop * (1 - alpha), 0, 255).astype(np.uint8)


def embed_objects(
    encoder: Encoder,
    image: Image,
    boxes: Sequence[Box],
    masks: Sequence[Mask | None],
    *,
    crop: CropKind = "plain",
    margin: float = 0.45,
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
    plain = [object_crop(image, b, size, margin=margin) for b in boxes]
    if crop == "plain" or not plain:
        return encoder.embed_images(plain)
    masked = [
        p if m is None else masked_crop(image, m.to_array(), b, size, margin=margin)
        for p, b, m in zip(plain, boxes, masks, strict=True)
    ]
    if crop == "masked":
        return encoder.embed_images(masked)
    both = encoder.embed_images([*plain, *masked])
    return l2_normalise(both[: len(plain)] + both[len(plain) :])
