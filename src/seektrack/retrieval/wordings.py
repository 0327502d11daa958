"""Wordings of a query by what a library shows: templates from its data."""

from __future__ import annotations

import numpy as np

from seektrack.encoders import Encoder, contrast_texts, embed_queries
from seektrack.library import LibraryStore, Where

LOOKED_AT = 4000
"""Whole frames a library is judged by, evenly taken."""


def library_templates(store: LibraryStore, encoder: Encoder, *, count: int = 3) -> tuple[str, ...]:
    """Wordings that name a thing beside what the frames of a library show most often.

    Every whole frame votes for the text it is nearest to among those the encoder competes with; a library of
    streets gives ``{}``, ``a photo of {}`` and ``{} in an empty street``-like wordings of its own scenes.

    Args:
        store: The library.
        encoder: It was made with.
        count: Most scenes that make a wording.

    Returns:
        Templates, each with one ``{}``; the first is the thing alone.
    """
    vectors, _ = store.vectors(where=Where(kinds=("frame",)))
    texts = contrast_texts(encoder)
    if not len(vectors):
        return ("{}", "a photo of {}")
    step = max(1, len(vectors) // LOOKED_AT)
    nearest = (np.asarray(vectors[::step], dtype=np.float32) @ embed_queries(encoder, texts).T).argmax(axis=1)
    votes = np.bincount(nearest, minlength=len(texts))
    common = [texts[i] for i in np.argsort(-votes, kind="stable")[:count] if votes[i]]
    scenes = [text.removeprefix("a photo of ") for text in common if text != "a photo"]
    return ("{}", "a photo of {}", *(f"{{}} and {scene}" for scene in scenes))
