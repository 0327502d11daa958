"""Sources that show another source: all of it, a part of it, or more of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.types import VideoInfo
from seektrack.video.damage import Damage
from seektrack.video.filters import between
from seektrack.video.source import Picture, VideoSource


class WrappedSource(VideoSource):
    """Another source's pictures as they are; the base of those that change or choose some.

    Args:
        source: What is shown, as far as it shows itself; closed with this one.
        info: What is known of it; the source's own when None.
        start_s, end_s: Interval to show, in seconds, within the source's own.
    """

    def __init__(
        self,
        source: VideoSource,
        *,
        info: VideoInfo | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        starts = [s for s in (start_s, source._start_s) if s is not None]
        ends = [s for s in (end_s, source._end_s) if s is not None]
        super().__init__(
            info or source.info, start_s=max(starts, default=None), end_s=min(ends, default=None)
        )
        self._source = source

    @property
    def damage(self) -> Damage | None:
        """What is wrong with the source as far as it has been read."""
        return self._source.damage

    @property
    def live(self) -> bool:
        """Whether it can only be iterated once, from now on."""
        return self._source.live

    def close(self) -> None:
        """Release what is open; the source may be used again and then reopens."""
        self._source.close()

    def _all_times(self) -> Sequence[Fraction]:
        return self._source._all_times()

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return self._source._pictures_from(first)

    def _picture_at(self, index: int) -> Picture:
        return self._source._picture_at(index)

    def _key_pictures_all(self) -> Iterator[Picture]:
        return self._source._key_pictures_all()

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        return self._source._pictures_backwards(start, stop)


class BorrowedSource(WrappedSource):
    """A source somebody else opened, and closes."""

    def close(self) -> None:
        """Do nothing: whoever opened the source closes it."""


def first_frames(source: VideoSource, count: int) -> VideoSource:
    """A source that shows so many frames of another, from the first it shows on.

    Raises:
        InputError: ``count`` is below 1.
    """
    if count < 1:
        raise InputError(f"frames must be a whole number ≥ 1, got {count}")
    times, (start, stop) = source._all_times(), source._range()
    if start + count >= stop:
        return source
    return WrappedSource(source, end_s=float(times[start + count]))


class InterpolatedSource(VideoSource):
    """Another source with pictures between its pictures, moved along the optical flow, for a low rate.

    Each gap gets ``factor - 1`` pictures at even times, as :func:`seektrack.video.filters.between` makes
    them. Indices count the pictures that come out: ``i`` of the source becomes ``i * factor``.

    Args:
        source: What is shown, as far as it shows itself; closed with this one.
        factor: Pictures out for one in.

    Raises:
        InputError: ``factor`` does not lie in 1..64.
    """

    def __init__(self, source: VideoSource, factor: int) -> None:
        if not 1 <= factor <= 64:
            raise InputError(f"interpolation makes 1 to 64 pictures of one, got {factor}")
        was = source.info
        count = None if was.n_frames is None else max(0, (was.n_frames - 1) * factor + 1)
        info = replace(was, fps=was.fps * factor, n_frames=count)
        super().__init__(info, start_s=source._start_s, end_s=source._end_s)
        self._source, self.factor = source, factor
        self._known: tuple[Sequence[Fraction], list[Fraction]] = ((), [])

    @property
    def damage(self) -> Damage | None:
        """What is wrong with the source as far as it has been read."""
        return self._source.damage

    @property
    def live(self) -> bool:
        """Whether it can only be iterated once, from now on."""
        return self._source.live

    def close(self) -> None:
        """Release what is open; the source may be used again and then reopens."""
        self._source.close()

    def _all_times(self) -> Sequence[Fraction]:
        times = self._source._all_times()
        if times is not self._known[0]:
            steps = [(a, (b - a) / self.factor) for a, b in pairwise(times)]
            filled = [a + k * step for a, step in steps for k in range(self.factor)]
            self._known = times, filled + list(times[-1:])
        return self._known[1]

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        at, _ = divmod(first, self.factor)
        before: Picture | None = None
        for picture in self._source._pictures_from(at):
            if before is not None:
                yield from (p for p in self._gap(before, picture) if p.index >= first)
            before = picture
        if before is not None:
            yield _Between(before, None, 0, self.factor)

    def _gap(self, before: Picture, after: Picture) -> Iterator[Picture]:
        return (_Between(before, after, k, self.factor) for k in range(self.factor))

    def _picture_at(self, index: int) -> Picture:
        at, k = divmod(index, self.factor)
        before = self._source._picture_at(at)
        return _Between(before, self._source._picture_at(at + 1) if k else None, k, self.factor)

    def _key_pictures_all(self) -> Iterator[Picture]:
        return (_Between(p, None, 0, self.factor) for p in self._source._key_pictures_all())


class _Between(Picture):
    """The picture ``k / factor`` of the way from one to the next; the first itself for ``k = 0``."""

    def __init__(self, before: Picture, after: Picture | None, k: int, factor: int) -> None:
        step = Fraction(0) if after is None else (after.timestamp - before.timestamp) / factor
        super().__init__(before.index * factor + k, before.timestamp + k * step)
        self.received_at: float | None = getattr(after if k else before, "received_at", None)
        self._before, self._after, self._at = before, after if k else None, k / factor

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 (H, W, 3)."""
        if self._after is None:
            return self._before.rgb()
        return between(self._before.rgb(), self._after.rgb(), [self._at])[0]

    def luma(self, hw: tuple[int, int]) -> NDArray[np.uint8]:
        """A small grey copy of size (h, w), the two blended without moving anything."""
        if self._after is None:
            return self._before.luma(hw)
        pair = (1 - self._at) * self._before.luma(hw) + self._at * self._after.luma(hw)
        return np.rint(pair).astype(np.uint8)
