"""Pictures that a container lost without a word: what its packets leave open in time, and in bytes.

Matroska, AVI, MPEG-TS and MPEG-PS go on behind bytes they cannot read, and nobody is told. But most films
keep one interval between pictures, so a lost one leaves a gap in time; and its bytes are still there, so the
packets around it lie farther apart than others. A recorder that only paused leaves no bytes behind.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_SPEAKING = frozenset({"matroska", "mpegts", "mpeg"})
"""Demuxers whose losses show in stamps. AVI counts its pictures in a header instead."""
_STEADY_SHARE = 0.9
_LONGEST_S = 10.0
_FAR = 4.0
_HEADERS = 256
_LEAST_SHARE = 0.2
_FEWEST = 10
_PACKET, _SYNC = 188, 0x47
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class Losses:
    """Notes packets as they are read, to say at the end how many are missing among them.

    Args:
        path: The file.
        container: It, open.
        stream: Its pictures.
    """

    def __init__(self, path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._path = path
        names = set(container.format.name.split(","))
        self._speaks, self._plain, self._transport = (
            bool(names & _SPEAKING),
            "mpeg" in names,
            "mpegts" in names,
        )
        self._time_base = float(stream.time_base or 0)
        # The index of an AVI lists its packets; its header may count more, where there is sound.
        self._told = min(len(stream.index_entries), stream.frames) if "avi" in names else 0
        self._end_s = _seconds(stream.metadata.get("DURATION", "")) if "matroska" in names else None
        self._stamps, self._places, self._sizes = array("q"), array("q"), array("q")
        self._met = 0

    def note(self, packet: av.Packet[av.VideoStream]) -> None:
        """One packet, in the order of the file."""
        self._met += 1
        if self._speaks and packet.pts is not None and packet.size:
            self._stamps.append(packet.pts)
            self._places.append(-1 if packet.pos is None else packet.pos)
            self._sizes.append(packet.size)

    def missing(self) -> int:
        """Pictures that were lost, as far as that shows."""
        if self._told:
            return max(0, self._told - self._met)
        if len(self._stamps) < _FEWEST:
            return 0
        stamps, places, sizes = (
            np.frombuffer(held, dtype=np.int64) for held in (self._stamps, self._places, self._sizes)
        )
        gaps = self._gaps(stamps)
        if gaps and not self._plain:
            seen = self._out_of_step(stamps, places) if self._transport else _left_behind(places, sizes, gaps)
            gaps = gaps if seen else 0
        return gaps + self._behind_the_last(stamps, places, sizes)

    def _gaps(self, stamps: NDArray[np.int64]) -> int:
        """Pictures missing in time, where the film keeps one interval."""
        steps = np.diff(np.sort(stamps)).astype(np.float64) * self._time_base
        steps = steps[steps > 0]
        usual = float(np.median(steps)) if len(steps) else 0.0
        if not usual:
            return 0
        # Stamps of a millisecond waver by one.
        steady = np.abs(steps - usual) <= max(usual / 8, 0.0011)
        gaps = steps[(steps >= 1.5 * usual) & (steps <= _LONGEST_S)]
        if steady.mean() < _STEADY_SHARE or (~steady).sum() > len(gaps) + len(steps) // 100:
            return 0
        return int(np.round(gaps / usual - 1).sum())

    def _behind_the_last(
        self, stamps: NDArray[np.int64], places: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> int:
        """Pictures that the track's stated length leaves room for, where bytes are left for them too."""
        if self._end_s is None:
            return 0
        times = np.sort(stamps).astype(np.float64) * self._time_base
        usual = float(np.median(np.diff(times)))
        count = round((self._end_s - float(times[-1])) / usual - 1) if usual > 0 else 0
        left = self._path.stat().st_size - int((places + sizes).max())
        return count if count > 1 and left >= _LEAST_SHARE * count * float(np.median(sizes)) else 0

    def _out_of_step(self, stamps: NDArray[np.int64], places: NDArray[np.int64]) -> bool:
        """Whether a transport stream loses its step near a gap: its packets are all of one length."""
        order = np.argsort(stamps, kind="stable")
        usual = np.median(np.diff(stamps[order]))
        with self._path.open("rb") as file:
            for i in np.flatnonzero(np.diff(stamps[order]) >= 1.5 * usual)[:64]:
                near = places[order[max(i - 8, 0) : i + 10]]
                near = near[near >= 0]
                low, high = (int(near.min()), int(near.max())) if len(near) else (0, 0)
                if high - low > 1 << 26:
                    continue
                file.seek(low)
                held = np.frombuffer(file.read(high - low), dtype=np.uint8)
                if (held[::_PACKET] != _SYNC).any():
                    return True
        return False


def _left_behind(places: NDArray[np.int64], sizes: NDArray[np.int64], count: int) -> bool:
    """Whether bytes lie between packets that none of them accounts for."""
    beside = np.diff(places) - sizes[:-1]
    usual = float(np.percentile(beside, 75))
    far = beside[beside > _FAR * max(usual, 0.0) + _HEADERS]
    return bool(far.sum() >= _LEAST_SHARE * count * float(np.median(sizes)))


def _seconds(clock: str) -> float | None:
    """Seconds of ``HH:MM:SS.fraction``."""
    found = _CLOCK.fullmatch(clock.strip())
    return None if found is None else 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
