"""Windows of a user's clips as training batches: read on demand, squared, and kept while memory lasts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.training.datasets import FrameMasks, MaskClip
from seektrack.training.sam2.augment import RawClip
from seektrack.training.sam2.data import VOID, group_shape
from seektrack.training.sam2.recipe import Stage
from seektrack.video import VideoSource

_UNKNOWN = 65535
_SHORT = 64
_TRIES = 8
Square: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint16]]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a few frames are taken from a clip.

    Attributes:
        speed: Largest factor at which time may run; the factor is drawn evenly in its logarithm from 1.
        drop: Chance of each frame to be left out.
    """

    speed: float = 2.0
    drop: float = 0.1

    def __post_init__(self) -> None:
        if self.speed < 1 or not 0 <= self.drop < 1:
            raise InputError(
                f"speed {self.speed} and drop {self.drop} cannot be",
                hint="speed is 1 or more, drop a chance below 1",
            )

    def offsets(self, rng: np.random.Generator, count: int) -> list[int]:
        """Positions of ``count`` frames from the first, 0, on; strictly rising."""
        step = float(np.exp(rng.uniform(0, np.log(self.speed)))) if self.speed > 1 else 1.0
        out, at = [0], 0.0
        while len(out) < count:
            at += step
            while rng.random() < self.drop:
                at += 1
            out.append(max(out[-1] + 1, round(at)))
        return out


class Footage:
    """Frames of clips with their ids, in squares of one size.

    Overlapping masks become one picture of ids, the smaller object in front. Frames nobody annotated are
    passed over.

    Args:
        clips: The clips.
        side: Of the squares, pixels.
        cache_mb: Memory for squares already read.
    """

    def __init__(self, clips: Sequence[MaskClip], side: int, *, cache_mb: float = 768) -> None:
        self.clips, self.side = clips, side
        self._room = int(cache_mb * 2**20 // (side * side * 5))
        self._squares: OrderedDict[tuple[int, int], Square | None] = OrderedDict()
        self._opened: OrderedDict[int, tuple[MaskClip, int, int]] = OrderedDict()
        self._numbers: dict[int, dict[int, int]] = {}
        self._starts: dict[int, list[int]] = {}

    def window(self, rng: np.random.Generator, number: int, count: int, windows: Windows) -> RawClip | None:
        """``count`` frames of a clip that begin with an object in sight, or None when it never shows one.

        A clip that ends too early is run back and forth.
        """
        _, first, length = self._open(number)
        if number not in self._starts and length > _SHORT:
            for _ in range(_TRIES):
                start = int(rng.integers(length))
                if self._shows(number, first + start):
                    return self._from(rng, number, start, count, windows)
        if number not in self._starts:
            self._read(number, [first + i for i in range(length)] if length <= _SHORT else [])
            self._starts[number] = [i for i in range(length) if self._shows(number, first + i)]
        if not self._starts[number]:
            return None
        return self._from(rng, number, int(rng.choice(self._starts[number])), count, windows)

    def _from(
        self, rng: np.random.Generator, number: int, start: int, count: int, windows: Windows
    ) -> RawClip:
        _, first, length = self._open(number)
        wanted = [_reflected(start + offset, length) for offset in windows.offsets(rng, 2 * count)]
        self._read(number, [first + i for i in sorted(set(wanted[:count]))])
        found: list[Square] = []
        for position in wanted:
            square = self._square(number, first + position)
            if square is not None:
                found.append(square)
            if len(found) == count:
                break
        found += [found[-1]] * (count - len(found))
        frames, ids = np.stack([f for f, _ in found]), np.stack([i for _, i in found])
        return frames, _small(ids)

    def _open(self, number: int) -> tuple[MaskClip, int, int]:
        """A clip, the index of its first frame, and its length."""
        if number not in self._opened:
            clip = self.clips[number]
            with clip.open() as video:
                length, first = video.len_frames(), video.first_index
            if length == 0:
                raise InputError(f"the clip {clip.key} has no frames", hint="leave it out")
            self._opened[number] = (clip, first, length)
            while len(self._opened) > 4:
                self._opened.popitem(last=False)
        return self._opened[number]

    def _shows(self, number: int, index: int) -> bool:
        square = self._squares.get((number, index))
        if square is not None:
            return bool(((square[1] > 0) & (square[1] != _UNKNOWN)).any())
        known = self._open(number)[0].annotation(index)
        return known is not None and bool(known.masks)

    def _square(self, number: int, index: int) -> Square | None:
        if (number, index) not in self._squares:
            self._read(number, [index])
        return self._squares[number, index]

    def _read(self, number: int, indices: Sequence[int]) -> None:
        """Put frames into the cache, those wanted together in one pass, and let the oldest go."""
        clip = self._open(number)[0]
        missing = []
        for index in indices:
            if (number, index) in self._squares:
                self._squares.move_to_end((number, index))
            else:
                missing.append(index)
        if missing:
            with clip.open() as video:
                for index in missing:
                    self._squares[number, index] = self._looked_at(number, video, clip, index)
        while len(self._squares) > max(self._room, len(indices), _SHORT):
            self._squares.popitem(last=False)

    def _looked_at(self, number: int, video: VideoSource, clip: MaskClip, index: int) -> Square | None:
        """A frame; None where nobody annotated it, or it cannot be read."""
        known = clip.annotation(index)
        if known is None:
            return None
        try:
            image = video.frame_at(index).image
        except VideoError as error:
            if (left_out := getattr(self.clips, "left_out", None)) is not None:
                left_out.add(clip.key, f"frame {index}", f"cannot be read: {error.message}")
            return None
        return self._squared(number, image, known, clip.key, index)

    def _squared(
        self, number: int, image: NDArray[np.uint8], known: FrameMasks, key: str, index: int
    ) -> Square:
        size, numbers = (self.side, self.side), self._numbers.setdefault(number, {})
        ids = np.zeros(image.shape[:2], np.uint16)
        for obj_id, mask in sorted(known.masks.items(), key=lambda item: -item[1].area):
            if mask.size != image.shape[:2]:
                raise InputError(
                    f"{key}: the masks of frame {index} are {mask.size[1]}x{mask.size[0]}, the frame is "
                    f"{image.shape[1]}x{image.shape[0]}",
                    hint="pair each annotation with the pictures it was drawn on",
                )
            ids[mask.to_array()] = numbers.setdefault(obj_id, len(numbers) + 1)
        if known.void is not None:
            ids[known.void.to_array()] = _UNKNOWN
        shrinks = max(image.shape[:2]) > self.side
        picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.asarray(picture, np.uint8), np.asarray(
            cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint16
        )


def _reflected(position: int, length: int) -> int:
    """A position folded back into ``range(length)``, as in 0 1 2 1 0 1."""
    if length == 1:
        return 0
    position %= 2 * (length - 1)
    return position if position < length else 2 * (length - 1) - position


def _small(ids: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Ids of a window as uint8: those in it from 1 on, what is unknown as VOID; the rarest beyond 254 too."""
    values, where, counts = np.unique(ids, return_inverse=True, return_counts=True)
    table = np.zeros(len(values), np.uint8)
    objects = [i for i in np.argsort(-counts) if values[i] not in (0, _UNKNOWN)]
    kept = sorted(objects[: VOID - 1])
    table[kept] = np.arange(1, len(kept) + 1)
    table[[*objects[VOID - 1 :], *np.flatnonzero(values == _UNKNOWN)]] = VOID
    return table[where].reshape(ids.shape)


class FootageClips:
    """Windows of a user's clips for a step each; every clip once an epoch, in an order of the seed.

    Args:
        clips: All clips.
        chosen: Numbers of those to train on.
        stage: Says how many windows, of how many frames, how large.
        windows: How they are cut.
        seed: Of the order and the windows.
    """

    def __init__(
        self,
        clips: Sequence[MaskClip],
        chosen: Sequence[int],
        stage: Stage,
        windows: Windows,
        *,
        seed: int,
    ) -> None:
        self.chosen, self.stage, self.windows = tuple(int(i) for i in chosen), stage, windows
        self.seed = seed
        self.side = max((stage.resolution, *stage.resolutions))
        self.footage = Footage(clips, self.side)

    def group(self, number: int) -> list[RawClip]:
        """The windows of one step, see :func:`seektrack.training.sam2.data.group_shape`."""
        stage, rng = self.stage, np.random.default_rng((self.seed, number))
        shape = group_shape(stage, rng)
        first = number * stage.group
        return [
            _resized(self._window(rng, self._number(first + k), shape.frames), shape.side)
            for k in range(shape.clips)
        ]

    def _window(self, rng: np.random.Generator, number: int, count: int) -> RawClip:
        """A window of a clip, or of the next one that shows an object."""
        place = self.chosen.index(number)
        for candidate in (*self.chosen[place:], *self.chosen[:place]):
            window = self.footage.window(rng, candidate, count, self.windows)
            if window is not None:
                return window
        raise InputError("no clip of the training data shows an object", hint="look at its masks")

    def _number(self, position: int) -> int:
        epoch, place = divmod(position, len(self.chosen))
        return self.chosen[
            int(np.random.default_rng((self.seed, epoch, 1)).permutation(len(self.chosen))[place])
        ]


def _resized(clip: RawClip, side: int) -> RawClip:
    frames, ids = clip
    if frames.shape[1] == side:
        return clip
    size = (side, side)
    small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    marks = [cv2.resize(i, size, interpolation=cv2.INTER_NEAREST_EXACT) for i in ids]
    return np.stack(small).astype(np.uint8), np.stack(marks).astype(np.uint8)
