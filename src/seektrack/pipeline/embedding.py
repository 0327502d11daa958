"""Embedding the frames of one video, batch by batch; whoever takes the batches writes them into a library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from seektrack.errors import ModelError
from seektrack.grounding import GroundSettings
from seektrack.library import FrameRow, TurnTimes
from seektrack.pipeline.regions import Regions, embed_frames
from seektrack.pipeline.sources import NamedVideo

if TYPE_CHECKING:
    from seektrack.pipeline.models import Models
    from seektrack.types import Frame
    from seektrack.video import Sampling
    from seektrack.video.filters import Filters

_FRAMES_AT_ONCE = 8


@dataclass(frozen=True)
class Embedding:
    """How the frames of videos are chosen and embedded.

    Attributes:
        sampling: Which frames.
        regions: What of a frame besides the whole.
        filters: What is done to a frame first.
        opened: How videos are opened, where that changes what is seen.
        ground: How objects are proposed.
        encoder, segmenter: Fingerprints of the networks it has to be done with; the segmenter's is empty
            where none is used.
    """

    sampling: Sampling
    regions: Regions
    filters: Filters | None
    opened: str
    ground: GroundSettings
    encoder: str
    segmenter: str = ""

    def __str__(self) -> str:
        """What a library notes of it: another text means that a video is indexed anew."""
        by = f" by={self.segmenter[:8]}" if self.segmenter else ""
        said = f"{self.sampling} regions={self.regions}{by}"
        said += f" filter={self.filters}" if self.filters else ""
        return said + (f" {self.opened}" if self.opened else "")


@dataclass(frozen=True)
class Embedded:
    """A batch of a video.

    Attributes:
        rows: Of whole frames, in order.
        frames: How many frames.
        seen: Frames decoded so far.
    """

    rows: list[FrameRow]
    frames: int
    seen: int


@dataclass(frozen=True)
class Ended:
    """What is known of a video once all of it was gone through.

    Attributes:
        turns: Where its picture turned.
        damage: What was wrong with the file; empty when it was whole.
    """

    turns: TurnTimes
    damage: str


@dataclass
class EmbedTask:
    """The frames of one video behind one that is done.

    Attributes:
        video: The video.
        how: How it is embedded.
        after: Frames up to this index are in the library; -1 at the beginning.
        dropped: Whether no more is wanted of it.
    """

    video: NamedVideo
    how: Embedding
    after: int = -1
    dropped: bool = False

    @property
    def name(self) -> str:
        """The video, as a library names it."""
        return self.video.key

    @property
    def ships(self) -> bool:
        """Whether another process can open the video."""
        return self.video.ships

    def run(self, models: Models) -> Iterator[Embedded | Ended]:
        """Batches in order, and what is known at the end.

        Raises:
            VideoError: The video cannot be read.
            ModelError: The networks here are others than the library's.
        """
        from seektrack.video import Limits, prefetch, sample
        from seektrack.video.filtered import FilteredSource
        from seektrack.video.turns import Turns

        self._check(models)
        source, how = self.video.source, self.how
        at_once = Limits.current().fitting(3 * source.frame_bytes, _FRAMES_AT_ONCE)
        shown = FilteredSource(source, how.filters) if how.filters else source
        turns = Turns(
            frame_s=float(1 / source.info.fps),
            min_change=how.sampling.min_change,
            most_held=Limits.current().fitting(source.frame_bytes, 16),
        )
        sampled = prefetch(sample(shown, how.sampling, turns=turns), depth=2 * at_once)
        after = self.after
        fresh = (frame for frame in sampled if frame.index > after)
        for chunk in iter(partial(_take, fresh, at_once), []):
            rows = embed_frames(models, chunk, how.regions, settings=how.ground)
            yield Embedded(rows, len(chunk), chunk[-1].index + 1)
        damage = "" if source.damage is None else str(source.damage)
        yield Ended(TurnTimes(turns.begins, turns.end_s), damage)

    def _check(self, models: Models) -> None:
        """See that this process has the networks the library is made with."""
        wanted = [("encoder", self.how.encoder, models.encoder.fingerprint)]
        if self.how.segmenter:
            wanted.append(("segmenter", self.how.segmenter, models.sam2_fingerprint))
        for what, expected, there in wanted:
            if there != expected:
                raise ModelError(
                    f"a worker has another {what} as {models.name!r}: {there[:8]}, not {expected[:8]}",
                    hint="put the same models on every machine",
                )


def _take(frames: Iterator[Frame], count: int) -> list[Frame]:
    return list(islice(frames, count))
