"""A text made ready for search: its embedding, what it has to beat, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, clean_query, contrast_texts, embed_queries, embed_query
from seektrack.encoders.prompts import TemplateChoice
from seektrack.library import LibraryStore
from seektrack.retrieval.confidence import ConfidenceSettings, competitors, query_probability, supporters


@dataclass(frozen=True, eq=False)
class TextQuery:
    """A text ready to be compared with pictures.

    Attributes:
        text: As it was cleaned.
        vector: float32 (D,) of unit length.
        contrast: float32 (C, D), the texts it has to beat.
        support: float32 (A, D), names the model knows for kinds of what is asked.
        logit_scale: The encoder's.
    """

    text: str
    vector: NDArray[np.float32]
    contrast: NDArray[np.float32]
    support: NDArray[np.float32]
    logit_scale: float

    def probability(
        self, vectors: NDArray[np.floating], settings: ConfidenceSettings | None = None
    ) -> NDArray[np.float64]:
        """Of each (N, D) picture, alone, to show this; (N,) in (0, 1)."""
        return query_probability(
            vectors,
            self.vector,
            self.contrast,
            logit_scale=self.logit_scale,
            temperature=(settings or ConfidenceSettings()).temperature,
            support=self.support,
        )


def prepare_query(
    encoder: Encoder,
    text: str,
    *,
    templates: TemplateChoice = "auto",
    settings: ConfidenceSettings | None = None,
    store: LibraryStore | None = None,
) -> TextQuery:
    """Embed a text and the texts it competes with.

    Args:
        encoder: Where texts are embedded.
        text: What is asked for.
        templates: See `embed_query`.
        settings: Which texts are too near to compete.
        store: Keeps the embeddings of the contrast texts between runs.

    Raises:
        QueryError: The text has no words.
    """
    s = settings or ConfidenceSettings()
    cleaned = clean_query(text)
    vector = embed_query(encoder, cleaned, templates=templates)
    texts = contrast_texts(encoder)
    vectors = _contrast_vectors(encoder, texts, store)
    keep = competitors(cleaned, vector, texts, vectors, max_cosine=s.max_cosine)
    vocabulary = getattr(encoder, "vocabulary", None)
    kinds = supporters(cleaned, texts if vocabulary is not None else [])
    support = vectors[: len(kinds)][kinds]
    return TextQuery(cleaned, vector, vectors[keep], support, encoder.logit_scale)


def _contrast_vectors(encoder: Encoder, texts: list[str], store: LibraryStore | None) -> NDArray[np.float32]:
    # A small-world model competes in the wordings it knows; the built-in texts are already worded.
    templates: TemplateChoice = "none" if getattr(encoder, "vocabulary", None) is None else "auto"
    key = "\x1f".join(["contrast", encoder.fingerprint, templates, *texts])
    kept = store.cached_array(key) if store is not None else None
    if kept is not None and kept.shape == (len(texts), encoder.dim):
        return kept
    vectors = embed_queries(encoder, texts, templates=templates)
    if store is not None:
        store.keep_array(key, vectors)
    return vectors
