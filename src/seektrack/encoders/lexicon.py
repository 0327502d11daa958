"""Reading a text by looking its words up: what it names, in which colours, and how much of it is unknown.

Where an encoder knows a few hundred names, a network that reads texts has little to generalise from and is
easily sure of a word it never met. A word that is looked up is either known or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seektrack.query import words_of
from seektrack.query.spoken.en import COMMON_WORDS

LONGEST = 4
"""Most words of a name."""
_SAYS_NOTHING = """
a an the some any one two three four five seven ten many my your object thing item something anything
photo photos photograph picture pictures image images video videos frame frames footage still close up scene
view crop cropped blurry bad good low resolution rendering art itap origami clean game there is are in on at
of with and or to from by for into over under near beside it its this that these those which who what where
very small big large little tiny huge old new shiny single plain fast slow young wild real whole full
ein eine einen einem einer eines der die das den dem des und oder mit auf im in am an bei von vor aus nach zu
ist sind foto bild video zeigt klein kleine kleiner kleines groß große großer großes alt alte neuer neue
un une le la les l des du de d et ou avec sur dans à au aux est sont photo image vidéo petit petite grand
grande una unos unas el los las del al y o con en sobre es son foto imagen vídeo muestra pequeño pequeña gran
"""
SAYS_NOTHING = frozenset(_SAYS_NOTHING.split()) | COMMON_WORDS


@dataclass(frozen=True)
class Reading:
    """What a text was read as.

    Attributes:
        things: Names found, in order.
        colours: Colours found, in order.
        unknown: Words that are neither, and say something.
    """

    things: tuple[str, ...]
    colours: tuple[str, ...]
    unknown: tuple[str, ...]


class Lexicon:
    """Looks words up.

    Args:
        things: Name by word or words, in lower case and the singular, of any language.
        colours: Colour by word, likewise.
    """

    def __init__(self, things: Mapping[str, str], colours: Mapping[str, str]) -> None:
        self.things = {word.replace("-", " "): name for word, name in things.items()}
        self.colours = dict(colours)

    def read(self, text: str) -> Reading:
        """Read a text, longest names first; ``an orange`` is a fruit, ``an orange car`` an orange car."""
        words, things, colours, unknown = words_of(text.replace("-", " ")), [], [], []
        i = 0
        while i < len(words):
            for n in range(min(LONGEST, len(words) - i), 0, -1):
                name = self._thing(words[i : i + n])
                if name is not None and not (n == 1 and self._is_colour(words, i)):
                    things.append(name)
                    i += n
                    break
            else:
                colour = self._colour(words[i])
                if colour is not None:
                    colours.append(colour)
                elif words[i] not in SAYS_NOTHING and not words[i].isdigit():
                    unknown.append(words[i])
                i += 1
        return Reading(tuple(things), tuple(colours), tuple(unknown))

    def _is_colour(self, words: Sequence[str], i: int) -> bool:
        """Whether a word that may be both says a colour: something that is named follows it."""
        if self._colour(words[i]) is None:
            return False
        return any(self._thing(words[i + 1 : i + 1 + n]) is not None for n in range(1, LONGEST + 1))

    def _colour(self, word: str) -> str | None:
        return next((self.colours[one] for one in singulars(word) if one in self.colours), None)

    def _thing(self, words: Sequence[str]) -> str | None:
        if not words:
            return None
        for last in singulars(words[-1]):
            name = self.things.get(" ".join([*words[:-1], last]))
            if name is not None:
                return name
        return None


_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "mice": "mouse",
    "geese": "goose", "wolves": "wolf", "knives": "knife", "leaves": "leaf", "oxen": "ox",
}  # fmt: skip


def singulars(word: str) -> list[str]:
    """What a word may be the plural of, itself first."""
    out = [word]
    if word[:2] in ("l'", "l’"):
        out.append(word[2:])
    if word in _IRREGULAR:
        out.append(_IRREGULAR[word])
    if len(word) > 3:
        if word.endswith("ies"):
            out.append(word[:-3] + "y")
        if word.endswith(("es", "en")):
            out.append(word[:-2])
        if word.endswith(("s", "e", "n", "x")):
            out.append(word[:-1])
        if word.endswith("aux"):
            out.append(word[:-3] + "al")
        if word.endswith("ces"):
            out.append(word[:-3] + "z")
    return out
