"""Following objects of a stream at its own pace: what each frame shows, and how long that took."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seektrack import defaults
from seektrack.anomaly import Anomaly
from seektrack.closing import Closing
from seektrack.encoders import Templates, check_templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError, PromptError
from seektrack.pipeline.models import Models
from seektrack.query import Query, read
from seektrack.types import Frame, Observation, Prompt, Track

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings
    from seektrack.tracking.live import LiveFollower
    from seektrack.video import Opening, VideoInput
    from seektrack.video.filters import Filter
    from seektrack.video.lasting import Arrived, LastingStream

_LATENCIES = 20_000
"""Latest frames whose latency is kept: ten minutes at 33 a second."""


@dataclass(frozen=True, eq=False)
class LiveResult:
    """What one frame of a stream shows.

    Attributes:
        frame: The picture, numbered and timed from the first one on.
        objects: Tracks of the last seconds that show here, and what is observed of each.
        anomalies: Where tracks are likely wrong, as far as it was found out on this frame.
        latency_s: From the arrival of the picture until this result.
        dropped: Pictures so far that came while another was looked at.
        notes: What happened to the stream: ``restarted``, ``resized from WxH``.
    """

    frame: Frame
    objects: tuple[tuple[Track, Observation], ...]
    anomalies: tuple[Anomaly, ...]
    latency_s: float
    dropped: int
    notes: tuple[str, ...] = ()


class LiveTracking(Closing):
    """Iterates what the frames of a stream show; leave it with `close`, or as a context.

    Attributes:
        notices: What of the query could not be answered.
    """

    def __init__(
        self,
        stream: LastingStream,
        follower: LiveFollower,
        notices: Sequence[str] = (),
        clean: Filter | None = None,
    ) -> None:
        self._stream, self._follower, self._clean = stream, follower, clean
        self.notices = tuple(notices)
        self.seen = 0
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)

    @property
    def hw(self) -> tuple[int, int]:
        """Size (H, W) of every frame, pixels."""
        return self._stream.info.hw

    @property
    def fps(self) -> float:
        """Nominal rate of the stream."""
        return float(self._stream.info.fps)

    @property
    def dropped(self) -> int:
        """Pictures that came while another was looked at."""
        return self._stream.dropped

    @property
    def restarts(self) -> int:
        """How often the stream was opened again."""
        return self._stream.restarts

    def latency_s(self, share: float) -> float:
        """Seconds that a share of the frames, in [0, 1], did not take longer than; 0 before the first."""
        return float(np.quantile(list(self._latencies), share)) if self._latencies else 0.0

    def __iter__(self) -> Iterator[LiveResult]:
        for arrived in self._stream:
            if arrived.restarted:
                self._follower.restart()
            frame = arrived.frame
            if self._clean is not None:
                frame = replace(frame, image=self._clean(frame.image))
            seen = self._follower.step(frame)
            latency_s = time.monotonic() - arrived.received_at
            self.seen += 1
            self._latencies.append(latency_s)
            yield LiveResult(frame, seen.objects, seen.anomalies, latency_s, self.dropped, _notes(arrived))

    def close(self) -> None:
        """End the stream."""
        self._stream.close()


def track_live(
    source: VideoInput,
    text: str | Sequence[str] | Query | None = None,
    *,
    prompts: Sequence[Prompt] | None = None,
    model: str | Models = defaults.MODEL,
    device: str | None = None,
    opening: Opening | None = None,
    filters: str | None = None,
    settings: FollowSettings | None = None,
    min_confidence: float | None = None,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    options: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    patience_s: float = 15.0,
) -> LiveTracking:
    """Follow objects of a stream at its own pace; iterate what comes back for what each frame shows.

    Pictures that arrive while one is looked at are dropped, so that results stay near to now. Nothing that is
    kept grows with time. A stream that stalls or breaks off is opened again, and one that comes back in
    another size is scaled to its first.

    Args:
        source: A camera's number, an address, ``-`` for standard input, or what has an end, which is played
            at its own pace: a file, a folder of images, an open source.
        text: What to follow, as for :func:`seektrack.track_objects`; how it moves is not judged.
        prompts: Points, boxes or masks instead of a text, on the first picture that comes.
        model: See :func:`seektrack.pipeline.parse_model`, or loaded :class:`Models`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        opening: How what has an end is opened: a folder of images at a rate, a scan in a window.
        filters: What is done to a picture before it is looked at, as in
            :func:`seektrack.video.filters.parse_filter`; results hold what was looked at.
        settings: How objects are found, followed and recognised; `fuse` and `amodal` look at later frames too
            and are not taken.
        min_confidence: Least confidence, in [0, 1], of what is shown.
        translate, templates: As for :meth:`seektrack.Library.search`.
        options: For FFmpeg, when ``source`` is an address.
        timeout_s: Longest wait for a picture before the stream counts as stalled.
        patience_s: Longest time to try to open it again; 0 never tries.

    Raises:
        InputError: None or both of text and prompts, an unknown filter, or a setting that needs later frames.
        PromptError: A prompt is not on the first picture.
        QueryError: The text is empty.
        VideoError: The stream cannot be opened; while iterating: it did not come back.
        ModelError: The model cannot be loaded.
    """
    from seektrack.tracking import FollowSettings
    from seektrack.tracking.engine import Sam2Engine
    from seektrack.tracking.live import LiveFollower
    from seektrack.video import Opening, VideoSource
    from seektrack.video.filters import parse_filter
    from seektrack.video.lasting import LastingStream
    from seektrack.video.live import is_camera
    from seektrack.video.network import is_address

    if (text is None) == (not prompts):
        raise InputError("a text or prompts are followed, one of both", hint="give text=, or prompts=")
    asked = None if text is None else read(text, translate=as_translator(translate))
    check_templates(templates)
    clean = None if filters is None else parse_filter(filters)
    _check_now(prompts or (), settings)
    models = model if isinstance(model, Models) else Models(model, device=device)
    models.check()
    how = _settings(settings or FollowSettings(), models, min_confidence)
    # What takes long to load loads before the stream opens, which does not wait.
    engine = Sam2Engine(models.sam2, how.engine)
    finding: dict[str, Any] = {}
    notices: tuple[str, ...] = ()
    if asked is not None:
        finding, how, notices = _finding(engine, models, asked, how, templates)
    if isinstance(source, (str, int)):
        name = str(source)
        if not (name == "-" or is_camera(name) or is_address(name)):
            source = (opening or Opening()).open(source)
    elif not isinstance(source, VideoSource):
        source = (opening or Opening()).open(source)
    stream = LastingStream(source, options=options, timeout_s=timeout_s, patience_s=patience_s)
    follower = LiveFollower(engine, stream.info, settings=how, prompts=prompts or (), **finding)
    return LiveTracking(stream, follower, notices, clean)


def _settings(settings: FollowSettings, models: Models, min_confidence: float | None) -> FollowSettings:
    from seektrack.pipeline.detections import chosen_settings
    from seektrack.segmentation import PropagationSettings

    if models.preset.propagation != "memory" and settings.engine.propagation is None:
        mode: Any = models.preset.propagation
        engine = replace(settings.engine, propagation=PropagationSettings(mode=mode))
        settings = replace(settings, engine=engine)
    return chosen_settings(
        settings, tracker=None, ground_every=None, grounder=None, min_confidence=min_confidence
    )


def _finding(
    engine: Any, models: Models, asked: Query, settings: FollowSettings, templates: Templates
) -> tuple[dict[str, Any], FollowSettings, tuple[str, ...]]:
    """What finds the things asked for and judges looks, the settings in their range, and notices."""
    from seektrack.encoders import check_language
    from seektrack.query import left_aside
    from seektrack.tracking import IdentitySettings
    from seektrack.tracking.follow import open_eyes

    encoder = models.encoder
    notices = (*asked.notices, *check_language(encoder, asked), *left_aside(asked, door="track"))
    concepts = tuple(dict.fromkeys(asked.concepts))
    finds, eyes = open_eyes(engine, encoder, concepts, settings, templates=templates, device=models.device)
    own = getattr(encoder, "calibration", None)
    if own is not None and settings.identity.appearance_range == IdentitySettings().appearance_range:
        settings = replace(settings, identity=settings.identity.in_range(own.different, own.same))
    return {"finds": finds, "eyes": eyes, "concepts": concepts}, settings, tuple(dict.fromkeys(notices))


def _check_now(prompts: Sequence[Prompt], settings: FollowSettings | None) -> None:
    """Refuse what a stream cannot give: frames that have not come yet."""
    later = [p for p in prompts if p.frame_index]
    if later:
        raise PromptError(
            f"object {later[0].obj_id} is pointed at on frame {later[0].frame_index} of a stream",
            hint="point at the first picture that comes, frame 0",
        )
    if settings is not None and (settings.fuse or settings.amodal):
        what = "fuse" if settings.fuse else "amodal"
        raise InputError(
            f"{what} looks at later frames, which a stream has not sent yet",
            hint="record a piece and follow that, by frames or an end, without --live",
        )


def _notes(arrived: Arrived) -> tuple[str, ...]:
    told = ["restarted"] if arrived.restarted else []
    if arrived.resized_from is not None:
        h, w = arrived.resized_from
        told.append(f"resized from {w}x{h}")
    return tuple(told)
