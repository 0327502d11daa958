"""Object names in other languages as the trained model hears them; the words are the world's."""

from __future__ import annotations

import numpy as np

from seektrack.world.languages import FOREIGN as LANGUAGES
from seektrack.world.languages import translate

__all__ = ["LANGUAGES", "foreign_phrase", "translate"]


def foreign_phrase(category: str, colour: str | None, rng: np.random.Generator) -> str:
    """The object's name in a random language, sometimes without its article."""
    text = translate(category, colour, LANGUAGES[int(rng.integers(len(LANGUAGES)))])
    return text.split(" ", 1)[1] if rng.random() < 0.3 else text
