"""Films found by what they show: each text asked of all films of a folder, as a search asks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.real.results import Measured, RealSettings, mean
from seektrack.geometry import crop_square, tiles
from seektrack.retrieval.query import prepare_query
from seektrack.training.datasets import MaskClip, masks_beside
from seektrack.training.datasets.beside import OBJECT, film_names, is_film

FRAMES = 4
"""Looked at of each film, evenly spread."""
BELIEVED = 0.5
NEVER_SHOWN = ("a giraffe", "a piano", "a submarine", "a guitar", "a penguin", "a windmill")
"""Asked as well; a folder that shows one of them leaves it out."""


def holds_named_films(folder: Path) -> bool:
    """Whether a folder holds films of one thing each, and says what they show."""
    return (folder / "names.json").is_file() and any(
        is_film(inner) for inner in folder.iterdir() if inner.is_dir()
    )


def measure_found(folder: Path, settings: RealSettings) -> Measured:
    """Ask for every text of ``names.json``, and look whether a film it was written for comes first.

    The belief in a film is the mean over some of its frames of the best of the whole frame and its tiles,
    as a library with ``regions="tiles"`` sees them. ``film_first`` is the share of texts whose best film is
    one of theirs; ``believed_and_right`` of those whose best film is believed at 0.5 and one of theirs;
    ``absent_believed`` the share of things no film shows that some film is believed to show.

    Raises:
        InputError: The folder is malformed, or no film has a text.
    """
    encoder = load_encoder(settings.encoder, device=settings.device)
    clips = [clip for clip in masks_beside(folder) if clip.categories.get(OBJECT)]
    if not clips:
        raise InputError(f"no film in {folder} has a text", hint='names.json says {"rex": "a dog"}')
    clips = clips[: settings.limit]
    rows = []
    for number, clip in enumerate(clips):
        settings.tell(number, len(clips), "named films")
        rows.append(_looks(encoder, clip))
    settings.tell(len(clips), len(clips), "named films")
    truth = [clip.categories[OBJECT] for clip in clips]
    items = {text: _asked(encoder, text, rows, truth) for text in dict.fromkeys(truth)}
    shown = " ".join(film_names(folder).values())
    absent = [text for text in NEVER_SHOWN if text.split()[-1] not in shown]
    claims = [beliefs(encoder, text, rows).max() >= BELIEVED for text in absent]
    figures = {
        "film_first": mean(item["first"] for item in items.values()),
        "believed_and_right": mean(item["first"] and item["belief"] >= BELIEVED for item in items.values()),
        "absent_believed": mean(claims),
        "texts": len(items),
        "films": len(clips),
    }
    return Measured("named films", figures, items)


def _asked(
    encoder: Encoder, text: str, rows: Sequence[Sequence[NDArray[np.float32]]], truth: Sequence[str]
) -> dict[str, float | int]:
    found = beliefs(encoder, text, rows)
    order = np.argsort(-found)
    own = [truth[int(i)] == text for i in order]
    return {"first": int(own[0]), "place": own.index(True) + 1, "belief": round(float(found[order[0]]), 4)}


def beliefs(
    encoder: Encoder, text: str, rows: Sequence[Sequence[NDArray[np.float32]]]
) -> NDArray[np.float64]:
    """How far each of N films is believed to show a text, (N,); ``rows`` are the pictures of its frames."""
    asked = prepare_query(encoder, text)
    return np.array([np.mean([asked.probability(frame).max() for frame in frames]) for frames in rows])


def _looks(encoder: Encoder, clip: MaskClip) -> list[NDArray[np.float32]]:
    """Embeddings of the whole and the tiles of some frames."""
    frames = list(clip.frames())
    chosen = np.unique(np.linspace(0, len(frames) - 1, FRAMES).astype(int))
    out = []
    for i in chosen:
        image = frames[int(i)][0].image
        crops = [crop_square(image, box, encoder.image_size) for box in tiles(image.shape[:2])]
        out.append(encoder.embed_images([image, *crops]))
    return out
