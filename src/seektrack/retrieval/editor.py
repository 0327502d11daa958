"""What was found, for an editor or a player: EDL, OpenTimelineIO, WebVTT."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from seektrack import files
from seektrack.errors import InputError, SeekTrackError
from seektrack.retrieval.clips import spans
from seektrack.retrieval.sequence import Chain
from seektrack.retrieval.timecodes import frame_number, frame_of, is_drop_frame, timecode
from seektrack.types import Hit, Moment, VideoInfo

Found = Hit | Moment | Chain
AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Cut:
    """A stretch of one video, counted in its frames.

    Attributes:
        info: Of the video.
        first, end: Frames from 0; ``end`` lies just outside.
        offset: The frame its own time code begins with, 0 where the file has none.
        confidence: Belief in [0, 1] that it shows what was asked.
    """

    info: VideoInfo
    first: int
    end: int
    offset: int
    confidence: float

    @property
    def fps(self) -> Fraction:
        """Frames a second."""
        return self.info.fps

    @property
    def codes(self) -> tuple[str, str]:
        """Time codes of ``first`` and ``end``, as an editor shows them."""
        return timecode(self.first + self.offset, self.fps), timecode(self.end + self.offset, self.fps)


def cuts(found: Sequence[Found]) -> list[Cut]:
    """Each result as a stretch of frames; of a chain, one for each step.

    Raises:
        VideoError: A video is gone or cannot be read.
    """
    infos: dict[str, tuple[VideoInfo, int]] = {}
    made = []
    for (video, start_s, end_s), confidence in zip(spans(found), _beliefs(found), strict=True):
        if video not in infos:
            infos[video] = _described(video)
        info, offset = infos[video]
        first = frame_number(start_s, info.fps)
        made.append(Cut(info, first, max(frame_number(end_s, info.fps), first + 1), offset, confidence))
    return made


def timed(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Time codes and frame numbers of each result, as plain JSON values.

    Raises:
        VideoError: A video is gone or cannot be read.
    """
    return [
        {
            "video": cut.info.path,
            "fps": str(cut.fps),
            "start_frame": cut.first,
            "end_frame": cut.end,
            "start_timecode": cut.codes[0],
            "end_timecode": cut.codes[1],
        }
        for cut in cuts(found)
    ]


CODES = ("start_frame", "end_frame", "start_timecode", "end_timecode")
"""What `codes_of` tells of each moment."""


def codes_of(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """Frames and time codes of each moment under `CODES`; empty where its video is gone or cannot be read."""
    told: list[dict[str, Any]] = [{} for _ in moments]
    for video in {moment.video for moment in moments}:
        places = [i for i, moment in enumerate(moments) if moment.video == video]
        with suppress(SeekTrackError):
            for i, codes in zip(places, timed([moments[i] for i in places]), strict=True):
                told[i] = {name: codes[name] for name in CODES}
    return told


def _beliefs(found: Sequence[Found]) -> list[float]:
    steps = (one.moments if isinstance(one, Chain) else [one] for one in found)
    return [one.confidence for held in steps for one in held]


def _described(video: str) -> tuple[VideoInfo, int]:
    """The video, and the frame its time code begins with."""
    from seektrack.video import open_video

    with open_video(video) as source:
        info = source.info
    code = _own_timecode(video)
    try:
        return info, frame_of(code, info.fps) if code else 0
    except InputError:
        return info, 0


def _own_timecode(video: str) -> str:
    """The time code a camera or an editor wrote into the file; empty without one."""
    try:
        with av.open(video, metadata_errors="replace") as container:
            held = [container.metadata, *(stream.metadata for stream in container.streams)]
    except (av.FFmpegError, OSError, ValueError):
        return ""
    return next((data["timecode"] for data in held if "timecode" in data), "")


def to_edl(found: Sequence[Found], *, title: str = "seektrack") -> str:
    """A CMX 3600 edit decision list: the results one after the other, best first.

    Source codes are those of each video, record codes begin at 01:00:00:00 at the rate of the first.

    Raises:
        InputError: Nothing was found, or more than the 999 events an EDL can number.
        VideoError: A video is gone or cannot be read.
    """
    events = cuts(found)
    if not 0 < len(events) <= 999:
        raise InputError(f"an EDL has 1 to 999 events, got {len(events)}", hint="use -k, or --otio")
    rate = events[0].fps
    lines = [f"TITLE: {_line(title)[:70]}", f"FCM: {_fcm(rate)}", ""]
    at = frame_of("01:00:00:00", rate)
    for number, cut in enumerate(events, 1):
        length = max(1, round(Fraction(cut.end - cut.first) / cut.fps * rate))
        source, record = cut.codes, (timecode(at, rate), timecode(at + length, rate))
        lines.append(f"{number:03d}  AX       V     C        {' '.join(source)} {' '.join(record)}")
        lines.append(f"* FROM CLIP NAME: {_line(Path(cut.info.path).name)}")
        lines.append(f"* SOURCE FILE: {_line(cut.info.path)}")
        lines.append(f"* COMMENT: confidence {cut.confidence:.2f}, {float(cut.fps):g} frames a second")
        at += length
    return "\n".join([*lines, ""])


def to_timeline(found: Sequence[Found], *, title: str = "seektrack") -> Any:
    """An `opentimelineio.schema.Timeline` of one video track: the results one after the other, best first.

    Raises:
        InputError: OpenTimelineIO is not installed.
        VideoError: A video is gone or cannot be read.
    """
    try:
        import opentimelineio as otio
    except ImportError as error:
        raise InputError(
            "the package opentimelineio is not installed", hint="pip install 'seektrack[otio]'"
        ) from error
    timeline = otio.schema.Timeline(name=title)
    track = otio.schema.Track(name="found", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for cut in cuts(found):
        rate = float(cut.fps)

        def stretch(first: int, length: int, rate: float = rate) -> Any:
            start, duration = (
                otio.opentime.RationalTime(first, rate),
                otio.opentime.RationalTime(length, rate),
            )
            return otio.opentime.TimeRange(start, duration)

        info = cut.info
        whole = info.n_frames or frame_number(info.duration_s or 0, info.fps)
        media = otio.schema.ExternalReference(
            target_url=Path(info.path).resolve().as_uri() if "://" not in info.path else info.path,
            available_range=None if whole == 0 else stretch(cut.offset, max(whole, cut.end)),
        )
        clip = otio.schema.Clip(
            name=Path(info.path).name,
            media_reference=media,
            source_range=stretch(cut.first + cut.offset, cut.end - cut.first),
            metadata={"seektrack": {"confidence": float(cut.confidence)}},
        )
        track.append(clip)
    return timeline


def to_vtt(found: Sequence[Found], *, text: str = "") -> str:
    """WebVTT of one video: a cue for each result, in order of time, to be played beside it or as chapters.

    Raises:
        InputError: The results lie in several videos.
    """
    found_spans = list(zip(spans(found), _beliefs(found), strict=True))
    if len({video for (video, _, _), _ in found_spans}) > 1:
        raise InputError("a WebVTT file goes with one video", hint="save_vtt writes one for each")
    lines = ["WEBVTT", ""]
    for (_, start_s, end_s), confidence in sorted(found_spans, key=lambda one: one[0]):
        words = f"{_line(text)} ({confidence:.2f})" if text else f"{confidence:.2f}"
        escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        lines += [f"{_clock(start_s)} --> {_clock(end_s)}", escaped, ""]
    return "\n".join(lines)


def save_edl(found: Sequence[Found], path: AnyPath, *, title: str = "seektrack") -> Path:
    """Write `to_edl`; the file appears whole or not at all.

    Raises:
        OutputError: The file cannot be written, or is one of the videos.
    """
    files.write_text(path, to_edl(found, title=title), sources=_videos(found))
    return Path(path)


def save_otio(found: Sequence[Found], path: AnyPath, *, title: str = "seektrack") -> Path:
    """Write `to_timeline` as ``.otio``; the file appears whole or not at all.

    Raises:
        OutputError: The file cannot be written, or is one of the videos.
    """
    files.write_text(path, to_timeline(found, title=title).to_json_string(), sources=_videos(found))
    return Path(path)


def save_vtt(found: Sequence[Found], path: AnyPath, *, text: str = "") -> list[Path]:
    """Write `to_vtt`; where the results lie in several videos, a file for each, ``<name>-<video>.vtt``.

    Returns:
        The files.

    Raises:
        OutputError: A file cannot be written, or is one of the videos.
    """
    target = Path(path)
    moments = [m for one in found for m in (one.moments if isinstance(one, Chain) else [one])]
    videos = list(dict.fromkeys(m.video for m in moments))
    written: list[Path] = []
    for video in videos:
        own = [m for m in moments if m.video == video]
        file = target
        if len(videos) > 1:
            stem = re.sub(r"[^\w.-]+", "_", Path(video).stem)[:80]
            file = target.with_name(f"{target.stem}-{stem}{target.suffix or '.vtt'}")
            if file in written:
                file = file.with_name(f"{file.stem}-{len(written) + 1}{file.suffix}")
        files.write_text(file, to_vtt(own, text=text), sources=videos)
        written.append(file)
    return written


def _videos(found: Sequence[Found]) -> set[str]:
    return {video for video, _, _ in spans(found)}


def _fcm(fps: Fraction) -> str:
    return "DROP FRAME" if is_drop_frame(fps) else "NON-DROP FRAME"


def _line(text: str) -> str:
    return " ".join(text.split())


def _clock(seconds: float) -> str:
    whole = round(max(seconds, 0) * 1000)
    rest, milli = divmod(whole, 1000)
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{milli:03d}"
