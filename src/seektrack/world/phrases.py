"""Places, light, weather, motions, positions and events in words, in four languages."""

from __future__ import annotations

from seektrack.world.languages import dative, gender, noun_phrase
from seektrack.world.setting import INDOORS, Setting

Named = tuple[str | None, str | None]
"""Category and colour of an object; None where it has none."""

_AT = {
    "street": ("on a street", "auf einer Straße", "dans une rue", "en una calle"),
    "meadow": ("on a meadow", "auf einer Wiese", "dans un pré", "en un prado"),
    "beach": ("on a beach", "an einem Strand", "sur une plage", "en una playa"),
    "water": ("on the water", "auf dem Wasser", "sur l'eau", "en el agua"),
    "snow field": (
        "on a snow field",
        "auf einem Schneefeld",
        "sur un champ de neige",
        "en un campo de nieve",
    ),
    "room": ("in a room", "in einem Zimmer", "dans une pièce", "en una habitación"),
    "table": ("on a table", "auf einem Tisch", "sur une table", "sobre una mesa"),
    "studio": ("in a studio", "in einem Studio", "dans un studio", "en un estudio"),
    "pattern": ("on a pattern", "vor einem Muster", "devant un motif", "sobre un estampado"),
    "scan": ("in a scan", "in einer Aufnahme", "dans une échographie", "en una ecografía"),
}
_EMPTY = {
    "street": ("an empty street", "eine leere Straße", "une rue vide", "una calle vacía"),
    "meadow": ("an empty meadow", "eine leere Wiese", "un pré vide", "un prado vacío"),
    "beach": ("an empty beach", "ein leerer Strand", "une plage vide", "una playa vacía"),
    "water": ("open water", "offenes Wasser", "une étendue d'eau", "una extensión de agua"),
    "snow field": (
        "an empty snow field",
        "ein leeres Schneefeld",
        "un champ de neige vide",
        "un campo de nieve vacío",
    ),
    "room": ("an empty room", "ein leeres Zimmer", "une pièce vide", "una habitación vacía"),
    "table": ("an empty table", "ein leerer Tisch", "une table vide", "una mesa vacía"),
    "studio": ("an empty studio", "ein leeres Studio", "un studio vide", "un estudio vacío"),
    "pattern": ("a pattern", "ein Muster", "un motif", "un estampado"),
    "scan": ("an empty scan", "eine leere Aufnahme", "une échographie vide", "una ecografía vacía"),
}
_LIGHT = {
    "day": ("by day", "bei Tag", "de jour", "de día"),
    "dusk": ("at dusk", "in der Dämmerung", "au crépuscule", "al anochecer"),
    "night": ("at night", "bei Nacht", "la nuit", "de noche"),
}
_WEATHER = {
    "clear": ("in clear weather", "bei klarem Wetter", "par temps clair", "con tiempo despejado"),
    "rain": ("in the rain", "im Regen", "sous la pluie", "bajo la lluvia"),
    "snow": ("in the snow", "im Schnee", "sous la neige", "bajo la nieve"),
    "fog": ("in the fog", "im Nebel", "dans le brouillard", "en la niebla"),
}
_USUAL = frozenset({"day", "clear"})

# English follows the object at once; the others say it in a clause: "das sich nach links bewegt".
_MOTION = {
    "still": ("standing still", "stillsteht", "ne bouge pas", "no se mueve"),
    "left": ("moving left", "sich nach links bewegt", "va vers la gauche", "va hacia la izquierda"),
    "right": ("moving right", "sich nach rechts bewegt", "va vers la droite", "va hacia la derecha"),
    "up": ("moving up", "sich nach oben bewegt", "monte", "sube"),
    "down": ("moving down", "sich nach unten bewegt", "descend", "baja"),
    "turning": ("turning", "sich dreht", "tourne", "gira"),
    "approaching": ("coming closer", "näher kommt", "s'approche", "se acerca"),
    "receding": ("going away", "sich entfernt", "s'éloigne", "se aleja"),
}
_WHICH_GERMAN = {"m": "der", "f": "die", "n": "das"}

_RELATION = {
    "left of": ("left of", "links von", "à gauche de", "a la izquierda de"),
    "right of": ("right of", "rechts von", "à droite de", "a la derecha de"),
    "above": ("above", "über", "au-dessus de", "encima de"),
    "below": ("below", "unter", "au-dessous de", "debajo de"),
    "in front of": ("in front of", "vor", "devant", "delante de"),
    "behind": ("behind", "hinter", "derrière", "detrás de"),
}

# Verb and what follows it: German puts the subject between them after "dann". {e}, {o}: agreement.
_EVENT = {
    "appears": (("appears", ""), ("erscheint", ""), ("apparaît", ""), ("aparece", "")),
    "leaves": (
        ("leaves", ""),
        ("verlässt", "das Bild"),
        ("quitte", "l'image"),
        ("sale", "de la imagen"),
    ),
    "returns": (("returns", ""), ("kehrt", "zurück"), ("revient", ""), ("vuelve", "")),
    "is hidden": (("is", "hidden"), ("wird", "verdeckt"), ("est", "masqué{e}"), ("queda", "ocult{o}")),
    "reappears": (("reappears", ""), ("taucht", "wieder auf"), ("réapparaît", ""), ("reaparece", "")),
    "stops": (("stops", ""), ("hält", "an"), ("s'arrête", ""), ("se detiene", "")),
    "starts": (("starts", "moving"), ("setzt", "sich in Bewegung"), ("démarre", ""), ("arranca", "")),
}
_THEN = {"en": "then", "de": "dann", "fr": "puis", "es": "luego"}
_COLUMN = {"en": 0, "de": 1, "fr": 2, "es": 3}

MOTIONS = tuple(_MOTION)
RELATIONS = tuple(_RELATION)
EVENTS = tuple(_EVENT)


def where(setting: Setting, language: str, *, everything: bool = False) -> str:
    """``on a meadow at dusk in the rain``; day and clear weather only with ``everything``."""
    return " ".join([_AT[setting.place][_COLUMN[language]], *_conditions(setting, language, everything)])


def empty(setting: Setting, language: str, *, everything: bool = False) -> str:
    """``an empty meadow at dusk``: a scene in which no named object is seen."""
    return " ".join([_EMPTY[setting.place][_COLUMN[language]], *_conditions(setting, language, everything)])


def moving(named: Named, motion: str, language: str) -> str:
    """``a red car moving left``, ``ein rotes Auto, das sich nach links bewegt``; one of :data:`MOTIONS`."""
    subject, words = noun_phrase(*named, language), _MOTION[motion][_COLUMN[language]]
    if language == "en":
        return f"{subject} {words}"
    if language == "de":
        return f"{subject}, {_WHICH_GERMAN[gender(named[0], language)]} {words}"
    return f"{subject} {'qui' if language == 'fr' else 'que'} {words}"


def beside(one: Named, relation: str, other: Named, language: str) -> str:
    """``a red car left of a blue dog``; one of :data:`RELATIONS`."""
    words = _RELATION[relation][_COLUMN[language]]
    landmark = dative(*other) if language == "de" else noun_phrase(*other, language)
    text = f"{noun_phrase(*one, language)} {words} {landmark}"
    return text.replace(" de un", " d'un") if language == "fr" else text


def happening(named: Named, event: str, language: str, *, definite: bool = False, after: bool = False) -> str:
    """``a red car appears``; one of :data:`EVENTS`.

    Args:
        named: Who.
        event: What.
        language: Of the text.
        definite: ``the red car``, which was named before.
        after: In the order of words that follows :func:`then`.
    """
    subject = noun_phrase(*named, language, definite=definite)
    verb, rest = _EVENT[event][_COLUMN[language]]
    female = gender(named[0], language) == "f"
    rest = rest.format(e="e" if female else "", o="a" if female else "o")
    words = (verb, subject, rest) if language == "de" and after else (subject, verb, rest)
    return " ".join(w for w in words if w)


def then(language: str) -> str:
    """``then``."""
    return _THEN[language]


def _conditions(setting: Setting, language: str, everything: bool) -> list[str]:
    said = [(setting.light, _LIGHT)] + ([(setting.weather, _WEATHER)] if setting.place not in INDOORS else [])
    return [words[value][_COLUMN[language]] for value, words in said if everything or value not in _USUAL]
