"""What a training set hands out: pictures with texts, videos with texts, with masks, or with boxes.

A `Dataset` is a sequence that reads an item when it is asked for, so it costs little to hold and can be
shuffled, split and sent to workers (everything here pickles).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.types import Frame, Mask, Tracks
from seektrack.video import VideoSource

T_co = TypeVar("T_co", covariant=True)


class Dataset(Sequence[T_co]):
    """Items read on demand.

    Args:
        keys: Name of each item, unique, in order.
        read: From a key to its item.
    """

    def __init__(self, keys: Sequence[str], read: Callable[[str], T_co]) -> None:
        self.keys = tuple(keys)
        self._read = read

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> T_co: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset[T_co]: ...

    def __getitem__(self, index: int | slice) -> T_co | Dataset[T_co]:
        """The item, or for a slice the data set of those items."""
        chosen = self.keys[index]
        return Dataset(chosen, self._read) if isinstance(chosen, tuple) else self._read(chosen)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} items)"


@dataclass(frozen=True, eq=False)
class ImageText:
    """A picture and what is said of it.

    Attributes:
        key: Its name in the data set.
        image: uint8 (H, W, 3), RGB.
        texts: At least one.
    """

    key: str
    image: NDArray[np.uint8]
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class VideoText:
    """A video and what is said of it.

    Attributes:
        key: Its name in the data set.
        open: Opens the video.
        texts: At least one.
    """

    key: str
    open: Callable[[], VideoSource]
    texts: tuple[str, ...]

    def sample(self, n: int) -> NDArray[np.uint8]:
        """``n`` pictures, each from the middle of an equal share of the video: uint8 (n, H, W, 3).

        Raises:
            InputError: ``n`` is below 1, or the video has no frames.
        """
        if n < 1:
            raise InputError(f"the number of pictures must be at least 1, got {n}")
        with self.open() as video:
            count = video.len_frames()
            if count == 0:
                raise InputError(f"the video {video.info.path} has no frames", hint="leave it out")
            wanted = [video.first_index + int((i + 0.5) * count / n) for i in range(n)]
            found = {i: video.frame_at(i).image for i in sorted(set(wanted))}
        return np.stack([found[i] for i in wanted])

    def middle(self) -> ImageText:
        """The picture in the middle, with the texts."""
        return ImageText(self.key, self.sample(1)[0], self.texts)


@dataclass(frozen=True)
class FrameMasks:
    """What is known of one annotated frame.

    Attributes:
        masks: By object id; objects not seen are left out.
        void: Pixels that belong to nobody known and count neither way, or None.
    """

    masks: Mapping[int, Mask] = field(default_factory=dict)
    void: Mask | None = None

    @classmethod
    def from_labels(cls, labels: NDArray[np.integer], *, void: int | None = None) -> FrameMasks:
        """From a picture of object ids (H, W), 0 being background and ``void`` unknown."""
        ids = [int(v) for v in np.unique(labels) if v != 0 and v != void]
        unknown = labels == void if void is not None else None
        return cls(
            masks={i: Mask.from_array(labels == i) for i in ids},
            void=Mask.from_array(unknown) if unknown is not None and unknown.any() else None,
        )


@dataclass(frozen=True, eq=False)
class MaskClip:
    """A video with the masks of its objects.

    Attributes:
        key: Its name in the data set.
        open: Opens the video.
        annotation: From a frame index to what is known of the frame, None where nobody annotated it.
        categories: Object id to what it is, for the ids whose category is known.
        sure: By object id the frames a person spoke of it, where the others are what a network made of them;
            None where all are the truth.
    """

    key: str
    open: Callable[[], VideoSource]
    annotation: Callable[[int], FrameMasks | None]
    categories: Mapping[int, str] = field(default_factory=dict)
    sure: Mapping[int, frozenset[int]] | None = None

    def frames(self) -> Iterator[tuple[Frame, FrameMasks | None]]:
        """Every frame with its annotation, one at a time.

        Raises:
            InputError: A mask has another size than its frame, or a file cannot be read.
        """
        with self.open() as video:
            for frame in video:
                yield frame, self._checked(frame)

    def at(self, index: int) -> tuple[Frame, FrameMasks | None]:
        """One frame with its annotation.

        Raises:
            InputError: As `frames`, or there is no such frame.
        """
        with self.open() as video:
            frame = video.frame_at(index)
            return frame, self._checked(frame)

    def _checked(self, frame: Frame) -> FrameMasks | None:
        known = self.annotation(frame.index)
        masks = [] if known is None else [*known.masks.values(), *([known.void] if known.void else [])]
        for mask in masks:
            if mask.size != frame.hw:
                raise InputError(
                    f"{self.key}: the masks of frame {frame.index} are {mask.size[1]}x{mask.size[0]}, the "
                    f"frame is {frame.hw[1]}x{frame.hw[0]}",
                    hint="pair each annotation with the pictures it was drawn on",
                )
        return known


@dataclass(frozen=True, eq=False)
class BoxClip:
    """A video with the boxes of its objects.

    Attributes:
        key: Its name in the data set.
        open: Opens the video.
        tracks: Who is where; an observation's ``score`` is how much of the object can be seen, in [0, 1].
    """

    key: str
    open: Callable[[], VideoSource]
    tracks: Tracks
