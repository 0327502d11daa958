"""How a pocket text encoder hears words: other ways to say its labels, and words it cannot know."""

from __future__ import annotations

from seektrack.training.clip.languages import LANGUAGES, translate
from seektrack.world import CATEGORIES, COLOURS

_OTHER_WORDS = {
    "a red vehicle": ("car", "red"),
    "the navy automobile": ("car", "blue"),
    "white auto": ("car", "white"),
    "a green lorry": ("truck", "green"),
    "a violet coach": ("bus", "purple"),
    "man in black": ("person", "black"),
    "a woman in red": ("person", "red"),
    "pedestrian that is blue": ("person", "blue"),
    "a pink human": ("person", "pink"),
    "a black puppy": ("dog", "black"),
    "orange hound": ("dog", "orange"),
    "scarlet sparrow": ("bird", "red"),
    "yellow ships": ("boat", "yellow"),
    "a crimson football": ("ball", "red"),
    "the green android": ("robot", "green"),
    "a bike that is purple": ("bicycle", "purple"),
    "a cyclist in yellow": ("bicycle", "yellow"),
    "a pink mug": ("cup", "pink"),
    "an orange cube": ("block", "orange"),
    "the blue box": ("block", "blue"),
    "white dogs": ("dog", "white"),
    "buses that are green": ("bus", "green"),
    "car, red": ("car", "red"),
    "a small golden boat": ("boat", "yellow"),
}

PARAPHRASES: list[tuple[str, int]] = [
    (text, list(CATEGORIES).index(category) * len(COLOURS) + list(COLOURS).index(colour))
    for text, (category, colour) in _OTHER_WORDS.items()
]
"""Other ways to say a label, with the label's number."""

_UNKNOWN = """
camel kangaroo squirrel octopus crab lobster eagle turtle sofa fridge blender pillow blanket mirror
curtain carpet trumpet saxophone harp pineapple strawberry lemonade cucumber onion garlic lighthouse
windmill pyramid submarine scooter tram balloon parachute telescope microscope calculator printer
stapler cactus kettle
"""
UNKNOWN_WORDS = tuple(_UNKNOWN.split())
"""Things the world does not have; the pocket model is never trained on these words."""


def foreign_labels() -> dict[str, list[str]]:
    """The labels in German, French and Spanish, in the order of the vocabulary."""
    return {
        language: [translate(category, colour, language) for category in CATEGORIES for colour in COLOURS]
        for language in LANGUAGES
    }
