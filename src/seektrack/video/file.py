"""A video file as a source of frames."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from seektrack.errors import VideoError
from seektrack.types import VideoInfo
from seektrack.video.decoder import Converter, DecodedPicture, Decoder
from seektrack.video.index import Clock, FrameIndex, index_by_packets
from seektrack.video.source import Picture, VideoSource

# Decoded pictures held while walking backwards through a long group of pictures.
_BACKWARD_BYTES = 128 * 2**20
_FALLBACK_FPS = Fraction(25)


class FileSource(VideoSource):
    """A file in any container FFmpeg reads.

    Frames are counted in presentation order. Their times are the container's presentation stamps less the
    stream's start, exact also at a variable rate. Rotation and mirroring in the container's display
    matrix are applied. A file that is damaged part-way gives what can be decoded, and one warning; its
    indices settle with the first pass that meets the damage.

    Args:
        path: The file.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: Missing, empty, not a video, without a video stream, or without one decodable picture.
    """

    def __init__(self, path: Path, *, start_s: float | None = None, end_s: float | None = None) -> None:
        self._path = path
        self._index: FrameIndex | None = None
        self._warned = False
        self._seeker: Decoder | None = None
        self._walk: Iterator[DecodedPicture] | None = None
        self._last: DecodedPicture | None = None
        decoder = Decoder(path)
        try:
            first = next(decoder.frames(), None)
            if first is None:
                why = f": {decoder.damage[0]}" if decoder.damage else ""
                raise VideoError(f"no picture of {path} can be decoded{why}", hint="the file is damaged")
            stream = decoder.stream
            self._converter = Converter(first)
            self._interlaced = first.interlaced_frame
            starts = [s for s in (stream.start_time, first.pts) if s is not None]
            self._origin = min(starts, default=0)
            self._time_base = stream.time_base or Fraction(1, 90_000)
            info = _info(path, decoder, self._converter.hw)
        finally:
            decoder.close()
        super().__init__(info, start_s=start_s, end_s=end_s)

    def close(self) -> None:
        """Release the decoder that random access keeps open."""
        if self._seeker is not None:
            self._seeker.close()
        self._seeker = self._walk = self._last = None

    def _clock(self) -> Clock:
        return Clock(origin=self._origin, time_base=self._time_base, fps=self.info.fps)

    def _frame_index(self) -> FrameIndex:
        if self._index is None:
            decoder = Decoder(self._path)
            try:
                self._index = index_by_packets(decoder, self._clock(), interlaced=self._interlaced)
            finally:
                decoder.close()
        return self._index or self._index_by_decoding()

    def _index_by_decoding(self) -> FrameIndex:
        decoder = Decoder(self._path)
        try:
            deque(self._counted(decoder), maxlen=0)
        finally:
            decoder.close()
        if self._index is None:
            raise VideoError(f"no picture of {self._path} can be decoded any more")
        return self._index

    def _all_times(self) -> Sequence[Fraction]:
        return self._frame_index().times

    def _picture(self, index: int, timestamp: Fraction, raw: av.VideoFrame) -> DecodedPicture:
        return DecodedPicture(index, timestamp, raw, self._converter)

    def _counted(self, decoder: Decoder) -> Iterator[DecodedPicture]:
        """All pictures from the beginning, counted; once through, the table they make is kept."""
        clock = self._clock()
        for i, raw in enumerate(decoder.frames()):
            yield self._picture(i, clock.tick(raw.pts), raw)
        if clock.times and not (self._index and self._index.decoded):
            self._index = clock.index(decoder.keys, decoded=True)
        if decoder.damage and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._path} is damaged: {len(clock.times)} frames could be decoded "
                f"({len(decoder.damage)} errors, the first: {decoder.damage[0]})",
                stacklevel=2,
            )

    def _walk_from(self, decoder: Decoder, first: int) -> Iterator[DecodedPicture]:
        """Pictures from index ``first`` on; the decoder may stand anywhere."""
        table = self._frame_index()
        if first == 0 or not table.seekable:
            decoder.restart()
            yield from (p for p in self._counted(decoder) if p.index >= first)
            return
        expected = first
        for picture in self._seek_to(decoder, table, first):
            if picture.index != expected:
                break
            yield picture
            expected += 1
        if expected < len(table.times):
            self._distrust(table)
            rest = bisect_left(self._frame_index().times, table.times[expected])
            if rest < len(self._frame_index().times):
                yield from self._walk_from(decoder, rest)

    def _seek_to(self, decoder: Decoder, table: FrameIndex, first: int) -> Iterator[DecodedPicture]:
        wanted = table.pts[first]
        decoder.seek(wanted, table.keys)
        for raw in decoder.frames():
            position = None if raw.pts is None or raw.pts < wanted else table.position(raw.pts)
            if position is not None:
                yield self._picture(position, table.times[position], raw)

    def _distrust(self, table: FrameIndex) -> None:
        """Decoding disagreed with the table: make it by decoding, or if it was, stop seeking by it."""
        if not table.decoded:
            self._index_by_decoding()
        else:
            self._index = replace(table, keys=())

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        decoder = Decoder(self._path)
        try:
            yield from self._counted(decoder) if first == 0 else self._walk_from(decoder, first)
        finally:
            decoder.close()

    def _picture_at(self, index: int) -> Picture:
        """Walk on to a frame if it lies ahead in the same group of pictures, else seek to it."""
        last = self._last
        if last is not None and last.index == index:
            return last
        near = last is not None and self._frame_index().key_before(index) <= last.index + 1 <= index
        if self._walk is None or not near:
            self._seeker = self._seeker or Decoder(self._path)
            self._walk = self._walk_from(self._seeker, index)
        for picture in self._walk:
            if picture.index == index:
                self._last = picture
                return picture
        self._walk = self._last = None
        raise VideoError(f"frame {index} of {self._path} cannot be decoded", hint="the file is damaged")

    def _key_pictures_all(self) -> Iterator[Picture]:
        index = self._frame_index()
        decoder = Decoder(self._path, keys_only=index.seekable)
        try:
            if not index.seekable:
                yield from (p for p in self._counted(decoder) if p.key)
                return
            for raw in decoder.frames():
                position = None if raw.pts is None else index.position(raw.pts)
                if position is not None and raw.key_frame:
                    yield self._picture(position, index.times[position], raw)
        finally:
            decoder.close()

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        """Group by group from the end, and long groups in several passes, so that memory stays bounded."""
        high = start
        hold = max(2, _BACKWARD_BYTES // (2 * self.info.width * self.info.height))
        decoder = Decoder(self._path)
        try:
            while high >= stop:
                table = self._frame_index()
                low = max(stop, table.key_before(high), high - hold + 1)
                held = list(islice(self._walk_from(decoder, low), high - low + 1))
                if self._frame_index().times != table.times:
                    high = bisect_right(self._frame_index().times, table.times[high]) - 1
                    continue
                while held:
                    yield held.pop()
                high = low - 1
        finally:
            decoder.close()


def _info(path: Path, decoder: Decoder, hw: tuple[int, int]) -> VideoInfo:
    stream = decoder.stream
    duration: float | None = None
    if stream.duration is not None and stream.time_base is not None:
        duration = float(stream.duration * stream.time_base)
    elif decoder.container_duration_s is not None:
        duration = decoder.container_duration_s
    fps = stream.average_rate or stream.guessed_rate or _FALLBACK_FPS
    return VideoInfo(
        path=str(path),
        width=hw[1],
        height=hw[0],
        fps=Fraction(fps),
        duration_s=duration,
        n_frames=stream.frames or None,
    )
