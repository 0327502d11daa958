"""How one video is followed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from seektrack.grounding import GroundSettings, PromptKind
from seektrack.tracking.anomalies.settings import AnomalySettings
from seektrack.tracking.backward import BackwardSettings
from seektrack.tracking.depth import DepthSource
from seektrack.tracking.halves import HalvesSettings
from seektrack.tracking.motion import MotionSettings
from seektrack.tracking.settings import EngineSettings, IdentitySettings
from seektrack.tracking.where_to_look import LookSettings
from seektrack.types import Frame, Progress
from seektrack.video import VideoSource, prefetch


@dataclass(frozen=True)
class FollowSettings:
    """How one video is followed.

    Attributes:
        ground: What counts as found on one frame. Its ``min_confidence`` is lower than the final one: a track
            is judged by many looks, so a doubtful start may be tried.
        identity: When identities are kept and given up.
        motion: When a track counts as moving.
        backward: How far objects are followed back from where they were found.
        prompt: What the engine is given of a grounded mask.
        ground_every_s: Seconds between two searches for newcomers and lost objects where nothing asks for one
            sooner; where nothing changes they lie farther apart (`LookSettings.patience`).
        look_every_s: Seconds between two looks at an object in sight.
        both_ways: Whether to follow objects back from where they were found.
        min_confidence: Least mean confidence over all looks of a track that is kept.
        min_sights: Fewest frames a kept track is seen on.
        duplicate_iou: Masks of two tracks coincide on a frame from this IoU on.
        duplicate_cover: A track's mask is a part of another's from this share inside it on.
        duplicate_share: Tracks that coincide on this share of the shorter one, or are a part, are one object.
        halves: When tracks are parts of one thing.
        size_ratio: Tracks differ in size where the largest has at least this many times the side of the
            smallest; only then do ``small`` and ``large`` choose among them.
        engine: How the engine makes masks.
        looks: Which frames are looked at beside those at intervals.
        prefetch: Frames decoded ahead.
        grounder: What finds the things asked for, a name in `seektrack.grounding.GROUNDERS`.
        tracker: What says who is who among the groundings of single frames, a name in
            `seektrack.tracking.TRACKERS`; when None, objects are followed by the engine under our identity
            layer, which is surer.
        ground_every: With ``tracker``, one frame in so many is grounded.
        fuse: Frames on either side whose masks, carried along the optical flow, vote on each mask; gaps of a
            few frames are filled too. The video is read once more. 0 leaves masks as they come.
        amodal: Whether to estimate the whole mask of objects that are partly or wholly hidden.
        anomalies: When a track counts as wrong (`Tracks.anomalies`); None looks for no such places.
        repair: Whether swaps and drifts that are proven are put right.
        know_by_encoder: Whether objects pointed at by hand are known again by what the encoder sees, as those
            of a text are, and not by colours, shape and the segmenter's pointer alone.
        depth: Gives the depth of frames on which two objects claim the same pixels; None without a source.
    """

    ground: GroundSettings = field(default_factory=lambda: GroundSettings(min_confidence=0.3))
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    backward: BackwardSettings = field(default_factory=BackwardSettings)
    prompt: PromptKind = "box_point"
    ground_every_s: float = 1.0
    look_every_s: float = 0.5
    both_ways: bool = True
    min_confidence: float = 0.5
    min_sights: int = 3
    duplicate_iou: float = 0.6
    duplicate_cover: float = 0.8
    duplicate_share: float = 0.6
    halves: HalvesSettings = field(default_factory=HalvesSettings)
    size_ratio: float = 1.5
    engine: EngineSettings = field(default_factory=EngineSettings)
    looks: LookSettings = field(default_factory=LookSettings)
    prefetch: int = 4
    grounder: str = "proposals"
    tracker: str | None = None
    ground_every: int = 1
    fuse: int = 0
    amodal: bool = False
    anomalies: AnomalySettings | None = field(default_factory=AnomalySettings)
    repair: bool = True
    know_by_encoder: bool = True
    depth: DepthSource | None = None


def ahead(source: VideoSource, settings: FollowSettings) -> Iterable[Frame]:
    """Frames, decoded ahead."""
    return (
        prefetch(iter(source), depth=settings.prefetch, item_bytes=source.frame_bytes)
        if settings.prefetch > 0
        else source
    )


def report(progress: Progress | None, done: int, source: VideoSource, stage: str) -> None:
    """Tell how far one is."""
    if progress is not None:
        progress(done, source.len_frames(), stage)
