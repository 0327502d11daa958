"""What is asked over the wire: the words of the Python API, within the bounds of a shared machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seektrack import defaults
from seektrack.outputs.render import Render

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1000)]
Coordinate = Annotated[float, Field(ge=-1e7, le=1e7)]
Index = Annotated[int, Field(ge=0, lt=2**31)]
Identity = Annotated[int, Field(ge=0, lt=2**53)]
Templates = str | Annotated[list[Annotated[str, Field(max_length=500)]], Field(min_length=1, max_length=100)]


class Asked(BaseModel):
    """What every request is: nothing beside what is named, nothing taken for what it is not."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Rle(Asked):
    """A mask as COCO run lengths, compressed (text) or plain."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": [2, 2], "counts": "13"}]})

    size: Annotated[list[Annotated[int, Field(ge=1, le=65_536)]], Field(min_length=2, max_length=2)]
    counts: Annotated[str, Field(max_length=4_000_000)] | Annotated[list[Index], Field(max_length=1_000_000)]


class PromptAsked(Asked):
    """Where an object is on one frame: points, a box, both, or a mask; pixels of the source."""

    obj_id: Identity = 0
    frame_index: Index = 0
    points: Annotated[
        list[Annotated[list[Coordinate], Field(min_length=2, max_length=2)]] | None,
        Field(max_length=1000, description="`[x, y]` each."),
    ] = None
    point_labels: Annotated[
        list[Literal[0, 1]] | None,
        Field(max_length=1000, description="1 inside, 0 outside; as many as points."),
    ] = None
    box: Annotated[
        Annotated[list[Coordinate], Field(min_length=4, max_length=4)] | None,
        Field(description="`[x0, y0, x1, y1]`."),
    ] = None
    mask: Rle | None = None
    score: Share = 1.0
    label: Annotated[str, Field(max_length=500)] = ""


class SearchAsked(Asked):
    """A question to a library, in the words of `Library.search`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "a red car", "k": 5}]})

    text: Text | Annotated[list[Text], Field(min_length=1, max_length=50)]
    k: Count = defaults.K
    video: Name | None = None
    start_s: Seconds | None = None
    end_s: Seconds | None = None
    only: Literal["objects", "frames"] | None = None
    label: Text | None = None
    min_confidence: Share | None = None
    per_video: Count | None = None
    missing: bool | None = None
    templates: Templates = "auto"
    motion: bool = True
    correct: Annotated[
        bool, Field(description="Put mistyped words right first, as the command line does.")
    ] = False


class MomentsAsked(SearchAsked):
    """A question whose answers are moments."""

    within_s: Seconds = defaults.WITHIN_S


class HitsAsked(SearchAsked):
    """A question whose answers are single frames and regions, in the words of `Library.hits`."""

    rank_by: Literal["confidence", "cosine", "centred", "whitened", "qb-norm"] = "confidence"


class SequencesAsked(Asked):
    """Steps in their order, in the words of `Library.sequences`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": ["a red car appears", "a dog leaves"]}]}
    )

    text: Text | Annotated[list[Text], Field(min_length=1, max_length=50)]
    k: Count = defaults.K
    video: Name | None = None
    start_s: Seconds | None = None
    end_s: Seconds | None = None
    per_video: Count | None = None
    missing: bool | None = None
    within_s: Seconds = defaults.WITHIN_S
    templates: Templates = "auto"
    motion: bool = True


class CompareAsked(Asked):
    """Wordings to be compared, in the words of `Library.compare`."""

    texts: Annotated[list[Text], Field(min_length=1, max_length=50)]
    k: Count = defaults.K
    templates: Templates = "auto"


class TimedAsked(Asked):
    """A text and the interval it was meant for, on a clock of its own."""

    text: Text
    start_s: Seconds
    end_s: Seconds


class AlignAsked(Asked):
    """Timed texts to be placed in a video, in the words of `Library.align`."""

    texts: Annotated[list[TimedAsked], Field(min_length=1, max_length=2000)]
    video: Name
    templates: Templates = "auto"
    motion: bool = True


class TextAsked(Asked):
    """A text."""

    text: Text


class RemoveAsked(Asked):
    """A video to be forgotten; its file stays."""

    video: Name


class IndexAsked(Asked):
    """Videos to be brought into a library, in the words of `Library.index`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"videos": ["holiday/road.mp4"]}]})

    videos: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    sampling: Annotated[str, Field(max_length=100)] = defaults.SAMPLING
    regions: Literal["objects", "tiles", "none"] = "objects"
    filters: Annotated[str | None, Field(max_length=200)] = None
    temporal: bool | None = None
    reindex: bool = False
    exclude: Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=100)] = []
    prune: bool = False


class Opened(Asked):
    """Which part of a video, and how it is read."""

    start_s: Seconds | None = None
    end_s: Seconds | None = None
    fps: Annotated[float | None, Field(gt=0, le=1000)] = None
    frames: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    window: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    interpolate: Annotated[int, Field(ge=1, le=16)] = 1
    filters: Annotated[str | None, Field(max_length=200)] = None


class FollowWordsAsked(Asked):
    """How a video is followed, in the words of `seektrack.pipeline.follow_words.FollowWords`."""

    propagation: Literal["memory", "hybrid", "flow"] | None = None
    every: Annotated[int, Field(ge=1, le=10_000)] = defaults.EVERY
    flow: Literal["dis", "farneback", "raft"] = cast(Any, defaults.FLOW)
    remember: Literal["seen", "all"] = cast(Any, defaults.REMEMBER)
    refine: Literal["roi", "progressive", "multiscale", "tiles"] | None = None
    post: Annotated[str, Field(max_length=200)] = defaults.POST
    mask_threshold: Annotated[float, Field(ge=-100, le=100)] = 0.0
    min_object_score: Share | None = None
    exclusive: bool = False
    predictor: Annotated[
        str, Field(max_length=4096, description="kalman, lstm, transformer, or a folder below the roots.")
    ] = defaults.PREDICTOR
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    fuse: Annotated[int, Field(ge=0, le=8)] = 0
    amodal: bool = False
    anomalies: Literal["repair", "tell", "off"] = "repair"
    depth: Annotated[
        str | None, Field(max_length=4096, description="A folder of depth maps below the roots.")
    ] = None
    grounder: Annotated[str | None, Field(max_length=200)] = None
    translate: Annotated[str | None, Field(max_length=200)] = None

    @model_validator(mode="before")
    @classmethod
    def _of_here(cls, given: Any) -> Any:
        """Say why an option of the command line is none over the wire."""
        for name in given if isinstance(given, dict) else ():
            if name in NOT_TAKEN:
                raise ValueError(f"{name} is not taken by a server: {NOT_TAKEN[name]}")
        return given


NOT_TAKEN = {
    "device": "it has its own, `serve --device`",
    "runtime": "it has its own",
    "resolution": "its networks are loaded once, for everybody",
    "cache": "it decides itself what it keeps",
    "pieces": "`track --pieces` is for one's own machines",
    "tile": "`track --tile` is for one's own machines",
    "workers": "it has its own, `serve --workers`",
    "ray": "it has its own workers",
    "session": "sessions are begun at /sessions",
    "report": "reports are made of an export",
}
"""Options of ``track`` that mean nothing to a server, and why."""


class DetectionAsked(Asked):
    """A box found on one frame, that has no identity yet."""

    frame_index: Index
    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
    score: Share = 1.0
    label: Annotated[str, Field(max_length=500)] = ""
    mask: Rle | None = None


class SeedAsked(Asked):
    """A hit of a search, in the words of `Hit`."""

    video: Name
    frame_index: Index
    time_s: Seconds
    score: Annotated[float, Field(ge=-1.01, le=1.01)]
    confidence: Share
    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)] | None = None


class Followed(Opened, FollowWordsAsked):
    """What following asks for in every case."""

    templates: Templates = "auto"
    min_confidence: Share | None = None
    formats: Annotated[
        list[Annotated[str, Field(max_length=40)]],
        Field(max_length=40, description="What is written besides `json`; more can be exported later."),
    ] = list(defaults.FORMATS)
    output_format: Annotated[
        str | None, Field(max_length=40, description="One format instead of `formats`.")
    ] = None
    overlay: Annotated[
        bool | Render, Field(description="Also draw the overlay video, the usual way or in this mode.")
    ] = False

    @property
    def all_formats(self) -> list[str]:
        """What is written."""
        return [self.output_format] if self.output_format is not None else list(self.formats)


class TrackAsked(Followed):
    """Objects to be followed through one video, in the words of `track_objects`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"video": "holiday/road.mp4", "text": "a red car", "output_format": "coco"},
                {"video": "holiday/road.mp4", "prompts": [{"obj_id": 1, "box": [10, 20, 110, 90]}]},
            ]
        }
    )

    video: Name
    text: Text | Annotated[list[Text], Field(min_length=1, max_length=50)] | None = None
    prompts: Annotated[list[PromptAsked] | None, Field(max_length=1000)] = None
    detections: Annotated[
        Name | Annotated[list[DetectionAsked], Field(min_length=1, max_length=1_000_000)] | None,
        Field(description="A file below the roots, MOT or COCO, or boxes; to be given identities."),
    ] = None
    masks: Annotated[bool, Field(description="With detections: a mask of each box that has none.")] = False
    tracker: Annotated[str | None, Field(max_length=40)] = None
    ground_every: Annotated[int | None, Field(ge=1, le=10_000)] = None
    model: Annotated[str | None, Field(max_length=200)] = None
    seeds: Annotated[
        list[Index | SeedAsked],
        Field(max_length=1000, description="Frames or hits known to show the text, looked at closely."),
    ] = []
    retrieval_score: Share | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> TrackAsked:
        if sum([self.text is not None, bool(self.prompts), self.detections is not None]) != 1:
            raise ValueError("give one of a text, prompts and detections")
        return self


class StreamAsked(FollowWordsAsked):
    """A text to be followed in a live stream, in the words of `track_live`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "a red car"}]})

    text: Text
    templates: Templates = "auto"
    filters: Annotated[str | None, Field(max_length=200)] = None
    min_confidence: Share | None = None
    model: Annotated[str | None, Field(max_length=200)] = None


class WriteAsked(Asked):
    """What a session is written as."""

    formats: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=40)] = list(
        defaults.FORMATS
    )
    overlay: bool | Render = False


class OverlayAsked(Asked):
    """An overlay video to be drawn."""

    render: Render = "auto"


class SearchAndTrackAsked(Followed):
    """A text to be found in a library and followed, in the words of `search_and_track`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "a red car", "top": 2}]})

    text: Text | Annotated[list[Text], Field(min_length=1, max_length=50)]
    top: Annotated[int, Field(ge=1, le=100)] = defaults.TOP


class SessionAsked(Opened, FollowWordsAsked):
    """A session over one video, in the words of `start_session`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"video": "holiday/road.mp4", "text": "a red car"}]}
    )

    video: Name
    text: Text | Annotated[list[Text], Field(min_length=1, max_length=50)] | None = None
    prompts: Annotated[list[PromptAsked] | None, Field(max_length=1000)] = None
    tracks: Annotated[
        str | None, Field(max_length=40, description="Id of a result to put right, instead.")
    ] = None
    templates: Templates = "auto"
    min_confidence: Share | None = None
    model: Annotated[str | None, Field(max_length=200)] = None


Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


class CorrectionAsked(Asked):
    """What a person says of an object on one frame, in the words of `Correction`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"frame_index": 12, "obj_id": 1, "positive": [[64.0, 60.0]]}]}
    )

    frame_index: Index
    obj_id: Identity | None = None
    positive: Annotated[list[Point], Field(max_length=1000)] = []
    negative: Annotated[list[Point], Field(max_length=1000)] = []
    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)] | None = None
    mask: Rle | None = None
    label: Annotated[str, Field(max_length=500)] = ""


class ObjectAsked(Asked):
    """An object."""

    obj_id: Identity


class RenameAsked(ObjectAsked):
    """What an object is called."""

    label: Annotated[str, Field(max_length=500)]


class MergeAsked(ObjectAsked):
    """An object that another is made part of."""

    into: Identity


class SplitAsked(ObjectAsked):
    """Where an object becomes another."""

    frame_index: Index


class SegmentAsked(Asked):
    """Objects pointed at on one frame, in the words of `segment_frame`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "video": "holiday/road.mp4",
                    "prompts": [{"obj_id": 1, "frame_index": 12, "points": [[64, 60]], "point_labels": [1]}],
                }
            ]
        }
    )

    video: Name
    prompts: Annotated[list[PromptAsked], Field(min_length=1, max_length=100)]
    model: Annotated[str | None, Field(max_length=200)] = None


class NamedVideoAsked(Asked):
    """A video named by its path."""

    video: Name
