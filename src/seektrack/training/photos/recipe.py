"""What teaching photographs consists of: network, batches, schedule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from seektrack.encoders.photo_network import PhotoSizes
from seektrack.errors import InputError


@dataclass(frozen=True, kw_only=True)
class PhotoRecipe:
    """A training run; equal recipes on equal data take equal steps.

    Attributes:
        sizes: The network.
        seed: Of weights, batches and augmentation.
        tiles: Named tiles in a batch.
        people: How many times as often as others tiles of people are drawn: there are few of them, and films
            are full of them.
        films: Crops of named things in films and photographs in a batch.
        unnamed: Crops of photographs that show none of the names in a batch.
        late_tiles, late_films, late_unnamed: The same three in the last part of training: what shows none of
            the names is the most of any footage, and has to be told from what does.
        late_share: That part, as a share of the schedule.
        rough: Share of the tiles that are made as crops of video are: smaller in a wider picture, turned,
            blurred, compressed.
        masked: Share of the crops of films and of regions of which only the thing's own pixels are sharp.
        stretched: Share of all pictures that are made wider or higher than they are, as things of many shapes
            meet a square view.
        view: Side of the network's view in pixels at the end of training, the tiles' own.
        early_view: The same in the first part; smaller is cheaper.
        early_share: That part, as a share of the schedule.
        kinds: Chance that a tile is asked for what it is a kind of, instead of its name.
        steps: Steps of the whole schedule; the time allowed ends it too, whichever comes first.
        learning_rate: Peak for the matrices of the convolutions, by Muon.
        other_rate: Peak for all else, by AdamW.
        warmup, floor: Steps to reach the peak, and the share of it left at the end.
        weight_decay: Of the convolutions.
        smoothing: Share of the answer spread over all names.
        doubt: How little a picture without a name counts that looks as if it had one; see
            :func:`seektrack.training.photos.loss.naming_loss`.
        colour_share: Part of an embedding's length, squared, that tells the colours of the picture's middle.
        reserve: Log odds by which pictures without a name are preferred: a search asks for each name of the
            best of all the crops of a frame, not of a thing that somebody centred.
        average: Decay of the running mean of the weights that is exported.
    """

    sizes: PhotoSizes = field(default_factory=PhotoSizes)
    seed: int = 0
    tiles: int = 208
    people: float = 2.0
    films: int = 24
    unnamed: int = 32
    late_tiles: int = 144
    late_films: int = 48
    late_unnamed: int = 72
    late_share: float = 0.1
    rough: float = 0.3
    masked: float = 0.35
    stretched: float = 0.3
    view: int = 32
    early_view: int = 24
    early_share: float = 0.6
    kinds: float = 0.25
    steps: int = 1_000_000
    learning_rate: float = 0.012
    other_rate: float = 2e-3
    warmup: int = 100
    floor: float = 0.01
    weight_decay: float = 0.05
    smoothing: float = 0.05
    doubt: float = 0.4
    colour_share: float = 0.25
    reserve: float = 3.0
    average: float = 0.995

    def gone_on(self) -> PhotoRecipe:
        """The recipe for a network that knows photographs already: lower rates, and sooner at full size."""
        return replace(
            self, learning_rate=self.learning_rate / 2, other_rate=self.other_rate / 2, early_share=0.3,
            late_share=0.3, average=0.998,
        )  # fmt: skip

    def __post_init__(self) -> None:
        for name in ("rough", "masked", "stretched", "early_share", "late_share", "kinds", "smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is a share from 0 to 1, got {getattr(self, name)}")
        if self.tiles < 1 or self.unnamed < 0 or self.films < 0:
            raise InputError(
                f"tiles {self.tiles}, films {self.films}, unnamed {self.unnamed}",
                hint="at least 1 tile; the others are 0 or more",
            )
