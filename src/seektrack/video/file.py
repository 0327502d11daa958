"""A video file as a source of frames."""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from seektrack.errors import VideoError
from seektrack.limits import Limits
from seektrack.types import VideoInfo
from seektrack.video.container import cut_short, origin
from seektrack.video.convert import Converter
from seektrack.video.damage import Damage
from seektrack.video.decoder import DecodedPicture, Decoder
from seektrack.video.index import Clock, FrameIndex, counts_packets, index_by_packets, keeps_stamps, mark
from seektrack.video.source import Picture, VideoSource
from seektrack.video.timing import (
    believed_count,
    believed_end,
    believed_rate,
    first_stamps,
    stated_seconds,
)

_LOG = logging.getLogger(__name__)
# Pictures to look for a wanted one behind its group's end, where stamps cannot be trusted.
_REORDERED = 32
# Key packets that may turn out useless before a file is only read from the front.
_MISSES = 16


class FileSource(VideoSource):
    """A file in any container FFmpeg reads.

    Frames are counted in presentation order. Their times are the container's presentation stamps, counted
    from where the first of picture and sound begins, exact also at a variable rate. Pictures are as a player
    shows them, see `Converter`; of several streams the one ffmpeg would take. A file that is damaged part-way
    gives what can be decoded and says so in `damage`; its indices settle with the first pass that meets it.

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
        self._misses = 0
        self._walk: Iterator[DecodedPicture] | None = None
        self._last: DecodedPicture | None = None
        decoder = Decoder(path)
        try:
            first = next(decoder.frames(), None)
            if first is None:
                why = f": {decoder.errors[0]}" if decoder.errors else ""
                raise VideoError(f"no picture of {path} can be decoded{why}", hint="the file is damaged")
            stream = decoder.stream
            self._converter = Converter(first, path=path, pixel_aspect=stream.sample_aspect_ratio)
            self._interlaced = first.interlaced_frame
            self._time_base = stream.time_base or Fraction(1, 90_000)
            starts = [origin(decoder.container, stream)]
            starts += [first.pts * self._time_base] if first.pts is not None else []
            self._origin = min(starts)
            self._counted_packets = counts_packets(decoder) and not self._interlaced
            self._stamped = keeps_stamps(decoder)
            self._damage = Damage(cut_short=cut_short(path, decoder.container))
            info = self._measured(decoder)
        finally:
            decoder.close()
        super().__init__(info, start_s=start_s, end_s=end_s)

    def _measured(self, decoder: Decoder) -> VideoInfo:
        stamps = first_stamps(decoder)
        duration = stated_seconds(decoder)
        fps = believed_rate(decoder, stamps, duration)
        end = None if self._damage.cut_short else believed_end(decoder, fps)
        if end is not None:
            duration = end - self._origin
            fps = believed_rate(decoder, stamps, duration)
        count = believed_count(decoder, fps, duration)
        height, width = self._converter.hw
        return VideoInfo(
            path=str(self._path),
            width=width,
            height=height,
            fps=fps,
            duration_s=None if duration is None else float(duration),
            n_frames=count,
        )

    @property
    def damage(self) -> Damage | None:
        """What is wrong with the file as far as it has been read; None while nothing is."""
        return self._damage or None

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
        settled = self._index is not None and self._index.decoded
        marks: list[int] = []
        for i, raw in enumerate(decoder.frames()):
            if not (self._stamped or settled):
                marks.append(mark(raw))
            yield self._picture(i, clock.tick(raw.pts), raw)
        if clock.times and not settled:
            self._index = clock.index(decoder.keys, decoded=True, marks=marks)
        self._judge(decoder, len(clock.times))

    def _judge(self, decoder: Decoder, n_frames: int) -> None:
        """Keep what a whole pass has met, and say it once."""
        missing = max(0, decoder.packets_read - n_frames) if self._counted_packets else 0
        missing += 0 if self._interlaced else decoder.losses.missing()
        known = bool(self._damage.errors or self._damage.missing)
        reason = decoder.errors[0] if decoder.errors else ""
        self._damage = Damage(len(decoder.errors), missing, self._damage.cut_short, reason, n_frames)
        if self._damage and not known:
            _LOG.warning("%s is damaged: %s", self._path, self._damage)

    def _walk_from(self, decoder: Decoder, first: int) -> Iterator[DecodedPicture]:
        """Pictures from index ``first`` on; the decoder may stand anywhere."""
        table, expected = self._frame_index(), first
        while expected < len(table.times):
            if expected == 0 or not table.seekable:
                decoder.restart()
                yield from (p for p in self._counted(decoder) if p.index >= expected)
                return
            seek = self._seek_by_marks if table.marks else self._seek_by_stamps
            for picture in seek(decoder, table, expected):
                if picture.index != expected:
                    break
                yield picture
                expected += 1
            if expected < len(table.times):
                self._distrust(table, expected)
                wanted, table = table.times[expected], self._frame_index()
                expected = bisect_left(table.times, wanted)

    def _seek_by_stamps(self, decoder: Decoder, table: FrameIndex, first: int) -> Iterator[DecodedPicture]:
        wanted = table.pts[first]
        decoder.seek(wanted, table.keys)
        for raw in decoder.frames():
            position = None if raw.pts is None or raw.pts < wanted else table.position(raw.pts)
            if position is not None:
                yield self._picture(position, table.times[position], raw)

    def _seek_by_marks(self, decoder: Decoder, table: FrameIndex, first: int) -> Iterator[DecodedPicture]:
        """Pictures known again by their pixels, for containers that give other stamps after a seek."""
        key = table.key_for(first)
        if key is None:
            return
        decoder.jump(key)
        index, left = first, first - key.before + _REORDERED
        for raw in decoder.frames():
            if index < len(table.marks) and mark(raw) == table.marks[index]:
                yield self._picture(index, table.times[index], raw)
                index += 1
            elif index > first or left == 0:
                return
            left -= 1

    def _distrust(self, table: FrameIndex, index: int) -> None:
        """Decoding disagreed with the table: make it by decoding, or if it was, go by an earlier key."""
        if not table.decoded:
            self._index_by_decoding()
            return
        self._misses += 1
        self._index = table.without_key_for(index) if self._misses < _MISSES else replace(table, keys=())

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
        decoder = Decoder(self._path, keys_only=index.by_stamps)
        try:
            if not index.by_stamps:
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
        hold = max(2, Limits.current().backward_bytes // (2 * self.info.width * self.info.height))
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
