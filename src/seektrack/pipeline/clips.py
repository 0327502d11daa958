"""Stretches of video beside the frames of a library, so that what happens can be searched."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from seektrack.checkpoints import find
from seektrack.checkpoints.runtimes import quickest
from seektrack.encoders.registry import registered
from seektrack.errors import ModelError, SeekTrackError, foreseen
from seektrack.library import LibraryStore
from seektrack.library.clips import ClipModel, ClipShelf
from seektrack.pipeline.sources import NamedVideo
from seektrack.types import Progress

if TYPE_CHECKING:
    from seektrack.encoders.temporal_clips import TemporalClips
    from seektrack.retrieval import MotionScorer
    from seektrack.types import Frame

WINDOW_S, STRIDE_S = 2.0, 0.5
"""A stretch, and from one to the next."""
SETTINGS = f"window={WINDOW_S:g} stride={STRIDE_S:g}"


class Clips:
    """The temporal encoder of a library, loaded when first needed.

    Args:
        store: The library, open.
        name: The temporal encoder: ``"temporal"`` or a folder. The one the library was made with when None.
        device: Where it runs.
        runtime: Who computes it, as for `load_encoder`.
    """

    def __init__(
        self,
        store: LibraryStore,
        *,
        name: str | None = None,
        device: str | None = None,
        runtime: str | None = None,
    ) -> None:
        self._store, self._device, self._runtime = store, device, runtime
        self.shelf = ClipShelf(store)
        kept = self.shelf.model()
        self.name = name or (None if kept is None else kept.name)

    @cached_property
    def encoder(self) -> TemporalClips:
        """The temporal encoder.

        Raises:
            ModelError: There is none of that name.
        """
        from seektrack.encoders import load_encoder
        from seektrack.encoders.temporal_clips import TemporalClips

        name = self.name or "temporal"
        runtime = self._runtime
        if runtime is None and self._device is None and not registered(name):
            runtime = quickest(find(name, "text").folder)
        encoder = load_encoder(name, device=self._device, runtime=runtime)
        if not isinstance(encoder, TemporalClips):
            raise ModelError(
                f"{self.name} is no temporal encoder",
                hint="take temporal, or train one: seektrack pocket temporal",
            )
        return encoder

    def index(self, video: NamedVideo, *, reindex: bool = False, progress: Progress | None = None) -> bool:
        """Embed the stretches of a video that the library holds; False when they were there.

        Raises:
            VideoError: The video cannot be read.
            LibraryError: The library cannot be written.
        """
        from seektrack.video import Sampling, sample

        encoder = self.encoder
        self.shelf.use(ClipModel(encoder.name, encoder.fingerprint, encoder.dim))
        if not (reindex or video.live) and self.shelf.settings_of(video.key) == SETTINGS:
            return False
        most = Sampling.fps(
            4 * encoder.n_frames / WINDOW_S
        )  # twice what is looked at, so that steps stay even
        source = video.source
        frames = _reported(sample(source, most), source.info.n_frames or 0, video.name, progress)
        stretches = list(encoder.embed_video(frames, window_s=WINDOW_S, stride_s=STRIDE_S))
        self.shelf.put(video.key, stretches, SETTINGS)
        return True

    def index_missing(
        self, failed: list[tuple[str, SeekTrackError]], progress: Progress | None = None
    ) -> int:
        """Embed the stretches of every video of the library that is still there and has none of this encoder.

        Args:
            failed: Videos that could not be read, which are not tried again; new ones are added.
            progress: Called with ``(done, total, stage)``.

        Returns:
            How many were embedded.
        """
        told = {path for path, _ in failed}
        made = 0
        for video in self._store.videos():
            if not (video.done and video.available) or video.path in told:
                continue
            one = NamedVideo(video.path, video.path)
            if one.live or video.path.startswith("memory://"):
                continue  # what was recorded, or lay in memory, is gone
            try:
                made += self.index(one, progress=progress)
            except ModelError:
                raise
            except Exception as error:  # whatever one video raises is that video's failure
                failed.append((video.path, foreseen(error, what=video.path)))
            finally:
                one.close()
        return made

    def scorer(self) -> MotionScorer:
        """What asks the stretches; the encoder loads with the first query that says something happens."""
        from seektrack.retrieval import MotionScorer

        return MotionScorer(self._store, lambda: self.encoder)


def _reported(frames: Iterator[Frame], total: int, name: str, progress: Progress | None) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        if progress:
            progress(frame.index + 1, total, f"motion in {name}")
