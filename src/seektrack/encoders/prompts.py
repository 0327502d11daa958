"""From what a person types to the embedding that is searched with.

A noun phrase is worded in several ways and the embeddings averaged, as Radford et al. (CLIP, 2021, section
3.1.4) do for class names; a sentence is embedded as it stands. Seven wordings do better than their eighty.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import Encoder, l2_normalise
from seektrack.errors import QueryError

TEMPLATES: dict[str, tuple[str, ...]] = {
    "none": ("{}",),
    "basic": ("a photo of {}",),
    "enriched": (
        "{}",
        "a photo of {}",
        "a picture of {}",
        "a video frame of {}",
        "a close-up of {}",
        "a blurry photo of {}",
        "there is {} in the scene",
    ),
}
"""Wordings by name; ``{}`` takes the noun phrase with its article."""

TemplateChoice = str
"""``auto``, ``adaptive``, ``multilingual`` or a name of `TEMPLATES`."""

FOREIGN_TEMPLATES: dict[str, tuple[str, ...]] = {
    "de": ("{}", "ein Foto von {}", "ein Bild, das {} zeigt"),
    "fr": ("{}", "une photo de {}", "une image montrant {}"),
    "es": ("{}", "una foto de {}", "una imagen que muestra {}"),
}
"""Wordings by language, for encoders that know it; the phrase keeps its own article."""
_FOREIGN_ARTICLES = {
    "de": "ein eine einen einem einer der die das den dem",
    "fr": "un une le la les des du",
    "es": "un una unos unas el la los las",
}
_PEOPLE_WORDS = "person people man men woman women child children boy girl baby pedestrian player driver"
_PLACE_WORDS = "street road beach meadow field forest room kitchen office city park river sea mountain sky"
_PEOPLE, _PLACES = frozenset(_PEOPLE_WORDS.split()), frozenset(_PLACE_WORDS.split())

MAX_NOUN_WORDS = 5
ARTICLES = frozenset({"a", "an", "the", "some", "any", "one", "two", "three", "my"})
_REQUEST = re.compile(
    r"^\s*(?:please\s+)?(?:find|show(?:\s+me)?|search(?:\s+for)?|look(?:ing)?\s+for|where\s+is|where\s+are|i\s+want)\s+",
    re.IGNORECASE,
)
_NOT_NOUN_WORDS = """
is are was were be being been has have had do does did can will there who which that what when where while
and or but not no without then after before
in on at with from into onto over under behind near beside between across through along around towards toward
to of by off up down out
left right appears disappears leaves enters exits moves runs walks jumps flies drives stops turns sits stands
falls rolls crosses follows passes holds rides eats plays looks goes comes appear disappear leave enter move
run walk jump fly drive stop turn sit stand fall roll cross follow pass ride eat
"""
_NOT_NOUN = frozenset(_NOT_NOUN_WORDS.split())
_FRAMING_WORDS = """
find show search look looking where photo picture image video frame close scene there please not very small
big large little tiny huge other another same next all both many few that this these those its moving
standing still driving walking running flying sitting
"""
COMMON_WORDS = _NOT_NOUN | frozenset(_FRAMING_WORDS.split())
"""Words that say how and where rather than what; never mistaken for a mistyped thing."""
_NOUNS_IN_ING_WORDS = """
building painting ceiling king ring wing string spring swing clothing wedding pudding sting thing
something anything evening morning drawing earring railing parking duckling sibling lightning
"""
_NOUNS_IN_ING = frozenset(_NOUNS_IN_ING_WORDS.split())


def clean_query(text: str) -> str:
    """Trim a query and drop what addresses the program, as ``"find "`` or ``"show me "``.

    Raises:
        QueryError: Nothing is left to search for.
    """
    cleaned = " ".join(text.split()).rstrip("?!. ")
    without_request = _REQUEST.sub("", cleaned)
    cleaned = without_request or cleaned
    if not any(c.isalnum() for c in cleaned):
        raise QueryError(
            f"the query {text!r} has no words", hint='type what to look for, such as "a red car"'
        )
    return cleaned


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in lower case, without punctuation."""
    return tuple(re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text.lower()))


def is_noun_query(text: str) -> bool:
    """Guess whether a query names a thing (``"a red car"``) rather than telling what happens.

    Short, English letters, no verb, preposition or conjunction, at most one article, and no participle. It
    only decides whether wordings are averaged, so a wrong guess costs little.
    """
    words = words_of(text)
    body = words[1:] if words and words[0] in ARTICLES else words
    if not 1 <= len(body) <= MAX_NOUN_WORDS or not text.isascii() or re.search(r"[,;:!?>()]", text):
        return False
    if any(w in _NOT_NOUN or w in ARTICLES for w in body):
        return False
    return not any(w.endswith("ing") and w not in _NOUNS_IN_ING for w in body)


def expand(text: str, templates: Sequence[str]) -> list[str]:
    """Put a noun phrase into each template; a singular phrase without an article gets one."""
    words = words_of(text)
    phrase = text
    if words and words[0] not in ARTICLES and not words[-1].endswith("s"):
        phrase = f"{'an' if words[0][0] in 'aeiou' else 'a'} {text}"
    return [template.format(phrase) for template in templates]


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


def language_of(text: str) -> str:
    """``de``, ``fr`` or ``es`` when a phrase begins with an article of that language alone, else ``en``."""
    words = words_of(text)
    found = [code for code, articles in _FOREIGN_ARTICLES.items() if words and words[0] in articles.split()]
    return found[0] if len(found) == 1 else "en"


def embed_query(encoder: Encoder, text: str, *, templates: TemplateChoice = "auto") -> NDArray[np.float32]:
    """Embed one query as float32 (D,) of unit length.

    Args:
        encoder: Where the texts are embedded.
        text: What is looked for.
        templates: ``"auto"`` averages over ``"enriched"`` for noun phrases and takes sentences as they are;
            a model with a `Vocabulary` gets the wordings it was trained with, for others only confuse it.
            ``"adaptive"`` picks wordings by what the phrase names, ``"multilingual"`` words German, French
            and Spanish phrases in their language; another name forces that set.

    Raises:
        QueryError: The text has no words, or the template set is unknown.
    """
    vector: NDArray[np.float32] = embed_queries(encoder, [clean_query(text)], templates=templates)[0]
    return vector


def embed_queries(
    encoder: Encoder, texts: Sequence[str], *, templates: TemplateChoice = "auto"
) -> NDArray[np.float32]:
    """Embed many texts as float32 (N, D) rows, each as `embed_query` would, in as few batches as possible."""
    groups = [_wordings(encoder, text, templates) for text in texts]
    flat = encoder.embed_texts([text for group in groups for text in group])
    starts = np.cumsum([0, *(len(group) for group in groups)])
    rows = [flat[a:b].mean(axis=0) for a, b in itertools.pairwise(starts)]
    return l2_normalise(np.stack(rows)) if rows else flat


def _wordings(encoder: Encoder, text: str, templates: TemplateChoice) -> list[str]:
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
        language = language_of(text)
        if language == "en":
            return _wordings(encoder, text, "auto")
        return [template.format(text) for template in FOREIGN_TEMPLATES[language]]
    if templates not in TEMPLATES:
        raise QueryError(
            f"unknown templates {templates!r}",
            hint=f"allowed: auto, {', '.join(TEMPLATES)}, adaptive, multilingual",
        )
    return [text] if templates == "none" else expand(text, TEMPLATES[templates])
