"""Which queries ask for a motion, a coming or going, or an order of events, and what says the reverse.

``a red car moving left`` is a thing, which frames show, and what it does, which only clips show. The two
are taken apart here, in English, German, French and Spanish, by the phrases that the temporal encoder learnt.
Verbs that a single picture can show (``running``, ``sitting``) are no motion in this sense.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Kind = str
OPPOSITES: dict[Kind, tuple[Kind, ...]] = {
    "left": ("right", "still"),
    "right": ("left", "still"),
    "up": ("down", "still"),
    "down": ("up", "still"),
    "approaching": ("receding", "still"),
    "receding": ("approaching", "still"),
    "still": ("left", "right"),
    "appears": ("leaves",),
    "leaves": ("appears",),
    "returns": ("leaves",),
    "stops": ("starts",),
    "starts": ("stops",),
}
"""What a thing does, and what it may do instead."""

# What is put against a text; German and the Romance languages say a motion in a clause.
_SAYS: dict[str, dict[Kind, str]] = {
    "en": {
        "left": "moving left",
        "right": "moving right",
        "up": "moving up",
        "down": "moving down",
        "approaching": "coming closer",
        "receding": "going away",
        "still": "standing still",
        "appears": "appears",
        "leaves": "leaves",
        "returns": "returns",
        "stops": "stops",
        "starts": "starts moving",
    },
    "de": {
        "left": ", das sich nach links bewegt",
        "right": ", das sich nach rechts bewegt",
        "up": ", das sich nach oben bewegt",
        "down": ", das sich nach unten bewegt",
        "approaching": ", das näher kommt",
        "receding": ", das sich entfernt",
        "still": ", das stillsteht",
        "appears": "erscheint",
        "leaves": "verlässt das Bild",
        "returns": "kehrt zurück",
        "stops": "hält an",
        "starts": "setzt sich in Bewegung",
    },
    "fr": {
        "left": "qui va vers la gauche",
        "right": "qui va vers la droite",
        "up": "qui monte",
        "down": "qui descend",
        "approaching": "qui s'approche",
        "receding": "qui s'éloigne",
        "still": "qui ne bouge pas",
        "appears": "apparaît",
        "leaves": "quitte l'image",
        "returns": "revient",
        "stops": "s'arrête",
        "starts": "démarre",
    },
    "es": {
        "left": "que va hacia la izquierda",
        "right": "que va hacia la derecha",
        "up": "que sube",
        "down": "que baja",
        "approaching": "que se acerca",
        "receding": "que se aleja",
        "still": "que no se mueve",
        "appears": "aparece",
        "leaves": "sale de la imagen",
        "returns": "vuelve",
        "stops": "se detiene",
        "starts": "arranca",
    },
}

_WHICH = r"(?:(?:that|which|who) )?(?:is )?"
_GOES = r"(?:(?:mov|go|head|driv|travell?|fly|runn|walk)ing|moves|goes|heads|drives|flies|runs|walks)"
_VIEW = r"(?:view|sight|the (?:picture|frame|scene|image))"
_DER = r",? ?(?:d(?:er|ie|as) )?"
_HEARD: dict[str, dict[Kind, str]] = {
    "en": {
        "left": rf"{_WHICH}{_GOES}(?: to)?(?: the)? left(?:wards?)?",
        "right": rf"{_WHICH}{_GOES}(?: to)?(?: the)? right(?:wards?)?",
        "up": rf"{_WHICH}(?:{_GOES} up(?:wards?)?|rising|rises)",
        "down": rf"{_WHICH}(?:{_GOES} down(?:wards?)?|sinking|sinks)",
        "approaching": rf"{_WHICH}(?:approach(?:ing|es)|(?:com|gett)ing (?:closer|nearer|bigger)|"
        r"(?:comes|gets) (?:closer|nearer|bigger))",
        "receding": rf"{_WHICH}(?:{_GOES} away|reced(?:ing|es)|(?:getting|gets) smaller)",
        "still": rf"{_WHICH}(?:standing still|stands still|not moving|does not move|at rest)",
        "appears": rf"{_WHICH}(?:appear(?:s|ing)|shows up|(?:enter(?:s|ing)|arriv(?:es|ing))(?: {_VIEW})?|"
        rf"(?:comes|coming) in(?:to {_VIEW})?)",
        "leaves": rf"{_WHICH}(?:(?:leav(?:es|ing)|exit(?:s|ing))(?: {_VIEW})?|disappear(?:s|ing)|"
        rf"vanish(?:es|ing)|drives off|(?:goes|going) out of {_VIEW})",
        "returns": rf"{_WHICH}(?:return(?:s|ing)|(?:comes|coming) back|back again)",
        "stops": rf"{_WHICH}(?:stop(?:s|ping)|halts|(?:comes|coming) to a (?:halt|stop))",
        "starts": rf"{_WHICH}(?:starts(?: moving| to move)?|starting to move|sets off|begins to move)",
    },
    "de": {
        "left": rf"{_DER}(?:sich )?nach links(?: bewegt| fährt| geht)?",
        "right": rf"{_DER}(?:sich )?nach rechts(?: bewegt| fährt| geht)?",
        "up": rf"{_DER}(?:sich )?nach oben(?: bewegt)?",
        "down": rf"{_DER}(?:sich )?nach unten(?: bewegt)?",
        "approaching": rf"{_DER}näher ?kommt",
        "receding": rf"{_DER}sich entfernt",
        "still": rf"{_DER}(?:stillsteht|steht still)",
        "appears": r"erscheint|taucht auf|kommt ins bild",
        "leaves": r"verlässt das bild|verschwindet",
        "returns": r"kehrt zurück|kommt zurück",
        "stops": r"hält an",
        "starts": r"setzt sich in bewegung|fährt los",
    },
    "fr": {
        "left": r"(?:qui )?va (?:vers la|à) gauche",
        "right": r"(?:qui )?va (?:vers la|à) droite",
        "up": r"(?:qui )?monte",
        "down": r"(?:qui )?descend",
        "approaching": r"(?:qui )?s['’]approche",
        "receding": r"(?:qui )?s['’]éloigne",
        "still": r"(?:qui )?ne bouge pas",
        "appears": r"apparaît|apparait",
        "leaves": r"quitte l['’]image|disparaît|disparait",
        "returns": r"revient",
        "stops": r"s['’]arrête",
        "starts": r"démarre",
    },
    "es": {
        "left": r"(?:que )?va (?:hacia|a) la izquierda",
        "right": r"(?:que )?va (?:hacia|a) la derecha",
        "up": r"(?:que )?sube",
        "down": r"(?:que )?baja",
        "approaching": r"(?:que )?se acerca",
        "receding": r"(?:que )?se aleja",
        "still": r"(?:que )?no se mueve",
        "appears": r"aparece",
        "leaves": r"sale de la imagen|desaparece",
        "returns": r"vuelve",
        "stops": r"se detiene",
        "starts": r"arranca",
    },
}
_ORDER = {"en": ("then", "and"), "de": ("dann", "und"), "fr": ("puis", "et"), "es": ("luego", "y")}


def _gap(heard: str) -> str:
    """A clause brings its own comma or space."""
    return "" if heard.startswith(",") else " +"


_TAIL = r"(?=\s*(?:$|[.!?,;]|\s-\S|\s(?:and|then|und|dann|et|puis|y|luego|before|after)\b))"
_PATTERNS = [
    (language, kind, re.compile(rf"(?<=\w){_gap(heard)}(?:{heard}){_TAIL}", re.IGNORECASE))
    for language, kinds in _HEARD.items()
    for kind, heard in kinds.items()
]
_THEN = re.compile(
    r"\s*,?\s*\b(?:and then|then|und dann|dann|et puis|puis|y luego|luego|afterwards|before)\s+",
    re.IGNORECASE,
)
_FIRST = re.compile(r"^(?:first|zuerst|d'abord|primero)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class MotionQuery:
    """A text that asks for something only clips show.

    Attributes:
        text: What the temporal encoder is asked.
        things: The text without it, which frames are asked: one, or two where an order of events is asked.
        against: Texts that say it of the same things but otherwise, or nothing of what they do.
    """

    text: str
    things: tuple[str, ...]
    against: tuple[str, ...]


def parse_motion(text: str) -> MotionQuery | None:
    """Take a text apart, or None when single frames can answer it.

    >>> parse_motion("a red car moving left").things
    ('a red car',)
    >>> parse_motion("a running dog") is None
    True
    """
    clauses = [c for c in _THEN.split(_FIRST.sub("", text.strip().rstrip(".!? "))) if c.strip()]
    read = [_clause(c) for c in clauses]
    if len(read) == 2 and read[0] is not None and read[1] is not None:
        return _order(text, read[0], read[1])
    found = _clause(text) if len(read) < 2 else None
    if found is None:
        return None
    return MotionQuery(text.strip(), (found.thing,), (*found.otherwise, found.thing))


@dataclass(frozen=True)
class _Clause:
    language: str
    whole: str
    thing: str
    otherwise: tuple[str, ...]


def _clause(text: str) -> _Clause | None:
    for language, kind, pattern in _PATTERNS:
        match = pattern.search(text)
        thing = (
            ""
            if match is None
            else " ".join((text[: match.start()] + text[match.end() :]).split()).rstrip(" ,.")
        )
        if match is None or not any(c.isalnum() for c in thing):
            continue
        before, after = text[: match.start()], text[match.end() :]
        other = tuple(
            f"{before}{'' if said.startswith(',') else ' '}{said}{after}".strip()
            for said in (_SAYS[language][o] for o in OPPOSITES[kind])
        )
        return _Clause(language, text.strip(), thing, other)
    return None


def _order(text: str, first: _Clause, second: _Clause) -> MotionQuery:
    then, both = _ORDER[first.language]
    swapped = f"{second.whole}, {then} {first.whole}"
    same = first.thing.split()[-1:] == second.thing.split()[-1:] or len(second.thing.split()) < 2
    things = (first.thing,) if same else (first.thing, second.thing)
    return MotionQuery(text.strip(), things, (swapped, f" {both} ".join(things)))
