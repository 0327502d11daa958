"""How sure CLIP is that a crop shows what was asked for.

A cosine alone means little; what counts is the share the query takes in a softmax against everything else the
crop could show (`seektrack.encoders.contrast_texts`) and against the same thing in other colours.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, contrast_texts, embed_queries, embed_query
from seektrack.encoders.prompts import words_of
from seektrack.geometry import BoolMask, Box, crop_square
from seektrack.grounding.target import Target, counter_texts, parse_target, singular

Image = NDArray[np.uint8]

DUPLICATE_COSINE = 0.97
_FILLER = frozenset({"a", "an", "the", "of", "photo", "picture", "object"})


class TextScorer:
    """Confidence of crops in one target, with the texts embedded once.

    Args:
        encoder: Embeds texts and crops.
        target: What is asked for.

    Attributes:
        target: What is asked for, taken apart.
        query: Unit embedding of its text, float32 (D,).
        contrast: Unit embeddings of what competes with it, float32 (C, D).
    """

    def __init__(self, encoder: Encoder, target: Target | str) -> None:
        self.encoder = encoder
        self.target = parse_target(target) if isinstance(target, str) else target
        self.query = embed_query(encoder, self.target.clip_text)
        texts = [*contrast_texts(encoder), *counter_texts(self.target)]
        texts = [t for t in dict.fromkeys(texts) if competes(self.target.clip_text, t)]
        embedded = embed_queries(encoder, texts)
        self.contrast = embedded[embedded @ self.query <= DUPLICATE_COSINE]

    def confidence(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Belief in [0, 1] that each embedding (N, D) of unit length shows the target: (N,)."""
        return softmax_confidence(embeddings, self.query, self.contrast, scale=self.encoder.logit_scale)


def softmax_confidence(
    embeddings: NDArray[np.floating],
    query: NDArray[np.floating],
    contrast: NDArray[np.floating],
    *,
    scale: float,
) -> NDArray[np.float64]:
    """Share of the query in the softmax over it and its contrasts, for each image embedding.

    Args:
        embeddings: (N, D) unit vectors.
        query: (D,) unit vector.
        contrast: (C, D) unit vectors.
        scale: Factor from cosines to logits.

    Returns:
        float64 (N,) in [0, 1].
    """
    embeddings = np.asarray(embeddings, dtype=np.float64).reshape(-1, query.shape[0])
    logits = scale * embeddings @ np.vstack([query[None], contrast]).astype(np.float64).T
    logits -= logits.max(axis=1, keepdims=True)
    weights = np.exp(logits)
    return np.asarray(weights[:, 0] / weights.sum(axis=1), dtype=np.float64)


def competes(query: str, text: str) -> bool:
    """Whether a contrast text says something else than the query.

    A text that only says more (``a red car`` to the query ``a car``) or less (``a photo of a car`` to ``a red
    car``) is no rival: its picture may well be the answer.
    """
    asked, other = _content(query), _content(text)
    return not other or not (asked <= other or other <= asked)


def _content(text: str) -> frozenset[str]:
    return frozenset(singular(w) for w in words_of(text)) - _FILLER


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
