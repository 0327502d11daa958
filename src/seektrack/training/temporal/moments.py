"""Videos and moments with texts as a temporal encoder learns from them: features of frames, on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.temporal import TemporalEncoder
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError
from seektrack.files import new_file
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.text_items import TextItem, TextSet
from seektrack.training.datasets.texts import read_texts
from seektrack.training.datasets.world import choose_world
from seektrack.training.temporal.recipe import motion_scenes
from seektrack.types import Progress
from seektrack.world import sample_scene
from seektrack.world.layouts import write_layout


def digest(items: Sequence[TextItem]) -> str:
    """A short hash of the names and texts of items."""
    named = [[item.key, list(item.texts)] for item in items]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def features_of(
    items: Sequence[TextItem],
    order: Sequence[int],
    encoder: TemporalEncoder,
    spare: int,
    work: Path,
    *,
    left_out: LeftOuts,
    until: float,
    progress: Progress | None,
) -> dict[int, NDArray[np.float16]]:
    """What the frame tower sees of ``spare`` times T frames of each item that can be read, by its number.

    One file an item, so that a training that was killed goes on with what there is.

    Args:
        items: Videos and moments.
        order: In which they are looked at.
        encoder: Whose frame tower looks.
        spare: Times T frames are taken.
        work: Folder the files go to.
        left_out: Takes note of what cannot be read.
        until: By ``time.monotonic``: afterwards only what lies on disk is taken.
        progress: Called with done, total and the stage.
    """
    sizes = encoder.sizes
    home = work / "features" / hashlib.sha256(f"{encoder.fingerprint}{spare}".encode()).hexdigest()[:12]
    rows: dict[int, NDArray[np.float16]] = {}
    for done, i in enumerate(order, start=1):
        item = items[i]
        path = home / f"{digest([item])}.npy"
        if not path.is_file():
            if time.monotonic() >= until:
                left_out.add(item.file, "", "not looked at in the time allowed")
                continue
            try:
                pictures = item.pictures(spare * sizes.frames)
            except InputError as error:
                left_out.add(item.file, "", f"cannot be read: {error.message.split(': ')[-1]}")
                continue
            found = encoder.embed_frames(pictures).astype(np.float16)
            with new_file(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, found)
        rows[i] = np.load(path, mmap_mode="r")
        if progress:
            progress(done, len(items), "looking at the videos")
    return rows


def world_moments(text: str, folder: Path, *, progress: Progress | None = None) -> TextSet:
    """Videos of the drawn world in which something happens, laid out as MSR-VTT is.

    Args:
        text: ``world:400,style=rich``, see :func:`seektrack.training.datasets.choose_world`.
        folder: Where they are written; what lies there already is read.
        progress: Called with done, total and the stage.
    """
    chosen = choose_world(text, count=400)
    given = chosen.settings
    sizes = TemporalSizes()
    scenes = replace(motion_scenes(sizes, 12, style=given.style), categories=given.categories)
    home = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
    if not (home / "train_val_videodata.json").is_file():
        drawn = [sample_scene(seed, scenes) for seed in chosen.seeds]
        write_layout(drawn, home, layout="msr-vtt", fps=8, progress=progress)
    return read_texts(home)
