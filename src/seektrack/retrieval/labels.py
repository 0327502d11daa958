"""Picture to text: which of a list of labels a picture shows, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, contrast_texts, embed_queries
from seektrack.errors import QueryError


@dataclass(frozen=True)
class Labelled:
    """One label of a picture.

    Attributes:
        label: The text.
        score: Cosine similarity with the picture, in [-1, 1].
        probability: Share in the softmax over all labels, in [0, 1].
    """

    label: str
    score: float
    probability: float


def label_images(
    encoder: Encoder,
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[str] | None = None,
    *,
    k: int | None = None,
) -> list[list[Labelled]]:
    """Labels of each picture, best first.

    Args:
        encoder: Where both are embedded.
        images: RGB uint8 (H, W, 3), of any sizes.
        labels: What they may show; what the encoder competes with when None. Repeated labels count once.
        k: At most so many for each picture.

    Raises:
        QueryError: The list is empty, or a label has no words.
        InputError: An image is not RGB uint8.
    """
    texts = list(
        dict.fromkeys(label.strip() for label in (contrast_texts(encoder) if labels is None else labels))
    )
    wordless = [text for text in texts if not any(c.isalnum() for c in text)]
    if not texts or wordless:
        raise QueryError(
            f"the label {wordless[0]!r} has no words" if wordless else "the list of labels is empty",
            hint="give labels such as a cat, a dog",
        )
    if not len(images):
        return []
    cosine = encoder.embed_images(list(images)) @ embed_queries(encoder, texts).T
    logits = cosine.astype(np.float64) * encoder.logit_scale
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    out = []
    for row, share in zip(cosine, shares, strict=True):
        order = np.argsort(-row, kind="stable")[:k]
        out.append([Labelled(texts[i], float(np.clip(row[i], -1, 1)), float(share[i])) for i in order])
    return out
