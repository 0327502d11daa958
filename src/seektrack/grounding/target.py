"""What a person asks for, taken apart: the thing, its colour and size, and how it moves.

A picture shows a red car; only its track shows that the car moves left. So motion words are split off the
text that CLIP embeds and kept to judge tracks by. English, by word lists: no model is needed to read
``"the small red car moving left"``, and what the lists do not know stays in the text for CLIP. A text in
another language is left whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seektrack.encoders import clean_query
from seektrack.errors import QueryError

_COLOUR_FAMILIES = (
    "red maroon",
    "orange",
    "yellow golden beige",
    "green",
    "blue navy",
    "purple violet magenta",
    "pink magenta",
    "white beige",
    "black",
    "grey gray silver",
    "brown maroon beige",
    "turquoise cyan",
)
COLOUR_WORDS = tuple(dict.fromkeys(" ".join(_COLOUR_FAMILIES).split()))
"""Colour words known; the first of each family stands for it among counter texts."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SMALL = _words("small little tiny")
_LARGE = _words("large big huge giant")
_ARTICLES = _words("a an the some any every each all both my that this these those")
_NUMBERS = _words("one two three four five six seven eight nine ten several many")
_PLURAL_MARKS = _words("some any all both these those several many") | (_NUMBERS - {"one"})
_AFTER_NOUN = _words("in on at with near behind beside under over of by from next and")
_FOREIGN = _words("un une le la les des el los las una uno il lo gli der die das ein eine um uma os het")
"""Articles by which a text is known to be in another language."""

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "wolves": "wolf",
    "buses": "bus",
}
_NO_SINGULAR = _words("glasses scissors jeans trousers shorts pants sunglasses headphones skis")

# Words that say no more than that something moves, and those that also say what it looks like doing so.
_PLAIN_MOTION = "moving|going|heading|travell?ing|driving|rolling|drifting|sliding|passing|coming|speeding"
_POSED_MOTION = "walking|running|flying|riding|swimming|sailing|jogging|cycling|crawling|jumping|skiing"
_SIDE = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "upward": (0, -1),
    "down": (0, 1),
    "downward": (0, 1),
}
_SIDES = "left|right|up|down|upward|downward"
_RATE = {"fast": "fast", "quickly": "fast", "rapidly": "fast", "slowly": "slow", "slow": "slow"}

_ENDS = f"{_SIDES}|top|bottom"
_CROSSING = re.compile(rf"\bfrom\s+(?:the\s+)?(?:{_ENDS})(?:\s+side)?\s+to\s+(?:the\s+)?({_ENDS})\b")
_VERB = rf"(?P<verb>{_PLAIN_MOTION}|{_POSED_MOTION}|moves|goes|heads|drives|walks|runs|flies|rides|sails)"
_DIRECTED = re.compile(
    rf"\b{_VERB}(?:\s+(?P<rate>{'|'.join(_RATE)}))?\s+(?:to(?:wards?)?\s+)?(?:the\s+)?"
    rf"(?P<side>{_SIDES})(?:wards?)?\b(?:\s+(?P<rate2>{'|'.join(_RATE)})\b)?"
)
_TO_SIDE = re.compile(r"\b(?:to(?:wards)?\s+the\s+(left|right)|(left|right|up|down)wards?)\b")
_DEPTH = re.compile(
    rf"\b(?:(?P<verb>{_PLAIN_MOTION}|{_POSED_MOTION})\s+)?(?P<way>towards?\s+(?:the\s+camera|us|me|the\s+viewer)|closer|"
    r"away(?:\s+from\s+(?:the\s+camera|us|me))?|off\s+into\s+the\s+distance)(?=\s|$)"
)
_STILL = re.compile(
    r"\b(?:(?:that\s+is\s+|who\s+is\s+)?(?:standing|sitting|staying|lying)\s+still|not\s+moving|motionless|stationary|"
    r"static|parked|unmoving|immobile|that\s+does\s+not\s+move)\b"
)
_BARE_MOTION = re.compile(rf"\b(?P<verb>{_PLAIN_MOTION})\b(?!\s+(?:a|an|the|his|her|its|their)\b)")
_POSED = re.compile(rf"\b(?:{_POSED_MOTION})\b")
_RATE_WORD = re.compile(rf"\b({'|'.join(_RATE)})\b")
_LOOSE_END = re.compile(r"(?:\s+(?:that|which|who|and|is|are|was|were|,))+$")


@dataclass(frozen=True)
class Motion:
    """How something asked for moves in the picture.

    Attributes:
        moving: True when it must move, False when it must stand still.
        direction: ``(x, y)`` of the way it moves, each -1, 0 or 1, y down; None when any will do.
        approach: 1 towards the camera, -1 away from it, 0 when not said.
        rate: ``"fast"``, ``"slow"`` or empty.
    """

    moving: bool
    direction: tuple[int, int] | None = None
    approach: int = 0
    rate: str = ""


@dataclass(frozen=True)
class Target:
    """A text query taken apart.

    Attributes:
        text: As it was typed, trimmed.
        clip_text: What is embedded: one instance, without words of motion, which one picture does not show,
            nor of size, which a crop does not show.
        category: The thing, singular, without article, colour and size: ``"car"``, ``"fire truck"``.
        colour: Its colour word, or None.
        size: ``"small"``, ``"large"`` or None.
        motion: How it moves, or None when the text does not say.
    """

    text: str
    clip_text: str
    category: str
    colour: str | None = None
    size: str | None = None
    motion: Motion | None = None


def parse_target(text: str) -> Target:
    """Take a query apart.

    Raises:
        QueryError: The text has no words, or names no thing.
    """
    typed = " ".join(text.split())
    if not typed.isascii() or typed.lower().split(" ")[:1][0] in _FOREIGN:
        return Target(text=typed, clip_text=clean_query(typed), category=clean_query(typed))
    cleaned = re.sub(r"^(?:track|follow|segment|the\s+video\s+of)\s+", "", clean_query(text).lower())
    still_text, motion = _split_motion(cleaned)
    words = re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", still_text)
    plural = bool(words) and (words[0] in _PLURAL_MARKS or words[0] not in _ARTICLES)
    phrase = [w for w in words if w not in _NUMBERS] if words and words[0] in _NUMBERS else list(words)
    while phrase and phrase[0] in _ARTICLES | _NUMBERS | {"of"}:
        plural = plural or phrase[0] in _PLURAL_MARKS or (phrase[0] == "the" and len(phrase) > 1)
        phrase = phrase[1:]
    if not phrase:
        raise QueryError(f"the query {typed!r} names no thing", hint='name it, such as "a red car"')
    ends = (i for i, w in enumerate(phrase) if i and (w in _AFTER_NOUN or w.endswith("ing")))
    end = next(ends, len(phrase))
    head = phrase[:end]
    if plural:
        head = [*head[:-1], singular(head[-1])]
    colour = next((w for w in head if w in COLOUR_WORDS), None)
    size = next(("small" if w in _SMALL else "large" for w in head if w in _SMALL | _LARGE), None)
    head = [w for w in head if w not in _SMALL | _LARGE]
    if head == ["orange"]:
        colour = None
    category = [w for w in head if w != colour]
    if not category:
        category = ["object"]
        head = [*head, "object"]
    return Target(
        text=typed,
        clip_text=with_article([*head, *phrase[end:]]),
        category=" ".join(category),
        colour=colour,
        size=size,
        motion=motion,
    )


def counter_texts(target: Target) -> list[str]:
    """The same thing in other colours, which a colour asked for must beat; empty when none is asked for."""
    if target.colour is None:
        return []
    pattern = re.compile(rf"\b{re.escape(target.colour)}\b")
    others = [f.split()[0] for f in _COLOUR_FAMILIES if target.colour not in f.split()]
    return [with_article(pattern.sub(c, target.clip_text, count=1).split()) for c in others]


def with_article(words: Sequence[str]) -> str:
    """Join words to a phrase that begins with the fitting ``a`` or ``an``."""
    body = list(words[1:]) if words and words[0] in {"a", "an"} else list(words)
    return " ".join(["an" if body and body[0][0] in "aeiou" else "a", *body])


def singular(word: str) -> str:
    """Singular of an English noun; a word that is none, or has none, comes back as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_SINGULAR or len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith(("ss", "us", "is", "as", "os")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


def _split_motion(text: str) -> tuple[str, Motion | None]:
    """Text without its words of motion, and what they say."""
    direction, approach, moving, rate = None, 0, None, ""
    if found := _STILL.search(text):
        return _tidy(text[: found.start()] + text[found.end() :]), Motion(False)
    if found := _CROSSING.search(text):
        ends = {**_SIDE, "top": (0, -1), "bottom": (0, 1)}
        direction, text = ends[found[1]], text[: found.start()] + text[found.end() :]
    elif found := _DIRECTED.search(text):
        rate = _RATE.get(found["rate"] or found["rate2"] or "", "")
        keep = found["verb"] if re.fullmatch(_POSED_MOTION, found["verb"]) else ""
        direction, text = _SIDE[found["side"]], f"{text[: found.start()]}{keep}{text[found.end() :]}"
    elif (found := _TO_SIDE.search(text)) and not re.search(r"\b(?:looking|pointing|facing|turned)\b", text):
        direction, text = _SIDE[found[1] or found[2]], text[: found.start()] + text[found.end() :]
    elif found := _DEPTH.search(text):
        approach = 1 if found["way"].startswith(("toward", "closer")) else -1
        keep = found["verb"] if found["verb"] and re.fullmatch(_POSED_MOTION, found["verb"]) else ""
        text = f"{text[: found.start()]}{keep}{text[found.end() :]}"
    moving = True if direction or approach else None
    if found := _BARE_MOTION.search(text):
        moving, text = True, text[: found.start()] + text[found.end() :]
        rate = rate or ("fast" if found["verb"] == "speeding" else "")
    elif _POSED.search(text):
        moving = True
    if moving and (found := _RATE_WORD.search(text)):
        rate, text = rate or _RATE[found[1]], text[: found.start()] + text[found.end() :]
    return _tidy(text), Motion(True, direction, approach, rate) if moving else None


def _tidy(text: str) -> str:
    return _LOOSE_END.sub("", " ".join(text.split()))
