"""The one-file page of what was found, followed or measured, for everyone who asks for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seektrack.errors import SeekTrackError
from seektrack.known import WARNING
from seektrack.query import Query, explain
from seektrack.retrieval.export import key_pictures
from seektrack.retrieval.sequence import Chain
from seektrack.types import Hit, Moment, Tracks

if TYPE_CHECKING:
    import os

    from seektrack.outputs.report import MomentCard, QuerySection, TrackedVideo
    from seektrack.pipeline.best import SearchAndTrackResult
    from seektrack.pipeline.many import FollowedVideo
    from seektrack.retrieval.export import OnError

Followed: TypeAlias = "Tracks | TrackedVideo | SearchAndTrackResult | FollowedVideo"

EMBED_BYTES = 12_000_000
"""Largest overlay video put inside a report, so that the page can be sent on by itself."""


def save_report(
    path: str | os.PathLike[str],
    *,
    query: str | Query = "",
    moments: Sequence[Moment | Hit] = (),
    tracks: Tracks | Sequence[Followed] = (),
    figures: Mapping[str, Any] | None = None,
    title: str = "",
    notices: Sequence[str] = (),
    render: str = "auto",
    embed_bytes: int = EMBED_BYTES,
    on_error: OnError | None = None,
) -> Path:
    """Write one HTML file that shows results: it opens anywhere and loads nothing from elsewhere.

    Args:
        path: The HTML file.
        query: What was asked; a ``Query`` is shown as it was read.
        moments: What a search found, best first; moments, chains or hits.
        tracks: What was followed: tracks, or what :func:`track_videos` and :func:`search_and_track` give,
            whose overlays and files are shown with them.
        figures: Measured numbers by name, nested as they like.
        title: Of the page; what kind of results it shows when empty.
        notices: What of the question was left aside, one line each.
        render: How the overlays of ``tracks`` were drawn; of ``blur`` and ``blur-others`` the picture behind
            the paths is blurred too.
        embed_bytes: Overlay videos up to this size go inside; larger ones are linked beside the page.
        on_error: Told of each video whose picture cannot be read; its moments are shown without one.

    Returns:
        The path written.

    Raises:
        VideoError: The picture of a moment cannot be read, and ``on_error`` is None.
        InputError: A file to link does not exist.
        OutputError: The page cannot be written.
    """
    from seektrack.outputs.figures import figure_tables
    from seektrack.outputs.report import ReportPage, write_report

    typed = query if isinstance(query, str) else query.typed
    followed = [tracks] if isinstance(tracks, Tracks) else list(tracks)
    asked = bool(typed or moments or followed)
    read = () if isinstance(query, str) else explain(query)
    videos = tuple(v for v in (tracked_video(one, render=render) for one in followed) if v is not None)
    kind = "What was followed" if followed else "What was measured" if figures else "What was found"
    page = ReportPage(
        title=title or kind,
        queries=(_section(typed, moments, videos, read, notices, on_error),) if asked else (),
        figures=figure_tables(figures, title=title or "Figures") if figures else (),
        facts=_facts(moments, followed),
    )
    return write_report(Path(path), page, embed_bytes=embed_bytes)


def moment_cards(found: Sequence[Moment | Hit], *, on_error: OnError | None = None) -> tuple[MomentCard, ...]:
    """What a search found as cards of a report, each with its key frame; of a chain one a step."""
    from seektrack.outputs.overlay import mark_region
    from seektrack.outputs.report import MomentCard

    steps = [m for one in found for m in (one.moments if isinstance(one, Chain) else (one,))]
    keys = [one if isinstance(one, Hit) else one.key for one in steps]
    cards = []
    for one, key, picture in zip(steps, keys, key_pictures(keys, on_error=on_error), strict=True):
        start, end = (one.time_s, one.time_s) if isinstance(one, Hit) else (one.start_s, one.end_s)
        shown = None if picture is None else mark_region(picture, key.box)
        name = Path(one.video).name
        cards.append(MomentCard(name, start, end, one.confidence, shown, key.time_s, one.domain))
    return tuple(cards)


def tracked_video(followed: Followed, *, render: str = "auto") -> TrackedVideo | None:
    """One video that was followed as a report shows it; None where it failed.

    Of one that an earlier run followed, the tracks are read from the files it wrote.
    """
    from seektrack.outputs.report import TrackedVideo

    if isinstance(followed, TrackedVideo):
        return followed
    if isinstance(followed, Tracks):
        return video_card(followed, {}, render=render)
    tracks = _tracks(followed)
    return None if tracks is None else video_card(tracks, followed.files, render=render)


def video_card(tracks: Tracks, files: Mapping[str, Path], *, render: str = "auto") -> TrackedVideo:
    """Tracks as a report shows them, with the overlay and the exports among some files, by format."""
    from seektrack.outputs.overlay import draw_overlay, overlay_style
    from seektrack.outputs.report import TrackedVideo
    from seektrack.video import open_video

    backdrop = None
    # A stream, or a file that is gone: the paths are drawn on plain ground.
    with suppress(SeekTrackError), open_video(tracks.video.path) as source:
        frame = source.frame_at(min(tracks.frame_times, default=0))
        backdrop = frame.image
        if render in ("blur", "blur-others"):
            backdrop = draw_overlay(frame.image, tracks.at(frame.index), style=overlay_style(render))
    overlay = files.get("overlay")
    plays = overlay is not None and overlay.suffix.lower() == ".mp4"
    linked = {name: file for name, file in files.items() if not (plays and name == "overlay")}
    exports = {name: file for name, file in linked.items() if file.exists()}
    return TrackedVideo(Path(tracks.video.path).name, tracks, overlay if plays else None, backdrop, exports)


def _tracks(followed: SearchAndTrackResult | FollowedVideo) -> Tracks | None:
    from seektrack.outputs import FORMATS, load_tracks

    if followed.tracks is not None:
        return followed.tracks
    for name, file in followed.files.items():
        if name in FORMATS and FORMATS[name].read is not None:
            return load_tracks(file, name)
    return None


def _section(
    typed: str,
    moments: Sequence[Moment | Hit],
    videos: tuple[TrackedVideo, ...],
    read: Sequence[str],
    notices: Sequence[str],
    on_error: OnError | None,
) -> QuerySection:
    from seektrack.outputs.report import QuerySection

    said = [*notices]
    for video in videos:
        said += [*video.tracks.notices, *(m.reason for m in video.tracks.missed if not video.tracks.tracks)]
        said += [f"{video.title}: {video.tracks.damage}"] if video.tracks.damage else []
    outside = any(m.domain == "outside" for m in moments)
    outside = outside or any(video.tracks.domain == "outside" for video in videos)
    said += [WARNING] if outside else []
    note = " ".join(_sentence(line) for line in dict.fromkeys(said))
    cards = moment_cards(moments, on_error=on_error)
    return QuerySection(typed, cards, videos, note, reading=tuple(read))


def _sentence(line: str) -> str:
    line = line[:1].upper() + line[1:]
    return line if line.endswith((".", "!", "?")) else line + "."


def _facts(moments: Sequence[Moment | Hit], followed: Sequence[Followed]) -> tuple[tuple[str, str], ...]:
    facts = []
    if moments:
        facts.append(("Found", str(len(moments))))
        facts.append(("In videos", str(len({one.video for one in moments}))))
    if followed:
        facts.append(("Videos followed", str(len(followed))))
    return tuple(facts)
