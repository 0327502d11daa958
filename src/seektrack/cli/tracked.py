"""What ``track`` tells of each video: what was followed, and which files it is in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from seektrack import known
from seektrack.anomaly import SEVERITIES, Anomaly
from seektrack.cli.common import Screen, clock, short_path, table
from seektrack.cli.shown import one_line
from seektrack.errors import SeekTrackError
from seektrack.outputs.remarks import Remarks
from seektrack.types import Tracks

if TYPE_CHECKING:
    from seektrack.outputs import TrackedVideo
    from seektrack.pipeline import FollowedVideo
    from seektrack.query import Query

_FEW = 3
SOME_FAILED, MOST_FAILED = 10, 99
"""The exit status when ``n`` videos failed and the rest was done is ``10 + n``, up to 99."""


@dataclass(frozen=True)
class Done:
    """One video that was followed, or failed.

    Attributes:
        video: Its path or address.
        query: The text; empty when prompted by hand.
        frames: Frames gone through.
        found: What is told of each track.
        folder: Where the files are.
        files: What was written, by format.
        unchanged: Whether an earlier run had done it.
        error: Why it failed.
        remarks: What the result says of itself: unknown footage, damage, why nothing was found.
        page: How a report shows it, where one is asked for.
    """

    video: str
    query: str = ""
    frames: int = 0
    found: Sequence[dict[str, Any]] = ()
    folder: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)
    unchanged: bool = False
    error: SeekTrackError | None = None
    remarks: Remarks = field(default_factory=Remarks)
    page: TrackedVideo | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON tells it; the files written hold all of the tracks."""
        if self.error is not None:
            return {"video": self.video, "error": self.error}
        return {
            "video": self.video,
            "query": self.query,
            "frames": self.frames,
            "tracks": list(self.found),
            "folder": self.folder,
            "files": self.files,
            "unchanged": self.unchanged,
            **self.remarks.to_dict(),
        }

    def in_one_line(self, *, why: bool = False) -> str:
        """As progress tells it; with ``why``, also why nothing was found."""
        if self.error is not None:
            return f"{short_path(self.video)}: failed: {one_line(self.error)}"
        count = f"{len(self.found)} track" + ("" if len(self.found) == 1 else "s")
        before = ", as an earlier run left it" if self.unchanged else ""
        reason = "; ".join(one.reason for one in self.remarks.missed) if why and not self.found else ""
        return f"{short_path(self.video)}: {count} over {self.frames} frames{before}" + (
            f": {one_line(reason)}" if reason else ""
        )


def of_tracks(
    tracks: Tracks, folder: Path, formats: Iterable[str], *, overlay: bool | str, paged: bool = False
) -> Done:
    """What is told of tracks just written into a folder; ``paged`` for a report too."""
    from seektrack.outputs.told import summary, written

    files = written(folder, formats, overlay=overlay)
    return Done(
        tracks.video.path,
        tracks.query,
        len(tracks.frame_times),
        summary(tracks),
        folder,
        files,
        remarks=Remarks.of(tracks),
        page=_card(tracks, files, overlay) if paged else None,
    )


def of_result(followed: FollowedVideo, *, overlay: bool | str = True, paged: bool = False) -> Done:
    """What is told of one of several videos; ``paged`` for a report too."""
    page = None
    if paged:
        from seektrack.pipeline.pages import tracked_video

        page = tracked_video(followed, render=str(overlay))
    return Done(
        followed.video,
        followed.query,
        followed.frames,
        followed.found,
        followed.folder,
        followed.files,
        followed.unchanged,
        followed.error,
        followed.remarks,
        page,
    )


def _card(tracks: Tracks, files: dict[str, Path], overlay: bool | str) -> TrackedVideo:
    from seektrack.pipeline.pages import video_card

    return video_card(tracks, files, render=str(overlay))


def failure(video: str, error: SeekTrackError) -> Done:
    """What is told of a video that failed."""
    return Done(video, error=error)


def write_page(screen: Screen, report: Path | None, query: Query | None, done: Sequence[Done]) -> None:
    """Write the page of what was followed where one is asked for, and name it."""
    if report is None:
        return
    from seektrack.pipeline import save_report

    pages = [one.page for one in done if one.page is not None]
    failed = [one.in_one_line() for one in done if one.error is not None]
    save_report(
        report,
        query=query or "",
        tracks=pages,
        notices=failed,
        title="" if query is not None else ", ".join(page.title for page in pages[:_FEW]),
    )
    screen.note(f"written: {report}")


def exit_status(done: Sequence[Done]) -> int:
    """0 when no video failed, else 10 and their number."""
    failed = sum(one.error is not None for one in done)
    return min(SOME_FAILED + failed, MOST_FAILED) if failed else 0


def print_done(console: Console, done: Sequence[Done]) -> None:
    """A line and a table for each video, and where its files are."""
    for one in done:
        console.print(one.in_one_line(why=len(done) > 1), style="red" if one.error is not None else None)
        rows = table("id", "label", "score", "seen", "frames", right=("id", "score", "frames"))
        for t in one.found:
            seen = f"{clock(t['first_s'])} – {clock(t['last_s'])}"
            score = known.shown(t["score"], known.read_known(t.get("domain")))
            rows.add_row(str(t["obj_id"]), t["label"], score, seen, str(t["frames"]))
        if rows.row_count:
            console.print(rows)
        print_anomalies(console, one.remarks.anomalies, most=_FEW)


def print_anomalies(console: Console, anomalies: Sequence[Anomaly], *, most: int) -> None:
    """A line for each of the gravest places where tracks may be wrong, and how many more there are."""
    order = sorted(anomalies, key=lambda a: (a.repaired, -SEVERITIES.index(a.severity), a.time_s))
    for anomaly in order[:most]:
        line = f"{clock(anomaly.time_s)} {anomaly.kind} ({anomaly.severity}): {anomaly.about}"
        console.print(line, style=None if anomaly.repaired else "yellow", highlight=False)
    if len(order) > most:
        console.print(f"and {len(order) - most} more: see anomalies in the result")


def say_done(screen: Screen, done: Sequence[Done]) -> None:
    """Name what was written, the files of a few videos and the folders of many, and what was damaged."""
    written = [one for one in done if one.folder is not None and one.files]
    for one in written:
        names = sorted(file.name for file in one.files.values())
        files = "" if len(written) > _FEW else ": " + ", ".join(names)
        screen.note(f"written to {one.folder}/{files}")
    for one in done:
        if one.remarks.damage:
            screen.warn(
                f"{short_path(one.video)} is damaged and was followed as far as it could be read: "
                f"{one.remarks.damage}"
            )
