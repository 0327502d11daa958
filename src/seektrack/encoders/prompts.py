"""From the words of a query to the embedding that is searched with.

A noun phrase is worded in several ways and the embeddings averaged, as Radford et al. (CLIP, 2021, section
3.1.4) do for class names; a sentence is embedded as it stands. Seven wordings do better than their eighty.
Words with a weight move the embedding by the difference it makes to leave them out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import Encoder, l2_normalise
from seektrack.errors import QueryError
from seektrack.query import (
    SCRIPTS,
    Query,
    Term,
    language_name,
    language_of,
    languages,
    read,
    shown,
    with_article,
    words_of,
)
from seektrack.query.spoken.en import LANGUAGE as ENGLISH
from seektrack.query.spoken.en import NOT_NOUN, is_participle

TEMPLATES: dict[str, tuple[str, ...]] = {
    "none": ("{}",),
    "basic": ("a photo of {}",),
    "enriched": ENGLISH.templates,
}
"""Wordings by name; ``{}`` takes the noun phrase with its article."""

Templates = str | Sequence[str]
"""``auto``, ``adaptive``, ``multilingual``, a name of `TEMPLATES`, or one's own wordings with one ``{}``."""

_PEOPLE_WORDS = "person people man men woman women child children boy girl baby pedestrian player driver"
_PLACE_WORDS = "street road beach meadow field forest room kitchen office city park river sea mountain sky"
_PEOPLE, _PLACES = frozenset(_PEOPLE_WORDS.split()), frozenset(_PLACE_WORDS.split())

MAX_NOUN_WORDS = 5


def check_templates(templates: Templates) -> Templates:
    """The templates, if they can be used.

    Raises:
        QueryError: An unknown name, no wording, or one without exactly one ``{}``.
    """
    if isinstance(templates, str):
        if "{}" in templates:
            return check_templates((templates,))
        if templates not in (*TEMPLATES, "auto", "adaptive", "multilingual"):
            raise QueryError(
                f"unknown templates {templates!r}",
                hint=f"allowed: auto, {', '.join(TEMPLATES)}, adaptive, multilingual, "
                'or wordings of your own such as "a scan of {}"',
            )
        return templates
    own = tuple(templates)
    wrong = [
        one
        for one in own
        if not isinstance(one, str) or one.count("{}") != 1 or re.search(r"[{}]", one.replace("{}", ""))
    ]
    if wrong or not own:
        raise QueryError(
            f"a template must hold {{}} once, got {shown(str(wrong[0]))}"
            if wrong
            else "there is no template",
            hint='write {} where the thing goes: "a scan of {}"',
        )
    return own


def check_language(encoder: Encoder, query: Query) -> tuple[str, ...]:
    """What is to be said where a question is in a language the encoder was not taught, one line each.

    Raises:
        QueryError: It is in a script the encoder cannot read, so that every answer would be noise.
    """
    taught = getattr(encoder, "languages", None)
    if taught is None or query.language in taught:
        return ()
    name = language_name(query.language)
    way = "--translate MODEL puts it into English first, --model multilingual reads it"
    if query.language in SCRIPTS:
        raise QueryError(
            f"the model {encoder.name} does not read {name}: {shown(query.typed)}",
            hint=f"{way}; in Python translate=…, Library(..., model='multilingual')",
        )
    if all(c.english for c in query.concepts):
        return (f"the model {encoder.name} does not read {name}; searched as {_in_english(query)}",)
    return (f"the model {encoder.name} was not taught {name}: {way}",)


def _in_english(query: Query) -> str:
    return repr(" and ".join(c.english for c in query.concepts))


def is_noun_query(text: str) -> bool:
    """Guess whether words name a thing (``"a red car"``) rather than telling what happens.

    Short, English letters, no verb, preposition or conjunction, at most one article, and no participle. It
    only decides whether wordings are averaged, so a wrong guess costs little.
    """
    words = words_of(text)
    body = words[1:] if words and words[0] in ENGLISH.articles else words
    if not 1 <= len(body) <= MAX_NOUN_WORDS or not text.isascii() or re.search(r"[,;:!?>()]", text):
        return False
    return not any(w in NOT_NOUN or w in ENGLISH.articles or is_participle(w) for w in body)


def expand(text: str, templates: Sequence[str]) -> list[str]:
    """Put a noun phrase into each template; a singular phrase without an article gets one."""
    words = words_of(text)
    bare = words and text.isascii() and words[0] not in ENGLISH.articles and not words[-1].endswith("s")
    phrase = with_article(text) if bare else text
    return [template.replace("{}", phrase) for template in templates]


def adapted(text: str) -> tuple[str, ...]:
    """Wordings that suit what a noun phrase names: people, places, several things, or one thing."""
    head = words_of(text)[-1]
    if head in _PEOPLE:
        return ("{}", "a photo of {}", "{} in the street", "a video frame showing {}")
    if head in _PLACES:
        return ("{}", "a photo of {}", "a view of {}", "a scene in {}")
    if head.endswith("s") and not head.endswith("ss"):
        return ("{}", "a photo of {}", "a group of {}", "several {}")
    return ("{}", "a photo of {}", "a close-up of {}", "there is {} in the scene")


def embed_query(encoder: Encoder, text: str | Query, *, templates: Templates = "auto") -> NDArray[np.float32]:
    """Embed what a question asks for as float32 (D,) of unit length, with its weights, without exclusions.

    Args:
        encoder: Where the texts are embedded.
        text: What is looked for.
        templates: ``"auto"`` averages over ``"enriched"`` for noun phrases and takes sentences as they are;
            a model with a `Vocabulary` gets the wordings it was trained with, for others only confuse it.
            ``"adaptive"`` picks wordings by what the phrase names, ``"multilingual"`` words German, French
            and Spanish phrases in their language; another name forces that set, and so do wordings of one's
            own, ``["a scan of {}"]``.

    Raises:
        QueryError: The text has no words, or the templates cannot be used.
    """
    query = read(text)
    said = query.text if query.concepts[0].clause is None else query.concepts[0].said
    weights = tuple(w for c in query.concepts for w in c.weights)
    return embed_weighted(encoder, said, weights, templates=templates)


def embed_weighted(
    encoder: Encoder, text: str, weights: Sequence[Term] = (), *, templates: Templates = "auto"
) -> NDArray[np.float32]:
    """Embed words with some of them counting more or less, float32 (D,) of unit length.

    What words add to a text is the difference its embedding makes when they are left out, and ``weight - 1``
    times that difference is added (the scheme that diffusion prompting calls compel weighting).
    """
    shorter = [(w, left_out(text, w.text)) for w in weights]
    kept = [(w, rest) for w, rest in shorter if rest]
    rows = embed_queries(encoder, [text, *(rest for _, rest in kept)], templates=templates)
    vector = rows[0].copy()
    for (weight, _), without_it in zip(kept, rows[1:], strict=True):
        vector += (weight.weight - 1) * (rows[0] - without_it)
    return l2_normalise(vector)


def left_out(text: str, words: str) -> str:
    """``text`` without some of its words; empty when nothing would be left to embed."""
    left = re.sub(rf"\s*(?<!\w){re.escape(words)}(?!\w)", "", text, count=1, flags=re.IGNORECASE).strip()
    article = left.lower() in ENGLISH.articles
    return "" if article or not any(c.isalnum() for c in left) else left


def embed_queries(
    encoder: Encoder, texts: Sequence[str], *, templates: Templates = "auto"
) -> NDArray[np.float32]:
    """Embed many texts, which are not read, as float32 (N, D) rows, in as few batches as possible."""
    chosen = check_templates(templates)
    groups = [_wordings(encoder, text, chosen) for text in texts]
    flat = encoder.embed_texts([text for group in groups for text in group])
    starts = np.cumsum([0, *(len(group) for group in groups)])
    rows = [flat[a:b].mean(axis=0) for a, b in itertools.pairwise(starts)]
    return l2_normalise(np.stack(rows)) if rows else flat


def _wordings(encoder: Encoder, text: str, templates: Templates) -> list[str]:
    if not isinstance(templates, str):
        return expand(text, templates)
    if templates == "auto":
        if not is_noun_query(text):
            return [text]
        vocabulary = getattr(encoder, "vocabulary", None)
        if vocabulary is None:
            return expand(text, TEMPLATES["enriched"])
        return expand(text, vocabulary.templates) if vocabulary.templates else [text]
    if templates == "adaptive":
        return expand(text, adapted(text)) if is_noun_query(text) else [text]
    if templates == "multilingual":
        language = languages().get(language_of(text))
        if language is None or language is ENGLISH:
            return _wordings(encoder, text, "auto")
        return [template.replace("{}", text) for template in language.templates]
    return [text] if templates == "none" else expand(text, TEMPLATES[templates])
