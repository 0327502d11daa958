"""Which frames are looked at for what is asked for: where that may show, not blindly at intervals.

Grounding a frame costs as much as following an object through several. So each frame is judged by what costs
little: whether a shot begins, whether something moves that nobody has looked at, and how much the whole frame
looks like what is asked for. Where nothing has changed since the last look, the next one can wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.shots import CutFinder
from seektrack.geometry import Box
from seektrack.grounding import embed_objects
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.motion import CameraMotion
from seektrack.tracking.newcomers import Newcomers
from seektrack.types import Frame

Reason = Literal["first", "last", "seed", "cut", "newcomer", "likely", "interval"]
"""Why a frame is looked at."""

_SHIFT = 0.1
"""Share of the picture's longer side the camera may move before it shows other things."""
_QUIETLY = 0.05
"""Change of a claim from one scanned frame to the next that is none."""


@dataclass(frozen=True)
class LookSettings:
    """Which frames are looked at beside the first, the last and those a search found.

    Attributes:
        cuts: The first frame of every shot.
        newcomers: Frames on which something moves that nobody has looked at.
        min_height: Least height of a newcomer, pixels of the source.
        newcomer_s: Seconds it has moved before it is looked at.
        glance: Least claim on the crop of a newcomer for which the whole frame is looked at.
        gap_s: Least seconds between two looks at newcomers: with ``newcomer_s``, the longest something moves
            unseen.
        scan: Frames that look clearly more like what is asked for than the frame of the last look.
        scan_s: Least and most seconds between two scanned frames: closer together where they change.
        rise: By how much a claim must rise.
        patience: The interval between two looks is so many times longer while nothing has changed.
    """

    cuts: bool = True
    newcomers: bool = True
    min_height: float = 24.0
    newcomer_s: float = 0.08
    glance: float = 0.15
    gap_s: float = 0.2
    scan: bool = True
    scan_s: tuple[float, float] = (0.125, 1.0)
    rise: float = 0.15
    patience: float = 3.0


class Looks:
    """Decides frame by frame.

    Args:
        eyes: Say how much a frame looks like what is asked for.
        seeds: Frames a search found.
        every_s: Seconds between two looks where things change.
        settings: See `LookSettings`.
        scanned: Embeddings of frames that exist already, by frame, as a library keeps them.
        camera: Told of every frame.

    Attributes:
        reasons: Why each frame was looked at that was.
        scans: Frames embedded to tell.
        glances: Newcomers whose crop was embedded to tell.
    """

    def __init__(
        self,
        eyes: Eyes,
        seeds: frozenset[int],
        every_s: float,
        settings: LookSettings | None = None,
        *,
        scanned: Mapping[int, NDArray[np.float32]] | None = None,
        camera: CameraMotion | None = None,
    ) -> None:
        self.eyes, self.seeds, self.every_s = eyes, seeds, every_s
        self.settings = settings or LookSettings()
        self.scanned = scanned or {}
        self.camera = camera or CameraMotion()
        self.reasons: dict[int, Reason] = {}
        self.scans = self.glances = 0
        self._cut = CutFinder()
        self._moves = Newcomers(min_height=self.settings.min_height, camera=self.camera)
        self._looked_s: float | None = None
        self._regular_s = 0.0
        self._glanced_s = float("-inf")
        self._looked_index = 0
        self._changed = False
        self._claims: NDArray[np.float64] | None = None
        self._before: NDArray[np.float64] | None = None
        self._scan_s, self._next_scan = self.settings.scan_s[1] / 2, float("-inf")

    def wanted(
        self, frame: Frame, *, known: Sequence[Box] = (), hidden: bool = False, last: bool = False
    ) -> Reason | None:
        """Why this frame is to be looked at, or None.

        Args:
            frame: Each frame in turn.
            known: Boxes of the objects that were followed on the frame before.
            hidden: Whether an object that was followed is out of sight.
            last: Whether no frame follows.
        """
        how = self.settings
        cut = self._cut(frame.image) and how.cuts
        if how.newcomers:
            self._moves.update(frame.index, frame.time_s, frame.image)
        likely = self._likely(frame)
        reason = self._reason(frame, known, cut=cut, likely=likely, hidden=hidden, last=last)
        if reason is not None:
            self.reasons[frame.index] = reason
        return reason

    def looked(self, frame: Frame, found: Sequence[Box]) -> None:
        """Tell that a frame was looked at, and where the objects are that are followed from it on."""
        extra = self.reasons.get(frame.index) in ("newcomer", "likely")
        self._looked_s, self._looked_index = frame.time_s, frame.index
        if not extra:  # looks in between come on top: what is followed is told anew as often as without them
            self._regular_s, self._changed = frame.time_s, False
        self._claims = self._before
        if self.settings.newcomers:
            self._moves.looked(frame.time_s, found)

    def forget_before(self, frame_index: int) -> None:
        """Drop the reasons of earlier frames, as on an endless stream."""
        self.reasons = {f: reason for f, reason in self.reasons.items() if f >= frame_index}

    def _reason(
        self, frame: Frame, known: Sequence[Box], *, cut: bool, likely: bool, hidden: bool, last: bool
    ) -> Reason | None:
        if self._looked_s is None:
            return "first"
        waited = frame.time_s - self._looked_s + 1e-6
        if last:
            return "last"
        if frame.index in self.seeds:
            return "seed"
        if cut:
            return "cut"
        how = self.settings
        if how.newcomers and waited >= how.gap_s and self._newcomer(frame, known):
            return "newcomer"
        if likely and waited >= how.gap_s:
            return "likely"
        self._changed |= hidden or not how.newcomers or self._moves.moving or self._shifted(frame)
        interval = self.every_s if self._changed else how.patience * self.every_s
        return "interval" if frame.time_s - self._regular_s + 1e-6 >= interval else None

    def _newcomer(self, frame: Frame, known: Sequence[Box]) -> bool:
        """Whether something moves that nobody has looked at, and a glance at it does not rule it out."""
        how = self.settings
        if frame.time_s - self._glanced_s < how.newcomer_s - 1e-6:
            return False
        unseen = self._moves.unseen(frame.time_s, known, min_age_s=how.newcomer_s)
        if not unseen or not self.eyes.judges:
            return bool(unseen)
        self._glanced_s = frame.time_s
        boxes = [blob.box for blob in unseen]
        margin = self.eyes.settings.margin
        crops = embed_objects(self.eyes.encoder, frame.image, boxes, [None] * len(boxes), margin=margin)
        self.glances += len(boxes)
        sure = self.eyes.claims(crops).max(axis=1)
        for blob, claim in zip(unseen, sure, strict=True):
            if claim < self.settings.glance:
                self._moves.ruled_out(blob)
        return bool(sure.max() >= self.settings.glance)

    def _shifted(self, frame: Frame) -> bool:
        """Whether the camera shows other things than at the last look."""
        maps = self.camera.to_first
        if frame.index not in maps or self._looked_index not in maps:
            return False
        height, width = frame.hw
        centre = np.array([width / 2, height / 2, 1.0])
        way = maps[frame.index] @ centre - maps[self._looked_index] @ centre
        return bool(np.linalg.norm(way) > _SHIFT * max(height, width))

    def _likely(self, frame: Frame) -> bool:
        """Whether the whole frame looks clearly more like something asked for than at the last look."""
        how = self.settings
        stored = self.scanned.get(frame.index)
        if not how.scan or (stored is None and frame.time_s < self._next_scan - 1e-6):
            return False
        if stored is None and self.scanned and frame.index < max(self.scanned):
            return False  # a library has scanned it already
        if stored is None:
            stored = self.eyes.encoder.embed_images([frame.image])[0]
            self.scans += 1
        claims = self.eyes.claims(np.asarray(stored, dtype=np.float32)[None])[0]
        before, self._before = self._before, claims
        least, most = how.scan_s
        if before is not None:
            quiet = float(np.abs(claims - before).max()) <= _QUIETLY
            self._scan_s = min(self._scan_s * 2, most) if quiet else max(self._scan_s / 2, least)
        self._next_scan = frame.time_s + self._scan_s
        return self._claims is not None and bool((claims - self._claims).max() >= how.rise)


def ending(frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
    """Each frame, and whether it is the last: a source may be shorter or longer than it says."""
    held: Frame | None = None
    for frame in frames:
        if held is not None:
            yield held, False
        held = frame
    if held is not None:
        yield held, True
