"""Names of small photographs: which of all names an encoder finds most like a picture, and how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, contrast_texts, embed_queries, load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.pocket_clip import calibration
from seektrack.evaluation.real.results import Measured, RealSettings, mean
from seektrack.training.photos.names import Concepts, load_concepts, superclasses
from seektrack.training.photos.tiles import Tiles, load_tiles

SURE = 0.9
BATCH = 512


def holds_names(folder: Path) -> bool:
    """Whether a folder holds mosaics of named tiles."""
    return (folder / "counts.json").is_file()


def measure_names(folder: Path, settings: RealSettings) -> Measured:
    """Ask for every name the folder knows of every tile of its ``test`` part.

    ``named`` is the share of tiles whose own name is nearest among all names; ``named_or_kind`` counts what
    is true as well (a Chihuahua called a dog). ``named_SET`` asks among the names of one data set only,
    ``group_cifar100`` for CIFAR-100's twenty groups, a group's share being that of its names together. How
    sure: the softmax over the names and the encoder's background texts, what is true as well not competing;
    ``sure`` is the share of answers over 0.9, ``right_when_sure`` how many of those are right or true.

    Raises:
        InputError: The folder is malformed.
    """
    concepts = load_concepts()
    tiles = _limited(load_tiles(folder, "test", concepts), settings.limit)
    encoder = load_encoder(settings.encoder, device=settings.device)
    rows = _embedded(encoder, tiles, settings)
    names = np.unique(tiles.concepts)
    texts = [phrase(concepts.rows[int(i)].name) for i in names]
    cosines = rows @ embed_queries(encoder, texts).T
    best = names[cosines.argmax(1)]
    figures: dict[str, Any] = {
        "named": mean(best == tiles.concepts),
        "named_or_kind": mean(_true(concepts, best, tiles.concepts)),
    }
    for place, data_set in enumerate(tiles.names):
        mine = tiles.sets == place
        own = np.isin(names, tiles.concepts[mine])
        if mine.any():
            said = names[own][cosines[mine][:, own].argmax(1)]
            figures[f"named_{data_set}"] = mean(said == tiles.concepts[mine])
            if data_set == "cifar100":
                scaled = cosines[mine][:, own] * encoder.logit_scale
                figures["group_cifar100"] = _grouped(concepts, names[own], scaled, tiles.concepts[mine])
    figures |= _certainty(encoder, concepts, names, cosines, rows, tiles.concepts)
    figures |= {"names": len(names), "tiles": len(best)}
    items = {
        concepts.rows[int(i)].name: {
            "right": mean(best[tiles.concepts == i] == i),
            "tiles": int((tiles.concepts == i).sum()),
        }
        for i in names
    }
    return Measured("names", figures, items)


def phrase(name: str) -> str:
    """The name with its article."""
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _limited(tiles: Tiles, limit: int | None) -> Tiles:
    """At most so many tiles of a class."""
    if limit is None:
        return tiles
    which = np.sort(
        np.concatenate(
            [
                np.flatnonzero((tiles.concepts == c) & (tiles.sets == s))[:limit]
                for s in range(len(tiles.names))
                for c in np.unique(tiles.concepts[tiles.sets == s])
            ]
        )
    )
    return Tiles(tiles.pictures[which], tiles.concepts[which], tiles.sets[which], tiles.names)


def _embedded(encoder: Encoder, tiles: Tiles, settings: RealSettings) -> NDArray[np.float32]:
    rows = []
    for first in range(0, len(tiles.pictures), BATCH):
        settings.tell(first, len(tiles.pictures), "names")
        rows.append(encoder.embed_images(list(tiles.pictures[first : first + BATCH])))
    settings.tell(len(tiles.pictures), len(tiles.pictures), "names")
    if not rows:
        raise InputError("no tiles to measure", hint="counts.json says how many there are")
    return np.concatenate(rows)


def _true(concepts: Concepts, said: NDArray[np.intp], truth: NDArray[np.intp]) -> NDArray[np.bool_]:
    """What is right, or a kind of the truth, or what the truth is a kind of."""
    out: NDArray[np.bool_] = concepts.kind_of[said, truth] | concepts.kind_of[truth, said]
    return out


def _grouped(
    concepts: Concepts, names: NDArray[np.intp], logits: NDArray[np.floating], truth: NDArray[np.intp]
) -> float:
    groups = {
        concepts.of_class[f"cifar100/{name}"]: i
        for i, classes in enumerate(superclasses().values())
        for name in classes
    }
    p = _softmax(logits)
    table = np.zeros((p.shape[1], len(superclasses())))
    for column, name in enumerate(names):
        table[column, groups[int(name)]] = 1
    return mean((p @ table).argmax(1) == np.array([groups[int(name)] for name in truth]))


def _certainty(
    encoder: Encoder,
    concepts: Concepts,
    names: NDArray[np.intp],
    cosines: NDArray[np.floating],
    rows: NDArray[np.float32],
    truth: NDArray[np.intp],
) -> dict[str, Any]:
    """Expected calibration error, and what answers over 0.9 are worth."""
    background = (
        getattr(getattr(encoder, "vocabulary", None), "background", ()) or contrast_texts(encoder)[-13:]
    )
    others = rows @ embed_queries(encoder, list(background)).T
    best = cosines.argmax(1)
    silent = concepts.kind_of[np.ix_(names, names)] | concepts.kind_of[np.ix_(names, names)].T
    silent &= ~np.eye(len(names), dtype=bool)
    logits = np.where(silent[best], -1e3, encoder.logit_scale * cosines)
    p = _softmax(np.concatenate([logits, encoder.logit_scale * others], axis=1))
    confidence = p[np.arange(len(p)), best]
    right = _true(concepts, names[best], truth)
    error, table = calibration(confidence, right)
    sure = confidence >= SURE
    return {
        "calibration_error": round(error, 4),
        "sure": mean(sure),
        "right_when_sure": mean(right[sure]),
        "calibration": [[round(v, 3) for v in row] for row in table],
    }


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    logits = np.asarray(logits, np.float64)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True), np.float64)
