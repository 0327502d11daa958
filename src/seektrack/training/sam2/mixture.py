"""What a training learns from: the drawn world, photographs and films, in shares of its steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seektrack.errors import InputError
from seektrack.training.datasets import MaskClip, RegionPicture, region_pictures
from seektrack.training.sam2.augment import RawClip
from seektrack.training.sam2.data import Source, WorldClips
from seektrack.training.sam2.footage import FootageClips, Windows
from seektrack.training.sam2.photographs import Photographs
from seektrack.training.sam2.recipe import Stage
from seektrack.training.sam2.sources import read_clips


@dataclass(frozen=True, eq=False)
class Material:
    """Real pictures and films to train on beside the world.

    Attributes:
        pictures: Photographs with maps of their regions.
        films: Clips with masks.
    """

    pictures: Sequence[RegionPicture] = ()
    films: Sequence[MaskClip] = ()

    def __bool__(self) -> bool:
        return bool(self.pictures) or bool(self.films)

    def digest(self) -> str:
        """A short hash of what it holds, to tell one from another; empty where it holds nothing."""
        names = [
            sorted(Path(key).name for key in getattr(items, "keys", None) or [i.key for i in items])
            for items in (self.pictures, self.films)
        ]
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16] if self else ""


def read_material(pictures: Sequence[str | Path] = (), films: Sequence[str | Path] = ()) -> Material:
    """Photographs and films in folders.

    Args:
        pictures: What :func:`seektrack.training.datasets.region_pictures` takes.
        films: Each what :func:`seektrack.training.sam2.sources.read_clips` takes.

    Raises:
        InputError: A folder is missing, or holds nothing of the kind.
    """
    return Material(
        pictures=region_pictures(list(pictures)) if pictures else (),
        films=[clip for folder in films for clip in read_clips(folder)],
    )


class Mixture:
    """Groups of clips from several sources, each step from one of them, drawn by their shares.

    Args:
        sources: What to draw from.
        shares: How often each, in any unit.
        seed: Of the draw.
    """

    def __init__(self, sources: Sequence[Source], shares: Sequence[float], *, seed: int) -> None:
        if len(sources) != len(shares) or not sources or min(shares) < 0 or sum(shares) <= 0:
            raise InputError(f"shares {list(shares)} for {len(sources)} sources of clips")
        self.sources, self.seed = tuple(sources), seed
        self.chances = np.array(shares, np.float64) / sum(shares)

    def group(self, number: int) -> list[RawClip]:
        """The clips of group ``number``."""
        rng = np.random.default_rng((self.seed, number, 11))
        return self.sources[int(rng.choice(len(self.sources), p=self.chances))].group(number)


def stage_source(stage: Stage, material: Material, *, start: int, seed: int) -> Source:
    """What a stage of a training learns from.

    Args:
        stage: Its ``mix`` says how much of each; what ``material`` lacks is left out.
        material: Photographs and films.
        start: Training scenes of the world to pass over.
        seed: Of what is drawn from photographs and films.

    Raises:
        InputError: Nothing is left to learn from.
    """
    world, pictures, films = stage.mix
    sources: list[tuple[Source, float]] = [(WorldClips(stage, start=start), world)]
    if material.pictures:
        sources.append((Photographs(material.pictures, stage, seed=seed), pictures))
    if material.films:
        wider = replace(stage, clips=stage.film_clips or stage.clips)
        everything = range(len(material.films))
        sources.append((FootageClips(material.films, everything, wider, Windows(), seed=seed), films))
    used = [(source, share) for source, share in sources if share > 0]
    if not used:
        raise InputError(
            f"the mix of stage {stage.name} takes photographs or films, and there are none",
            hint="give --pictures or --films",
        )
    return Mixture([source for source, _ in used], [share for _, share in used], seed=seed)
