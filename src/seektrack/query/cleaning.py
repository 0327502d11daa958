"""A text as it comes, made fit to be read: one form of each character, nothing broken, and its language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from seektrack.errors import QueryError
from seektrack.query.language import Language, languages, words, words_of

SHOWN = 60
"""Characters of a text that a message repeats."""
_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‟": '"', "’": "'", "‘": "'", "`": "'"}
    | {"→": "->", "⇒": "->", "➔": "->", "➜": "->", "、": ",", "。": "."}
)
_MINUS = re.compile(r"(?<!\S)[‐‑‒–—−](?=[\w\"(])")
_COMMAS = re.compile(r",(?:\s?,)+")
_ARROW = re.compile(r"-{2,}>|=+>")
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "ARABIC": "ar",
    "HEBREW": "he",
    "GREEK": "el",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "THAI": "th",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "ETHIOPIC": "am",
}
_NAMES = {
    "ja": "Japanese",
    "ko": "Korean",
    "zh": "Chinese",
    "ru": "Russian, or another language in Cyrillic letters",
    "ar": "Arabic",
    "he": "Hebrew",
    "el": "Greek",
    "hi": "Hindi",
    "bn": "Bengali",
    "ta": "Tamil",
    "th": "Thai",
    "ka": "Georgian",
    "hy": "Armenian",
    "am": "Amharic",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "pl": "Polish",
    "tr": "Turkish",
}
_STRANGERS = {
    "it": words(
        "il lo gli della dei uno macchina rosso rossa cane gatto bianco bianca nero nera che senza di"
    ),
    "pt": words("um uma os das dos carro vermelho vermelha cachorro gato branco preto sem com não"),
    "nl": words("het een rode hond kat witte zwarte zonder van auto's fiets vrachtwagen geen"),
    "sv": words("en ett och röd bil hund katt vit svart utan inte som är"),
    "pl": words("czerwony samochód pies kot biały czarny bez nie jest rower człowiek"),
    "tr": words("bir kırmızı araba köpek kedi beyaz siyah ve olmayan insan"),
}


SCRIPTS = frozenset(_SCRIPTS.values())
"""Codes of languages that are told by their letters."""


def cleaned(text: str) -> str:
    """A text in composed, compatible characters (NFKC), one space between words, nothing broken.

    Full-width letters and signs become usual ones, typographic quotes, minus signs and arrows plain ones;
    lone surrogates, control and zero-width characters go.

    >>> cleaned("ａ  （ｂｌａｃｋ：1.5） dog –night")
    'a (black:1.5) dog -night'

    Raises:
        QueryError: It is no text.
    """
    if not isinstance(text, str):
        raise QueryError(f"a query must be a text, got {type(text).__name__}", hint='for example "a red car"')
    kept = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    usual = unicodedata.normalize("NFKC", kept).translate(_QUOTES)
    if not usual.isprintable() or "\ufffd" in usual:
        usual = "".join(_usable(c) for c in usual)
    spaced = " ".join(usual.split())
    return _COMMAS.sub(",", _ARROW.sub("->", _MINUS.sub("-", spaced)))


def shown(text: str) -> str:
    """A text as messages repeat it: quoted, and cut where it is long."""
    cut = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return repr(cut)


def language_of(text: str) -> str:
    """Code of the language a text is in: by its script, then by the words it has of each language."""
    script = _script(text)
    if script:
        return script
    said = words_of(text)
    known = {code: _score(said, language) for code, language in languages().items()}
    best = max(known, key=lambda code: known[code])
    strange = {
        code: 2 * sum(w in marks for w in said) for code, marks in _STRANGERS.items() if code not in known
    }
    other = max(strange, key=lambda code: strange[code], default="")
    return other if other and strange[other] > known[best] else best


def language_name(code: str) -> str:
    """English name of a language by its code."""
    known = languages().get(code)
    return known.name if known is not None else _NAMES.get(code, code)


def _usable(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\ufffd" or category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character


def _script(text: str) -> str:
    """Code of a language that the letters of a text tell, where most of them are not Latin."""
    letters = [c for c in text if c.isalpha()]
    foreign = [c for c in letters if not c.isascii() and ord(c) > 0x24F]
    if not foreign or 2 * len(foreign) < len(letters):
        return ""
    counts: dict[str, int] = {}
    for name in _names(foreign):
        code = _SCRIPTS.get(name, "")
        counts[code] = counts.get(code, 0) + 1
    if counts.get("ja"):
        return "ja"
    return max(counts, key=lambda code: counts[code])


def _names(characters: Iterable[str]) -> Iterable[str]:
    return (unicodedata.name(c, "").split(" ", 1)[0].split("-")[0] for c in characters)


def _score(said: tuple[str, ...], language: Language) -> float:
    return sum((w in language.known) + (w in language.articles) for w in said)
