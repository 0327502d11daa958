"""A text made ready for search: its embedding, what it has to beat, what must not show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, contrast_texts, embed_queries
from seektrack.encoders.prompts import TemplateChoice
from seektrack.encoders.translation import Translator
from seektrack.encoders.weighted import WeightedQuery, embed_weighted, parse_weighted
from seektrack.errors import QueryError
from seektrack.library import LibraryStore
from seektrack.retrieval.confidence import (
    ConfidenceSettings,
    competitors,
    content_words,
    query_probability,
    supporters,
)
from seektrack.retrieval.framing import unframed
from seektrack.retrieval.parts import split_parts


@dataclass(frozen=True, eq=False)
class TextQuery:
    """A text ready to be compared with pictures.

    Attributes:
        text: As it was cleaned, weights and exclusions taken out.
        vector: float32 (D,) of unit length.
        contrast: float32 (C, D), the texts it has to beat.
        support: float32 (A, D), names the model knows for kinds of what is asked.
        logit_scale: The encoder's.
        without: What must not show.
        parts: The things an enumeration names, each a query of its own; empty for one thing.
    """

    text: str
    vector: NDArray[np.float32]
    contrast: NDArray[np.float32]
    support: NDArray[np.float32]
    logit_scale: float
    without: tuple[Exclusion, ...] = field(default=())
    parts: tuple[TextQuery, ...] = field(default=())

    def probability(
        self, vectors: NDArray[np.floating], settings: ConfidenceSettings | None = None
    ) -> NDArray[np.float64]:
        """Of each (N, D) picture, alone, to show this; (N,) in (0, 1). Exclusions are not counted in."""
        return query_probability(
            vectors,
            self.vector,
            self.contrast,
            logit_scale=self.logit_scale,
            temperature=(settings or ConfidenceSettings()).temperature,
            support=self.support,
        )


@dataclass(frozen=True, eq=False)
class Exclusion:
    """Something a frame must not show.

    Attributes:
        query: What.
        weight: 1 excludes, less only disfavours.
        is_thing: It is a thing of its own, so no region of the frame may show it (``car -dog``). Otherwise it
            is a quality, which must not be one of the region found or of the frame as a whole (``car -red``,
            ``car
            -night``).
    """

    query: TextQuery
    weight: float
    is_thing: bool


def prepare_query(
    encoder: Encoder,
    text: str,
    *,
    templates: TemplateChoice = "auto",
    settings: ConfidenceSettings | None = None,
    store: LibraryStore | None = None,
    translator: Translator | None = None,
) -> TextQuery:
    """Embed a text and the texts it competes with.

    Args:
        encoder: Where texts are embedded.
        text: What is asked for; may hold weights and exclusions, ``"a (black:1.5) dog -night"``. What is said
            around it, ``"show me …, please"``, is left out.
        templates: See `embed_query`.
        settings: Which texts are too near to compete.
        store: Keeps the embeddings of the contrast texts between runs.
        translator: Puts the text into the encoder's language first.

    Raises:
        QueryError: The text has no words, or a weight cannot be read.
    """
    s = settings or ConfidenceSettings()
    asked = parse_weighted(unframed(text))
    if translator is not None:
        asked = translated(asked, translator)
    texts = contrast_texts(encoder)
    vectors = _contrast_vectors(encoder, texts, store)
    plain = _prepared(encoder, WeightedQuery(asked.text, asked.emphasis), texts, vectors, templates, s)
    excluded = [
        _prepared(encoder, WeightedQuery(w.text), texts, vectors, templates, s) for w in asked.without
    ]
    exclusions = tuple(
        Exclusion(query, w.weight, _is_thing(w.text, texts))
        for query, w in zip(excluded, asked.without, strict=True)
    )
    named = () if asked.emphasis else split_parts(asked.text)
    parts = tuple(
        _prepared(encoder, WeightedQuery(part), texts, vectors, templates, s)
        for part in (named if len(named) > 1 else ())
    )
    return replace(plain, without=exclusions, parts=parts)


def translated(query: WeightedQuery, translator: Translator) -> WeightedQuery:
    """A query in another language; weights inside a sentence are lost, as its words move.

    Raises:
        QueryError: The translator gave an empty text or another number of texts.
    """
    sources = [query.text, *(w.text for w in query.without)]
    texts = [t.strip() for t in translator(sources)]
    if len(texts) != len(sources) or not all(any(c.isalnum() for c in t) for t in texts):
        raise QueryError(
            f"the translator made {texts!r} of {sources!r}", hint="search in the encoder's own language"
        )
    without = tuple(replace(w, text=t) for w, t in zip(query.without, texts[1:], strict=True))
    return WeightedQuery(texts[0].rstrip("?!. "), (), without)


def _prepared(
    encoder: Encoder,
    asked: WeightedQuery,
    texts: list[str],
    vectors: NDArray[np.float32],
    templates: TemplateChoice,
    s: ConfidenceSettings,
) -> TextQuery:
    vector = embed_weighted(encoder, asked, templates=templates)
    keep = competitors(asked.text, vector, texts, vectors, max_cosine=s.max_cosine)
    vocabulary = getattr(encoder, "vocabulary", None)
    kinds = supporters(asked.text, texts if vocabulary is not None else [])
    support = vectors[: len(kinds)][kinds]
    return TextQuery(asked.text, vector, vectors[keep], support, encoder.logit_scale)


def _is_thing(text: str, texts: list[str]) -> bool:
    """Whether a text ends in a word that names things among the contrast texts: ``dog``, not ``red``."""
    said = content_words(text)
    return bool(said) and any((words := content_words(t)) and words[-1] == said[-1] for t in texts)


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
