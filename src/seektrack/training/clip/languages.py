"""Object names in German, French and Spanish, with the adjective agreeing with the noun."""

from __future__ import annotations

import numpy as np

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

LANGUAGES = ("de", "fr", "es")


def translate(category: str, colour: str | None, language: str) -> str:
    """``ein rotes Auto``, ``une voiture rouge`` or ``un coche rojo``; without a colour, the bare noun."""
    if language == "de":
        gender, noun = _GERMAN_NOUNS[category]
        article = "eine" if gender == "f" else "ein"
        if colour is None:
            return f"{article} {noun}"
        hue = _GERMAN_HUES[colour]
        return f"{article} {hue if hue in _UNINFLECTED else hue + _GERMAN_ENDING[gender]} {noun}"
    nouns, hues, articles = (
        (_FRENCH_NOUNS, _FRENCH_HUES, ("un", "une"))
        if language == "fr"
        else (_SPANISH_NOUNS, _SPANISH_HUES, ("un", "una"))
    )
    gender, noun = nouns[category]
    female = int(gender == "f")
    return f"{articles[female]} {noun}" + (f" {hues[colour][female]}" if colour is not None else "")


def foreign_phrase(category: str, colour: str | None, rng: np.random.Generator) -> str:
    """The object's name in a random language, sometimes without its article."""
    text = translate(category, colour, LANGUAGES[int(rng.integers(len(LANGUAGES)))])
    return text.split(" ", 1)[1] if rng.random() < 0.3 else text
