"""A question made ready for search: its embedding, what it has to beat, what must not show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import (
    Encoder,
    Vocabulary,
    colours_of,
    contrast_texts,
    embed_contrast,
    embed_queries,
    embed_weighted,
)
from seektrack.encoders.prompts import Templates, check_language, left_out
from seektrack.library import LibraryStore
from seektrack.query import Concept, Query, Term, read
from seektrack.retrieval.confidence import (
    ConfidenceSettings,
    competitors,
    content_words,
    log_odds,
    query_probability,
    sigmoid,
    supporters,
)
from seektrack.retrieval.kinds import Kinds, kinds_of

TINY = 1e-9
MOST_GAIN = 4.0
"""Log-odds that words can add to a certain picture at a weight of 2."""


@dataclass(frozen=True, eq=False)
class Emphasis:
    """Words of a text that count more or less.

    Attributes:
        weight: 1 is as usual.
        rest: float32 (D,), the text without them.
        rest_query: The text without them as a query; needed below 1 only.
    """

    weight: float
    rest: NDArray[np.float32]
    rest_query: TextQuery | None = None


@dataclass(frozen=True, eq=False)
class TextQuery:
    """A text ready to be compared with pictures.

    Attributes:
        text: What frames are asked, weights and exclusions taken out.
        vector: float32 (D,) of unit length, words weighted: what pictures are ordered by.
        contrast: float32 (C, D), the texts it has to beat.
        support: float32 (A, D), names the model knows for kinds of what is asked.
        group: Whether these are all that is asked for: see :func:`query_probability`.
        shares_from: Where pictures' own part begins of which names are summed, as there.
        logit_scale: The encoder's.
        without: What must not show.
        parts: The things an enumeration names, each a query of its own; empty for one thing.
        plain: float32 (D,), the text without weights, which confidence is made for; ``vector`` when None.
        emphasis: Words that count more or less.
    """

    text: str
    vector: NDArray[np.float32]
    contrast: NDArray[np.float32]
    support: NDArray[np.float32]
    logit_scale: float
    without: tuple[Exclusion, ...] = field(default=())
    parts: tuple[TextQuery, ...] = field(default=())
    plain: NDArray[np.float32] | None = None
    emphasis: tuple[Emphasis, ...] = ()
    group: bool = False
    shares_from: int | None = None

    def probability(
        self, vectors: NDArray[np.floating], settings: ConfidenceSettings | None = None
    ) -> NDArray[np.float64]:
        """Of each (N, D) picture, alone, to show this; (N,) in (0, 1). Exclusions are not counted in.

        A weight above 1 adds belief where a picture that may show the text is nearer to it than to the text
        without the words, and takes none away, so more weight never hides what matches. One below 1 believes
        what shows the rest as well.
        """
        s = settings or ConfidenceSettings()
        own = self.vector if self.plain is None else self.plain
        share = query_probability(
            vectors,
            own,
            self.contrast,
            logit_scale=self.logit_scale,
            temperature=s.temperature,
            support=self.support,
            group=self.group,
            shares_from=self.shares_from,
        )
        for one in self.emphasis:
            odds = log_odds(np.clip(share, TINY, 1 - TINY))
            if one.rest_query is not None:
                rest = one.rest_query.probability(vectors, s)
                odds += (1 - one.weight) * (log_odds(np.clip(rest, TINY, 1 - TINY)) - odds)
            else:
                shows = np.asarray(vectors, dtype=np.float32) @ (own - one.rest)
                gain = np.clip(shows * self.logit_scale / s.temperature, 0.0, MOST_GAIN)
                odds += (one.weight - 1) * gain * share
            share = sigmoid(odds)
        return share


@dataclass(frozen=True, eq=False)
class Exclusion:
    """Something a frame must not show.

    Attributes:
        query: What.
        weight: 1 excludes, less only disfavours.
        is_thing: It is a thing of its own, so no region of the frame may show it (``car -dog``). Otherwise it
            is a quality, which must not be one of the region found or of the frame as a whole (``car -red``,
            ``car -night``).
    """

    query: TextQuery
    weight: float
    is_thing: bool


@dataclass(frozen=True, eq=False)
class Preparer:
    """Makes texts ready: holds what they compete with, embedded once.

    Attributes:
        encoder: Where texts are embedded.
        texts, vectors: What competes with a question without colours, C texts and float32 (C, D).
        store: Keeps embeddings of what competes between runs.
        templates: See `seektrack.encoders.embed_query`.
        settings: Which texts are too near to compete.
        kinds: What is a kind of what, where the encoder says so.
    """

    encoder: Encoder
    texts: list[str]
    vectors: NDArray[np.float32]
    templates: Templates
    settings: ConfidenceSettings
    kinds: Kinds | None = None
    store: LibraryStore | None = None

    def text(
        self, text: str, english: str = "", weights: Sequence[Term] = (), *, rivals: Sequence[str] = ()
    ) -> TextQuery:
        """One text.

        Args:
            text: What is embedded.
            english: What it says, by which its competitors are told; the text itself when empty.
            weights: Words of it that count more or less.
            rivals: Texts it has to beat besides.
        """
        said, most = english or text, self.settings.max_cosine
        plain = embed_queries(self.encoder, [text], templates=self.templates)[0]
        vectors = self.contrast(said)
        keep = competitors(said, plain, self.texts, vectors, max_cosine=most, kinds=self.kinds)
        contrast = vectors[keep]
        if rivals:
            beside = embed_queries(self.encoder, rivals)
            beats = competitors(said, plain, rivals, beside, max_cosine=most, kinds=self.kinds)
            contrast = np.concatenate([contrast, beside[beats]])
        vocabulary: Vocabulary | None = getattr(self.encoder, "vocabulary", None)
        kinds = supporters(said, [] if vocabulary is None else self.texts, kinds=self.kinds)
        made = TextQuery(
            text,
            plain,
            contrast,
            vectors[: len(kinds)][kinds],
            self.encoder.logit_scale,
            shares_from=getattr(self.encoder, "shares_from", None),
        )
        if vocabulary is not None and self.kinds is not None and self.kinds.is_group(said, self.texts):
            taught = self.kinds.is_one_of(said, vocabulary.groups)
            by = embed_contrast(self.encoder, [said])[0] if taught else None
            made = replace(made, group=True, plain=by)
        rests = [(w, left_out(text, w.text)) for w in weights if w.weight != 1]
        emphasis = tuple(
            Emphasis(
                w.weight,
                embed_queries(self.encoder, [rest], templates=self.templates)[0],
                self.text(rest) if w.weight < 1 else None,
            )
            for w, rest in rests
            if rest
        )
        if not emphasis:
            return made
        vector = embed_weighted(self.encoder, text, weights, templates=self.templates)
        return replace(made, vector=vector, plain=plain, emphasis=emphasis)

    def contrast(self, said: str) -> NDArray[np.float32]:
        """What competes with a question, float32 (C, D), as one of its colours meets it."""
        colours = colours_of(self.encoder, said)
        return self.vectors if not colours else _vectors(self.encoder, self.texts, self.store, colours)

    def exclusion(self, term: Term) -> Exclusion:
        """What must not show."""
        query = self.text(term.english or term.text)
        return Exclusion(query, term.weight, self._is_thing(term.english or term.text))

    def _is_thing(self, text: str) -> bool:
        """Whether a text ends in a word that names things among the contrast texts: ``dog``, not ``red``."""
        said = content_words(text)
        return bool(said) and any((w := content_words(t)) and w[-1] == said[-1] for t in self.texts)


def preparer(
    encoder: Encoder,
    *,
    templates: Templates = "auto",
    settings: ConfidenceSettings | None = None,
    store: LibraryStore | None = None,
) -> Preparer:
    """What makes questions ready for an encoder; a store keeps embeddings of contrast texts between runs."""
    texts = contrast_texts(encoder)
    vectors = _vectors(encoder, texts, store)
    return Preparer(
        encoder, texts, vectors, templates, settings or ConfidenceSettings(), kinds_of(encoder), store
    )


def prepare_query(
    encoder: Encoder,
    query: str | Query,
    *,
    templates: Templates = "auto",
    settings: ConfidenceSettings | None = None,
    store: LibraryStore | None = None,
) -> TextQuery:
    """Embed a question about frames and the texts it competes with.

    Args:
        encoder: Where texts are embedded.
        query: What is asked for. Things that are asked for one by one are taken as asked for together.
        templates: See `seektrack.encoders.embed_query`.
        settings: Which texts are too near to compete.
        store: Keeps the embeddings of the contrast texts between runs.

    Raises:
        QueryError: The text has no words, a mark in it cannot be read, or the encoder cannot read its script.
    """
    asked = read(query)
    check_language(encoder, asked)
    ready = preparer(encoder, templates=templates, settings=settings, store=store)
    parts = tuple(ready.text(*thing) for concept in asked.concepts for thing in _things(encoder, concept))
    without = tuple(ready.exclusion(term) for term in asked.without)
    if len(parts) == 1:
        return replace(parts[0], without=without)
    whole = ready.text(" and ".join(c.text for c in asked.concepts))
    return replace(whole, without=without, parts=parts)


def prepare_object(
    encoder: Encoder,
    concept: Concept,
    *,
    rivals: Sequence[str] = (),
    templates: Templates = "auto",
    settings: ConfidenceSettings | None = None,
) -> TextQuery:
    """Embed what one object of its own shows of a concept, and what it must not be.

    Args:
        encoder: Where texts are embedded.
        concept: What is asked for.
        rivals: Texts it has to beat besides the usual ones.
        templates: See `seektrack.encoders.embed_query`.
        settings: Which texts are too near to compete.

    Raises:
        QueryError: The encoder cannot read the script.
    """
    check_language(encoder, Query(concept.said, ((concept,),), language=concept.language))
    ready = preparer(encoder, templates=templates, settings=settings)
    text = _own_words(encoder, concept, concept.instance)
    made = ready.text(text, concept.english, concept.weights, rivals=rivals)
    return replace(made, without=tuple(ready.exclusion(term) for term in concept.without))


def _own_words(encoder: Encoder, concept: Concept, text: str) -> str:
    """A concept in words that the encoder was taught."""
    return concept.english if concept.english and not _reads(encoder, concept.language) else text


def _things(encoder: Encoder, concept: Concept) -> list[tuple[str, str, Sequence[Term]]]:
    if concept.beside:
        return [(thing, "", ()) for thing in concept.beside]
    return [(_own_words(encoder, concept, concept.text), concept.english, concept.weights)]


def _reads(encoder: Encoder, language: str) -> bool:
    taught = getattr(encoder, "languages", None)
    return taught is None or language in taught


def _vectors(
    encoder: Encoder, texts: list[str], store: LibraryStore | None, colours: tuple[str, ...] = ()
) -> NDArray[np.float32]:
    """What competes with a question that asks for colours, float32 (C, D), from the store where it has it."""
    whose = getattr(encoder, "texts_fingerprint", encoder.fingerprint)
    key = "\x1f".join(["competing", whose, *colours, "", *texts])
    kept = store.cached_array(key) if store is not None else None
    if kept is not None and kept.shape == (len(texts), encoder.dim):
        return kept
    vectors = embed_contrast(encoder, texts, colours)
    if store is not None:
        store.keep_array(key, vectors)
    return vectors
