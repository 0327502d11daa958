"""What is said of scenes: sentences in four languages, and the words trained models hang on."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import pytest

from seektrack.errors import InputError
from seektrack.world import (
    ALL_CATEGORIES,
    CATEGORIES,
    COLOURS,
    Actor,
    SceneSettings,
    sample_scene,
    vocabulary,
)
from seektrack.world.captions import (
    actor_caption,
    frame_caption,
    motion_caption,
    order_caption,
    pair_caption,
)
from seektrack.world.events import Event
from seektrack.world.languages import LANGUAGES, noun_phrase, translate
from seektrack.world.phrases import EVENTS, MOTIONS, RELATIONS, empty, where
from seektrack.world.setting import INDOORS, LIGHTS, PLACES, WEATHERS, Setting

BARE = SceneSettings(height=64, width=64, n_frames=4, actors=(0, 0))


def cast(*names: tuple[str | None, str | None]) -> tuple[Actor, ...]:
    scene = sample_scene(7, replace(BARE, cast=tuple(("car", "red") for _ in names)))
    pairs = zip(scene.actors, names, strict=True)
    return tuple(replace(a, category=category, colour=colour) for a, (category, colour) in pairs)


CAR, DOG = cast(("car", "red"), ("dog", "blue"))


def test_the_words_of_trained_models_stay() -> None:
    foreign = [
        translate(category, colour, language)
        for language in ("de", "fr", "es")
        for category in CATEGORIES
        for colour in (None, *COLOURS)
    ]
    assert hashlib.sha256("\n".join(foreign).encode()).hexdigest().startswith("c8fd5297624e8496")
    assert vocabulary()["labels"][:10] == [
        *(f"a{'n' * (k[0] == 'o')} {k} car" for k in COLOURS),
        "a red truck",
    ]
    assert len(vocabulary()["labels"]) == 12 * 9
    assert frame_caption([]) == "an empty street"
    assert frame_caption([CAR, DOG, CAR]) == "a red car, a blue dog and a red car"
    moving = [actor_caption(replace(CAR, direction=d), motion=True) for d in (-1, 0, 1)]
    assert moving == ["a red car moving left", "a red car standing still", "a red car moving right"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "a red car and a blue dog on a meadow at dusk in the rain"),
        ("de", "ein rotes Auto und ein blauer Hund auf einer Wiese in der Dämmerung im Regen"),
        ("fr", "une voiture rouge et un chien bleu dans un pré au crépuscule sous la pluie"),
        ("es", "un coche rojo y un perro azul en un prado al anochecer bajo la lluvia"),
    ],
)
def test_a_frame_is_told_with_its_setting(language: str, text: str) -> None:
    assert frame_caption([CAR, DOG], Setting("meadow", "dusk", "rain"), language=language) == text


def test_what_is_usual_is_said_when_asked() -> None:
    beach = Setting("beach")
    assert frame_caption([CAR], beach) == "a red car on a beach"
    assert frame_caption([CAR], beach, everything=True) == "a red car on a beach by day in clear weather"
    assert frame_caption([CAR], Setting("room"), everything=True) == "a red car in a room by day"
    assert frame_caption([], Setting("snow field", "night")) == "an empty snow field at night"
    (snail,) = cast(("snail", None))
    assert frame_caption([snail], Setting("scan")) == "a snail in a scan"


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ("a red car left of a blue dog", "a red car moving left", "a blue dog above an object")),
        (
            "de",
            (
                "ein rotes Auto links von einem blauen Hund",
                "ein rotes Auto, das sich nach links bewegt",
                "ein blauer Hund über einem Objekt",
            ),
        ),
        (
            "fr",
            (
                "une voiture rouge à gauche d'un chien bleu",
                "une voiture rouge qui va vers la gauche",
                "un chien bleu au-dessus d'un objet",
            ),
        ),
        (
            "es",
            (
                "un coche rojo a la izquierda de un perro azul",
                "un coche rojo que va hacia la izquierda",
                "un perro azul encima de un objeto",
            ),
        ),
    ],
)
def test_pairs_and_motions(language: str, texts: tuple[str, str, str]) -> None:
    (thing,) = cast((None, None))
    assert pair_caption(CAR, "left of", DOG, language=language) == texts[0]
    assert motion_caption(CAR, "left", language=language) == texts[1]
    assert pair_caption(DOG, "above", thing, language=language) == texts[2]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "en",
            "a red car appears, then a blue dog leaves, then the red car is hidden and the blue dog returns",
        ),
        (
            "de",
            "ein rotes Auto erscheint, dann verlässt ein blauer Hund das Bild, dann wird das rote Auto "
            "verdeckt und der blaue Hund kehrt zurück",
        ),
        (
            "fr",
            "une voiture rouge apparaît, puis un chien bleu quitte l'image, puis la voiture rouge est "
            "masquée et le chien bleu revient",
        ),
        (
            "es",
            "un coche rojo aparece, luego un perro azul sale de la imagen, luego el coche rojo queda oculto "
            "y el perro azul vuelve",
        ),
    ],
)
def test_events_are_told_in_their_order(language: str, text: str) -> None:
    happened = [
        Event(9, 2, "returns"),
        Event(1, 1, "appears"),
        Event(9, 1, "is hidden"),
        Event(5, 2, "leaves"),
    ]
    assert order_caption(happened, [CAR, DOG], language=language) == text


@pytest.mark.parametrize(
    ("category", "colour", "language", "definite", "text"),
    [
        ("lamp", "pink", "de", True, "die rosa Lampe"),
        ("umbrella", "black", "de", False, "ein schwarzer Regenschirm"),
        ("plane", "white", "fr", True, "l'avion blanc"),
        ("teapot", "green", "fr", False, "une théière verte"),
        ("fish", "yellow", "es", True, "el pez amarillo"),
        ("chair", "purple", "es", False, "una silla morada"),
        ("umbrella", None, "en", False, "an umbrella"),
        (None, "orange", "en", False, "an orange object"),
        ("horse", "red", "en", True, "the red horse"),
    ],
)
def test_articles_and_adjectives_agree(
    category: str | None, colour: str | None, language: str, definite: bool, text: str
) -> None:
    assert noun_phrase(category, colour, language, definite=definite) == text


def test_german_takes_the_dative_after_its_prepositions() -> None:
    lamp, ball = cast(("lamp", "green"), ("ball", "orange"))
    assert pair_caption(ball, "behind", lamp, language="de") == "ein orange Ball hinter einer grünen Lampe"
    assert (
        pair_caption(lamp, "right of", ball, language="de") == "eine grüne Lampe rechts von einem orange Ball"
    )


def test_everything_the_world_has_can_be_said_in_every_language() -> None:
    settings = [
        Setting(place, light, weather)
        for place, light, weather in itertools.product(PLACES, LIGHTS, WEATHERS)
        if weather == "clear" or place not in INDOORS
    ]
    for language in LANGUAGES:
        places = {where(s, language, everything=True) for s in settings}
        nobody = {empty(s, language, everything=True) for s in settings}
        assert len(places) == len(nobody) == len(settings)
        moved = {motion_caption(CAR, m, language=language) for m in MOTIONS}
        related = {pair_caption(CAR, r, DOG, language=language) for r in RELATIONS}
        happened = {order_caption([Event(0, 1, e)], [CAR], language=language) for e in EVENTS}
        assert (len(moved), len(related), len(happened)) == (len(MOTIONS), len(RELATIONS), len(EVENTS))
        named = {noun_phrase(c, k, language) for c in ALL_CATEGORIES for k in (None, *COLOURS)}
        assert len(named) == len(ALL_CATEGORIES) * 10
    for said in (
        lambda lang: where(settings[0], lang),
        lambda lang: motion_caption(CAR, "up", language=lang),
    ):
        assert len({said(language) for language in LANGUAGES}) == 4


def test_a_language_nobody_taught_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"does not speak 'it' .*en, de, fr, es"):
        frame_caption([CAR], language="it")
