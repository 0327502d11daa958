"""What is measured on: things with texts, looked at by several encoders in one pass over the files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, l2_normalise
from seektrack.errors import InputError
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.text_items import TextItem, TextSet
from seektrack.training.datasets.texts import read_texts
from seektrack.training.datasets.world import is_world
from seektrack.training.finetune.data import load_picture, pair_at, read_pairs, same_text
from seektrack.types import Progress

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Thing:
    """A picture, a video or a moment with its texts.

    Attributes:
        key: Its name.
        texts: At least one.
        pictures: Gives so many pictures of it, RGB uint8 (H, W, 3); a picture is one, however many are asked.
        moving: Whether it is a video.
    """

    key: str
    texts: tuple[str, ...]
    pictures: Callable[[int], list[Picture]]
    moving: bool = False


@dataclass(frozen=True, eq=False)
class Things:
    """A data set to measure on.

    Attributes:
        layout: What it is laid out as.
        things: What it holds.
        left_out: What cannot be used; grows while pictures are looked at.
    """

    layout: str
    things: list[Thing]
    left_out: LeftOuts = field(default_factory=LeftOuts)


def read_things(
    data: str | Path | TextSet | Sequence[Any],
    *,
    images: str | Path | None = None,
    split: str | None = None,
    limit: int | None = None,
) -> Things:
    """Things with texts.

    Args:
        data: What :func:`seektrack.training.datasets.read_texts` takes, ``world:40`` with its options, or
            pairs as :func:`seektrack.training.finetune.finetune_clip` takes them.
        images, split: See there.
        limit: Most of them, spread evenly over the data set.

    Raises:
        InputError: Nothing can be used, or the limit is below 2.
    """
    if limit is not None and limit < 2:
        raise InputError(f"cannot measure retrieval among {limit}", hint="take 2 or more")
    if isinstance(data, str | Path) and not is_world(os.fspath(data)):
        data = read_texts(data, images=images, split=split)
    elif isinstance(data, str | Path):
        data = read_pairs(data)
    if isinstance(data, TextSet):
        found = Things(data.layout, [_thing(item) for item in data], data.left_out)
    else:
        found = Things("pairs", [_of_pair(data, i) for i in range(len(data))])
    if limit is not None and limit < len(found.things):
        chosen = np.linspace(0, len(found.things) - 1, limit).round().astype(int)
        return Things(found.layout, [found.things[int(i)] for i in chosen], found.left_out)
    return found


def _thing(item: TextItem) -> Thing:
    return Thing(item.key, item.texts, item.pictures, item.video)


def _of_pair(pairs: Sequence[Any], index: int) -> Thing:
    pair = pair_at(pairs, index)
    return Thing(f"{index:06d}", pair.texts, lambda _count: [load_picture(pair.image)])


@dataclass(frozen=True, eq=False)
class Asked:
    """Distinct texts, and what each is true of.

    Attributes:
        texts: One spelling of each.
        things_of: For each text the numbers of the things it is said of.
        texts_of: For each thing the numbers of its texts.
    """

    texts: list[str]
    things_of: list[NDArray[np.int64]]
    texts_of: list[NDArray[np.int64]]

    @classmethod
    def of(cls, things: Sequence[Thing]) -> Asked:
        """Texts that differ in more than case, spaces and a final full stop, in order."""
        place: dict[str, int] = {}
        texts: list[str] = []
        said: list[list[int]] = []
        carried = []
        for number, thing in enumerate(things):
            own = []
            for text in thing.texts:
                row = place.setdefault(same_text(text), len(texts))
                if row == len(texts):
                    texts.append(text)
                    said.append([])
                if number not in said[row]:
                    said[row].append(number)
                own.append(row)
            carried.append(np.array(sorted(set(own)), np.int64))
        return cls(texts, [np.array(of, np.int64) for of in said], carried)


class Looks:
    """Embeddings of things by several encoders, each file opened once.

    Args:
        encoders: By name.
        frames: Frames looked at of a video, by encoders of single pictures, their embeddings averaged.

    Attributes:
        rows: By encoder, float32 (N, D).
        seconds: By encoder, spent embedding.
        pictures: Looked at.
    """

    def __init__(self, encoders: dict[str, Encoder], *, frames: int) -> None:
        self.encoders, self.frames = encoders, frames
        self.rows: dict[str, Floats] = {}
        self.seconds = dict.fromkeys(encoders, 0.0)
        self.pictures = 0

    def over(
        self,
        found: Things,
        *,
        change: Callable[[Picture, np.random.Generator], Picture] | None = None,
        progress: Progress | None = None,
        stage: str = "pictures",
    ) -> list[Thing]:
        """Embed things; those that cannot be read are left out and named.

        Args:
            found: The things.
            change: Done to every picture first.
            progress: Called with done, total and the stage.
            stage: Its name.

        Returns:
            The things embedded, in the order of the rows.
        """
        rows: dict[str, list[Floats]] = {name: [] for name in self.encoders}
        kept: list[Thing] = []
        self.seconds, self.pictures = dict.fromkeys(self.encoders, 0.0), 0
        most = max([self.frames, *(getattr(e, "n_frames", 0) for e in self.encoders.values())])
        for begin in range(0, len(found.things), _AT_ONCE):
            some = found.things[begin : begin + _AT_ONCE]
            seen: list[list[Picture]] = []
            for offset, thing in enumerate(some):
                try:
                    pictures = thing.pictures(most)
                except InputError as error:
                    found.left_out.add(thing.key, "", f"cannot be read: {error.message.split(': ')[-1]}")
                    continue
                rng = np.random.default_rng((7, begin + offset))
                seen.append([change(p, rng) for p in pictures] if change else pictures)
                kept.append(thing)
            if seen:
                for name, encoder in self.encoders.items():
                    rows[name].append(self._embed(name, encoder, seen))
                self.pictures += sum(len(pictures) for pictures in seen)
            if progress:
                progress(begin + len(some), len(found.things), stage)
        if not kept:
            raise InputError("none of the pictures can be read", hint=str(next(iter(found.left_out), "")))
        self.rows = {name: np.concatenate(parts) for name, parts in rows.items()}
        return kept

    def _embed(self, name: str, encoder: Encoder, seen: list[list[Picture]]) -> Floats:
        started = time.perf_counter()
        if hasattr(encoder, "embed_clips"):
            found: Floats = encoder.embed_clips(seen)
        else:
            chosen = [_spread(pictures, self.frames) for pictures in seen]
            flat = encoder.embed_images([picture for pictures in chosen for picture in pictures])
            ends = np.cumsum([len(pictures) for pictures in chosen])[:-1]
            found = l2_normalise(np.stack([part.mean(0) for part in np.split(flat, ends)]))
        self.seconds[name] += time.perf_counter() - started
        return found


def _spread(pictures: list[Picture], count: int) -> list[Picture]:
    if len(pictures) <= count:
        return pictures
    return [pictures[int((i + 0.5) * len(pictures) / count)] for i in range(count)]
