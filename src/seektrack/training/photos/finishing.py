"""From a network that knows photographs to a checkpoint: the gate, the calibration, the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seektrack.training.clip.frames import FrameStore, prepare
from seektrack.training.photos.calibrate import fitted_scale
from seektrack.training.photos.files import load_network, save_checkpoint_folder
from seektrack.training.photos.gate import GateSampler, gate_figures, train_gate
from seektrack.training.photos.loop import held_out_part, normalised
from seektrack.training.photos.names import load_concepts
from seektrack.training.photos.recipe import PhotoRecipe
from seektrack.training.photos.samples import UNNAMED, PhotoSampler
from seektrack.training.photos.scenes import load_films, load_photographs
from seektrack.training.photos.tiles import load_tiles
from seektrack.types import Progress
from seektrack.world import Split

POCKET = Path(__file__).parents[2] / "pretrained" / "clip"
FIRST, CLIPS = 60_000, 200
"""Scenes of the gate, from there on in the training seeds; as many plain as rich."""
CHECKED = 40


def finish(
    recipe: PhotoRecipe,
    trained: Path,
    out: Path,
    *,
    names: Path,
    pictures: Sequence[Path] = (),
    films: Path | None = None,
    base: Path | None = None,
    gate_steps: int = 400,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a checkpoint folder that knows the drawn world and photographs.

    Args:
        recipe: What the network was trained by.
        trained: Folder that :func:`seektrack.training.photos.loop.train_photos` wrote.
        out: Folder of the checkpoint.
        names, pictures, films: The data, as there.
        base: Folder of the CLIP of the drawn world; the pocket one by default.
        gate_steps: Of the training of the gate.
        progress: Called with done, total and the name of the stage.

    Returns:
        What the gate tells on new pictures, and the fitted scale.
    """
    concepts = load_concepts()
    tiles = held_out_part(load_tiles(names, "train", concepts))
    photographs = load_photographs(list(pictures), concepts) if pictures else None
    shown = load_films(films, concepts) if films is not None else None
    network = load_network(trained, recipe.sizes, concepts)
    frames = trained / "training" / "frames"
    shards = [
        path
        for rich in (False, True)
        for path in prepare(
            frames, Split.TRAIN, clips=CLIPS, keep=4, start=FIRST, rich=rich, progress=progress
        )
    ]
    sampler = GateSampler(FrameStore(shards), tiles, photographs, shown)
    gate = train_gate(sampler, steps=gate_steps, seed=recipe.seed)
    drawn = prepare(frames, Split.VALIDATION, clips=CHECKED, keep=4, start=FIRST)
    drawn += prepare(frames, Split.VALIDATION, clips=CHECKED, keep=4, start=FIRST, rich=True)
    figures = gate_figures(gate, GateSampler(FrameStore(drawn), tiles, photographs, shown))
    scale = _calibrated(recipe, network, PhotoSampler(tiles, concepts, recipe, photographs=photographs))
    save_checkpoint_folder(
        network, gate, concepts, base=base or POCKET, out=out, scale=scale, colour_share=recipe.colour_share,
        reserve=recipe.reserve,
    )  # fmt: skip
    return {**figures, "scale": round(scale, 2), "folder": str(out)}


@torch.no_grad()
def _calibrated(recipe: PhotoRecipe, network: Any, sampler: PhotoSampler, *, batches: int = 12) -> float:
    """The scale that suits held-out tiles, made as batches of training are, and crops without a name."""
    rows, truth = [], []
    for i in range(batches):
        pictures, numbers = sampler.batch(1_000_000 + i, view=recipe.view)
        rows.append((network.tower.embed(normalised(pictures)) @ network.names().T).numpy())
        truth.append(numbers)
    cosines, right = np.concatenate(rows), np.concatenate(truth)
    kind_of = load_concepts().kind_of
    silent = np.zeros((len(right), len(kind_of)), bool)
    named = right != UNNAMED
    silent[named] = kind_of[right[named]] | kind_of.T[right[named]]
    silent[named, right[named]] = False
    return fitted_scale(cosines, right, silent=silent)
