"""What is answered over the wire, as OpenAPI tells it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from seektrack.serving.jobs import Priority


class ErrorBody(BaseModel):
    """What went wrong."""

    code: Annotated[str, Field(description="For machines.", examples=["bad_input"])]
    message: Annotated[str, Field(description="What failed and the value that came.")]
    hint: Annotated[str, Field(description="The way out; empty when there is none.")]


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    error: ErrorBody


class HitAnswer(BaseModel):
    """One frame, or a region of it."""

    video: str
    video_id: str
    frame_index: int
    time_s: float
    score: float
    confidence: Annotated[float | None, Field(description="Null where it cannot be known.")]
    computed: Annotated[float, Field(description="What was computed; outside the domain it means nothing.")]
    box: list[float] | None
    query: str
    domain: Literal["inside", "outside", "unmeasured"]
    warning: str | None = None


class MomentAnswer(BaseModel):
    """A stretch of one video that answers a question; `moments` are the steps of an order of events."""

    video: str
    video_id: str
    start_s: float
    end_s: float
    confidence: float | None
    computed: float
    key: HitAnswer
    query: str
    domain: Literal["inside", "outside", "unmeasured"]
    warning: str | None = None
    moments: list[MomentAnswer] = []


class Reading(BaseModel):
    """How a question was read."""

    typed: str
    asked: Annotated[str | list[str], Field(description="What was read, mistyped words put right if asked.")]
    query: Annotated[dict[str, Any] | None, Field(description="All of it, as `seektrack.read` gives it.")]
    reading: Annotated[str | None, Field(description="In one line.")]
    explained: Annotated[list[str], Field(description="A line a fact.")]
    notices: Annotated[list[str], Field(description="What was left aside, and why.")]


class MomentsAnswer(Reading):
    """Moments, best first."""

    results: list[MomentAnswer]


class HitsAnswer(Reading):
    """Single frames and regions, best first."""

    results: list[HitAnswer]


class StepAnswer(BaseModel):
    """How far a job is; a total of 0 or less is unknown."""

    done: int
    total: int
    stage: str


class TracksSummary(BaseModel):
    """One video that was followed."""

    id: str
    video: str
    video_id: str
    query: str
    frames: int
    tracks: list[dict[str, Any]]
    moments: list[dict[str, Any]] = []
    formats: list[str]
    overlay: bool | str
    remarks: dict[str, Any]


class JobResult(BaseModel):
    """What a job gave."""

    tracks: list[TracksSummary] = []
    index: dict[str, Any] | None = None
    overlay: dict[str, Any] | None = None
    session: str | None = None
    failed: list[dict[str, Any]] = []


class JobAnswer(BaseModel):
    """One job."""

    id: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    priority: Priority
    owner: str
    request: dict[str, Any]
    created_s: float
    started_s: float | None
    ended_s: float | None
    attempts: int
    cancelling: bool
    progress: StepAnswer | None
    error: ErrorBody | None
    result: JobResult | None


class ObservationAnswer(BaseModel):
    """One object on one frame."""

    obj_id: int
    box: list[float]
    mask: dict[str, Any] | None
    score: float
    visible: bool
    state: str
    amodal: Annotated[
        dict[str, Any] | None, Field(description="The whole of a partly hidden one, where it was estimated.")
    ] = None


class FrameAnswer(BaseModel):
    """Every object on one frame."""

    frame_index: int
    time_s: float
    objects: list[ObservationAnswer]


class FramesAnswer(BaseModel):
    """Objects frame by frame; masks are COCO run lengths of the size of the video."""

    width: int
    height: int
    frames: list[FrameAnswer]
