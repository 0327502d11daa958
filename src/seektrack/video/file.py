"""A video file as a source of frames."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import takewhile
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
    matrix are applied. A file that is damaged part-way gives what can be decoded, and a warning.

    Args:
        path: The file.
        start_s, end_s: Interval to show, in seconds.

    Raises:
        VideoError: Missing, empty, not a video, without a video stream, or without one decodable picture.
    """

    def __init__(self, path: Path, *, start_s: float | None = None, end_s: float | None = None) -> None:
        self._path = path
        self._index: FrameIndex | None = None
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
            for _ in self._counted(decoder):
                pass
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
        if clock.times:
            self._index = clock.index(decoder.keys)
        if decoder.damage:
            warnings.warn(
                f"{self._path} is damaged: {len(clock.times)} frames could be decoded "
                f"({len(decoder.damage)} errors, the first: {decoder.damage[0]})",
                stacklevel=2,
            )

    def _walk_from(self, decoder: Decoder, first: int) -> Iterator[DecodedPicture]:
        """Pictures from index ``first`` on; the decoder may stand anywhere."""
        index = self._frame_index()
        if first == 0 or not index.seekable:
            decoder.restart()
            yield from (p for p in self._counted(decoder) if p.index >= first)
            return
        wanted = index.pts[first]
        decoder.seek(wanted, index.keys)
        for raw in decoder.frames():
            position = None if raw.pts is None or raw.pts < wanted else index.position(raw.pts)
            if position is not None:
                yield self._picture(position, index.times[position], raw)

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        decoder = Decoder(self._path)
        try:
            yield from self._counted(decoder) if first == 0 else self._walk_from(decoder, first)
        finally:
            decoder.close()

    def _picture_at(self, index: int) -> Picture:
        found = self._reach(index)
        if found is None:
            self.close()
            self._index_by_decoding()
            found = self._reach(index)
        if found is None:
            raise VideoError(f"frame {index} of {self._path} cannot be decoded", hint="the file is damaged")
        return found

    def _reach(self, index: int) -> Picture | None:
        """Walk on to a frame if it lies ahead in the same group of pictures, else seek to it."""
        table = self._frame_index()
        if index >= len(table.times):
            return None
        last = self._last
        if last is not None and last.index == index:
            return last
        near = last is not None and max(table.key_before(index) - 1, 0) <= last.index < index
        if self._walk is None or not near:
            self._seeker = self._seeker or Decoder(self._path)
            self._walk = self._walk_from(self._seeker, index)
        for picture in self._walk:
            self._last = picture
            if picture.index >= index:
                return picture if picture.index == index else None
        self._walk = self._last = None
        return None

    def _key_pictures_all(self) -> Iterator[Picture]:
        index = self._frame_index()
        decoder = Decoder(self._path, keys_only=index.seekable)
        try:
            if not index.seekable:
                yield from (p for p in self._counted(decoder) if p.key)
                return
            for raw in decoder.frames():
                position = None if raw.pts is None else index.position(raw.pts)
                if position is not None:
                    yield self._picture(position, index.times[position], raw)
        finally:
            decoder.close()

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        """Group by group from the end, and long groups in several passes, so that memory stays bounded."""
        table, high = self._frame_index(), start
        hold = max(2, _BACKWARD_BYTES // (2 * self.info.width * self.info.height))
        decoder = Decoder(self._path)
        try:
            while high >= stop:
                low = max(stop, table.key_before(high), high - hold + 1)
                walk = self._walk_from(decoder, low)
                held = list(takewhile(lambda p, last=high: p.index <= last, walk))  # type: ignore[misc]
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
