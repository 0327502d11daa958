"""Things named in photographs: what an encoder believes of each by its true box, as grounding looks at it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.real.names import phrase
from seektrack.evaluation.real.results import Measured, RealSettings, mean
from seektrack.grounding import TextScorer, embed_objects
from seektrack.training.datasets import region_pictures
from seektrack.training.datasets.regions import holds_regions
from seektrack.training.photos.labelled import names_things, things_in
from seektrack.training.photos.names import load_concepts

SMALLEST = 24
"""Things with a side of fewer pixels are not asked for."""
BELIEVED = 0.5
ASKED = 10
"""Other names asked of each thing."""


def holds_things(folder: Path) -> bool:
    """Whether a folder holds photographs in which things are named."""
    return holds_regions(folder) and names_things(folder)


def measure_things(folder: Path, settings: RealSettings) -> Measured:
    """Ask for each thing by its name, and by ten names that nothing in its photograph has.

    ``belief`` is the mean belief in the right name, ``believed`` the share of things believed at 0.5,
    ``wrong`` the share of wrong names believed so. ``first`` is the share of things whose name, or what is
    true as well, is surest among all names that the folder has.

    Raises:
        InputError: The folder is malformed, or nothing in it has a name.
    """
    concepts, encoder = load_concepts(), load_encoder(settings.encoder, device=settings.device)
    pictures = region_pictures(folder)
    count = len(pictures) if settings.limit is None else min(settings.limit, len(pictures))
    rows: list[NDArray[np.float32]] = []
    truth: list[int] = []
    beside: list[set[int]] = []
    for number in range(count):
        settings.tell(number, count, "things")
        picture = pictures[number]
        named = things_in(picture, concepts)
        large = [t for t in named if min(t.box[2] - t.box[0], t.box[3] - t.box[1]) >= SMALLEST]
        boxes, masks = [thing.box for thing in large], [thing.mask for thing in large]
        rows.append(embed_objects(encoder, picture.image, boxes, masks, crop="both"))
        truth += [thing.concept for thing in large]
        beside += [{thing.concept for thing in named}] * len(large)
    settings.tell(count, count, "things")
    if not truth:
        raise InputError(f"no thing in {folder} has a name", hint="things.csv says what is where")
    names, right = np.unique(truth), np.array(truth)
    embedded = np.concatenate(rows)
    beliefs = np.stack(
        [TextScorer(encoder, phrase(concepts.rows[int(i)].name)).confidence(embedded) for i in names], 1
    )
    also = concepts.kind_of | concepts.kind_of.T
    rng, wrong = np.random.default_rng(0), []
    for row, others in zip(beliefs, beside, strict=True):
        strange = [k for k, name in enumerate(names) if not any(also[name, other] for other in others)]
        asked = rng.choice(strange, min(ASKED, len(strange)), replace=False).astype(int)
        wrong += (row[asked] >= BELIEVED).tolist()
    own = beliefs[np.arange(len(right)), np.searchsorted(names, right)]
    first = also[names[beliefs.argmax(1)], right]
    figures = {
        "belief": mean(own), "believed": mean(own >= BELIEVED), "wrong": mean(wrong), "first": mean(first),
        "things": len(right), "names": len(names), "pictures": count,
    }  # fmt: skip
    items = {
        concepts.rows[int(i)].name: {
            "belief": mean(own[right == i]),
            "believed": mean(own[right == i] >= BELIEVED),
            "things": int((right == i).sum()),
        }
        for i in names
    }
    return Measured("things", figures, items)
