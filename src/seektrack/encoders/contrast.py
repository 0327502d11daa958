"""What else a picture could show: the texts a query has to beat before it is believed.

A cosine alone says little (0.25 is a match for one query and noise for another). The share a query takes in a
softmax against these texts says whether the picture shows it rather than something else.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import Encoder
from seektrack.encoders.prompts import embed_queries

COCO_NOUNS = tuple(
    """
    person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign|
    parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|handbag|
    tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|
    tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|
    hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table|toilet|tv|laptop|mouse|remote|keyboard|
    cell phone|microwave|oven|toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear|hair drier|
    toothbrush
    """.replace("\n", "").split("|")
)
BACKGROUNDS = (
    "a photo",
    "a blurry picture",
    "an empty scene",
    "texture",
    "a wall",
    "the floor",
    "the sky",
    "trees and grass",
    "a road",
    "a building",
    "water",
    "a dark picture",
    "text on a screen",
)

_SYLLABLES = """
    b c d f g h j k l m n p r s t v w z br cr dr fl gr pl pr sk sl sn sp st tr | a e i o u ai ea oo ou |
    b ck d g ll m n nd p r rt sh st t x
"""


def contrast_texts(encoder: Encoder) -> list[str]:
    """Texts that compete with a query over a picture of this encoder.

    A model with a ``vocabulary`` competes against everything it knows and its own backgrounds; others against
    the 80 nouns of COCO and common backgrounds.
    """
    vocabulary = getattr(encoder, "vocabulary", None)
    if vocabulary is not None and vocabulary.labels:
        return [*vocabulary.labels, *(vocabulary.background or BACKGROUNDS)]
    return [*(f"a photo of {name}" for name in _coco_names()), *BACKGROUNDS]


def embed_contrast(
    encoder: Encoder, texts: Sequence[str], colours: Sequence[str] = ()
) -> NDArray[np.float32]:
    """Embed texts as what a query competes with, float32 (C, D) rows of unit length.

    Args:
        encoder: Where they are embedded; some have an ``embed_contrast`` of their own.
        texts: Those of `contrast_texts`, or the query itself, to be weighed against them.
        colours: Those the query asks for, see `colours_of`.
    """
    own: Any = getattr(encoder, "embed_contrast", None)
    if own is not None:
        return np.asarray(own(list(texts), tuple(colours)), np.float32)
    # A small-world model competes in the wordings it knows; the built-in texts are already worded.
    small = getattr(encoder, "vocabulary", None) is not None
    return embed_queries(encoder, texts, templates="auto" if small else "none")


def colours_of(encoder: Encoder, text: str) -> tuple[str, ...]:
    """Colours that a text asks for, where they decide how an encoder embeds what competes with it."""
    own: Any = getattr(encoder, "colours_of", None)
    return () if own is None else tuple(own(text))


def names_that_compete(encoder: Encoder) -> list[str]:
    """The things among `contrast_texts`, as a person would ask for them: ``"a dog"``."""
    vocabulary = getattr(encoder, "vocabulary", None)
    return list(vocabulary.labels) if vocabulary is not None and vocabulary.labels else _coco_names()


@functools.cache
def names_of_nothing(count: int = 120) -> tuple[str, ...]:
    """Made-up words as a person would ask for them, ``"a strup"``: no picture shows what they name.

    They are the same everywhere and always. A few may be words all the same.
    """
    rng = random.Random("names of nothing")
    starts, vowels, ends = (part.split() for part in _SYLLABLES.split("|"))
    ends += ["", ""]
    names: dict[str, None] = {}
    while len(names) < count:
        parts = range(rng.choice((1, 2, 2)))
        word = "".join(rng.choice(starts) + rng.choice(vowels) + rng.choice(ends) for _ in parts)
        if len(word) > 3:
            names[f"a {word}"] = None
    return tuple(names)


def _coco_names() -> list[str]:
    nouns = (noun.strip() for noun in COCO_NOUNS)
    return [f"{'an' if n[0] in 'aeiou' else 'a'} {n}" for n in nouns]
