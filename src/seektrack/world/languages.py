"""Objects named in English, German, French and Spanish: articles, genders and adjectives that agree.

The only home of these words; sentences are built on them in :mod:`seektrack.world.phrases`.
"""

from __future__ import annotations

from seektrack.errors import InputError

LANGUAGES = ("en", "de", "fr", "es")
FOREIGN = LANGUAGES[1:]

OBJECT = "object"
"""What a thing without a category is called."""

_GERMAN_NOUNS = {
    "car": ("n", "Auto"),
    "truck": ("m", "Lastwagen"),
    "bus": ("m", "Bus"),
    "person": ("f", "Person"),
    "dog": ("m", "Hund"),
    "bird": ("m", "Vogel"),
    "boat": ("n", "Boot"),
    "ball": ("m", "Ball"),
    "robot": ("m", "Roboter"),
    "bicycle": ("n", "Fahrrad"),
    "cup": ("f", "Tasse"),
    "block": ("m", "Würfel"),
    "bottle": ("f", "Flasche"),
    "chair": ("m", "Stuhl"),
    "lamp": ("f", "Lampe"),
    "plane": ("n", "Flugzeug"),
    "fish": ("m", "Fisch"),
    "horse": ("n", "Pferd"),
    "umbrella": ("m", "Regenschirm"),
    "teapot": ("f", "Teekanne"),
    "snail": ("f", "Schnecke"),
    OBJECT: ("n", "Objekt"),
}
_GERMAN_HUES = {
    "red": "rot",
    "orange": "orange",
    "yellow": "gelb",
    "green": "grün",
    "blue": "blau",
    "purple": "lila",
    "pink": "rosa",
    "white": "weiß",
    "black": "schwarz",
}
_GERMAN_ENDING = {"m": "er", "f": "e", "n": "es"}
_GERMAN_DEFINITE = {"m": "der", "f": "die", "n": "das"}
_UNINFLECTED = frozenset({"orange", "lila", "rosa"})

_FRENCH_NOUNS = {
    "car": ("f", "voiture"),
    "truck": ("m", "camion"),
    "bus": ("m", "bus"),
    "person": ("f", "personne"),
    "dog": ("m", "chien"),
    "bird": ("m", "oiseau"),
    "boat": ("m", "bateau"),
    "ball": ("m", "ballon"),
    "robot": ("m", "robot"),
    "bicycle": ("m", "vélo"),
    "cup": ("f", "tasse"),
    "block": ("m", "cube"),
    "bottle": ("f", "bouteille"),
    "chair": ("f", "chaise"),
    "lamp": ("f", "lampe"),
    "plane": ("m", "avion"),
    "fish": ("m", "poisson"),
    "horse": ("m", "cheval"),
    "umbrella": ("m", "parapluie"),
    "teapot": ("f", "théière"),
    "snail": ("m", "escargot"),
    OBJECT: ("m", "objet"),
}
_FRENCH_HUES = {
    "red": ("rouge", "rouge"),
    "orange": ("orange", "orange"),
    "yellow": ("jaune", "jaune"),
    "green": ("vert", "verte"),
    "blue": ("bleu", "bleue"),
    "purple": ("violet", "violette"),
    "pink": ("rose", "rose"),
    "white": ("blanc", "blanche"),
    "black": ("noir", "noire"),
}

_SPANISH_NOUNS = {
    "car": ("m", "coche"),
    "truck": ("m", "camión"),
    "bus": ("m", "autobús"),
    "person": ("f", "persona"),
    "dog": ("m", "perro"),
    "bird": ("m", "pájaro"),
    "boat": ("m", "barco"),
    "ball": ("f", "pelota"),
    "robot": ("m", "robot"),
    "bicycle": ("f", "bicicleta"),
    "cup": ("f", "taza"),
    "block": ("m", "cubo"),
    "bottle": ("f", "botella"),
    "chair": ("f", "silla"),
    "lamp": ("f", "lámpara"),
    "plane": ("m", "avión"),
    "fish": ("m", "pez"),
    "horse": ("m", "caballo"),
    "umbrella": ("m", "paraguas"),
    "teapot": ("f", "tetera"),
    "snail": ("m", "caracol"),
    OBJECT: ("m", "objeto"),
}
_SPANISH_HUES = {
    "red": ("rojo", "roja"),
    "orange": ("naranja", "naranja"),
    "yellow": ("amarillo", "amarilla"),
    "green": ("verde", "verde"),
    "blue": ("azul", "azul"),
    "purple": ("morado", "morada"),
    "pink": ("rosa", "rosa"),
    "white": ("blanco", "blanca"),
    "black": ("negro", "negra"),
}

_NOUNS = {"de": _GERMAN_NOUNS, "fr": _FRENCH_NOUNS, "es": _SPANISH_NOUNS}
_AND = {"en": "and", "de": "und", "fr": "et", "es": "y"}


def check_language(language: str) -> None:
    """Refuse a language the world does not speak.

    Raises:
        InputError: It is none of :data:`LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise InputError(f"the world does not speak {language!r}", hint=f"languages: {', '.join(LANGUAGES)}")


def gender(category: str | None, language: str) -> str:
    """``m``, ``f`` or ``n`` of an object's noun; English nouns are all ``n``."""
    return "n" if language == "en" else _NOUNS[language][category or OBJECT][0]


def noun_phrase(category: str | None, colour: str | None, language: str, *, definite: bool = False) -> str:
    """``a red car`` or ``the red car`` in a language, in the nominative.

    Args:
        category: None for a thing without a name: ``a red object``.
        colour: None leaves it out.
        language: One of :data:`LANGUAGES`.
        definite: ``the`` instead of ``a``.
    """
    check_language(language)
    if language == "en":
        return _english(category, colour, definite=definite)
    kind, word = _NOUNS[language][category or OBJECT]
    if language == "de":
        indefinite = "eine" if kind == "f" else "ein"
        article = _GERMAN_DEFINITE[kind] if definite else indefinite
        return " ".join(
            w for w in (article, _german_hue(colour, "e" if definite else _GERMAN_ENDING[kind]), word) if w
        )
    female = int(kind == "f")
    hues = _FRENCH_HUES if language == "fr" else _SPANISH_HUES
    named = f"{word} {hues[colour][female]}" if colour is not None else word
    if not definite:
        return f"{(('un', 'une') if language == 'fr' else ('un', 'una'))[female]} {named}"
    if language == "fr":
        return f"l'{named}" if word[0] in "aeiou" else f"{('le', 'la')[female]} {named}"
    return f"{('el', 'la')[female]} {named}"


def dative(category: str | None, colour: str | None) -> str:
    """``einem roten Auto``: German after ``von``, and of places after ``über``, ``unter`` and ``vor``."""
    kind, word = _GERMAN_NOUNS[category or OBJECT]
    words = ("einer" if kind == "f" else "einem", _german_hue(colour, "en"), word)
    return " ".join(w for w in words if w)


def translate(category: str, colour: str | None, language: str) -> str:
    """``ein rotes Auto``, ``une voiture rouge`` or ``un coche rojo``; without a colour, the bare noun."""
    return noun_phrase(category, colour, language)


def join_in(parts: list[str], language: str) -> str:
    """``a, b and c`` with the language's own ``and``."""
    return f" {_AND[language]} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _english(category: str | None, colour: str | None, *, definite: bool) -> str:
    words = [w for w in (colour, category or OBJECT) if w]
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join(["the" if definite else article, *words])


def _german_hue(colour: str | None, ending: str) -> str:
    if colour is None:
        return ""
    hue = _GERMAN_HUES[colour]
    return hue if hue in _UNINFLECTED else hue + ending
