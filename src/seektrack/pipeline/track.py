"""Text or hand prompts to tracks in one video, and from a whole library to tracks in its best videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack.errors import InputError, NothingFoundError
from seektrack.files import check_folder, check_target
from seektrack.pipeline.models import Models
from seektrack.types import Moment, Prompt, Tracks

if TYPE_CHECKING:
    import os

    from seektrack.pipeline.library import Library
    from seektrack.tracking import FollowSettings
    from seektrack.video import VideoSource

Progress = Callable[[int, int, str], None]
DEFAULT_FORMATS = ("json", "mot", "coco", "csv")


@dataclass(frozen=True)
class SearchAndTrackResult:
    """One video of a library in which something was found and followed.

    Attributes:
        video: Its path.
        moments: Where the text was found, best first.
        tracks: Every matching object through the video.
        files: What was written, by format; ``overlay`` is the video.
    """

    video: str
    moments: tuple[Moment, ...]
    tracks: Tracks
    files: dict[str, Path] = field(default_factory=dict)


def track_objects(
    video: str | os.PathLike[str],
    text: str | None = None,
    *,
    prompts: Sequence[Prompt] | None = None,
    model: str | Models = "pocket",
    device: str | None = None,
    seeds: Sequence[int] = (),
    start_s: float | None = None,
    end_s: float | None = None,
    cache: str | None = None,
    filters: str | None = None,
    settings: FollowSettings | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = DEFAULT_FORMATS,
    overlay: bool = True,
    progress: Progress | None = None,
) -> Tracks:
    """Segment and follow objects through a video: those a text names, or those pointed at.

    Args:
        video: A video file or a folder of images.
        text: What to follow, as ``a red car`` or ``the dogs running left``.
        prompts: Points, boxes or masks instead of a text, in pixels of the source.
        model: A name (see :func:`seektrack.pipeline.parse_model`) or loaded :class:`Models`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        seeds: Frames known to show the text, as from a search; looked at first.
        start_s, end_s: Only this part of the video, in seconds.
        cache: ``raw`` or ``jpeg``: decode each frame once into a temporary file, as :func:`open_video` does.
        filters: What is done to a frame before it is looked at, as in
            :func:`seektrack.video.filters.parse_filter`; the overlay shows the video as it is.
        settings: How objects are found, followed and recognised.
        out: Folder for the results; nothing is written when None.
        formats: What to write there (``seektrack.outputs.FORMATS``).
        overlay: Whether to write ``overlay.mp4`` there too.
        progress: Called with ``(done, total, stage)``.

    Returns:
        One track an object, ids stable; empty when a text names nothing in the video.

    Raises:
        InputError: Neither or both of text and prompts, an unknown format or filter, a prompt outside the
            picture.
        QueryError: The text is empty.
        VideoError: The video cannot be read.
        OutputError: The folder cannot be written; checked before anything is computed.
        ModelError: The model cannot be loaded.
    """
    from seektrack.grounding import parse_target
    from seektrack.tracking import follow, follow_prompts
    from seektrack.video import open_video
    from seektrack.video.filtered import FilteredSource
    from seektrack.video.filters import parse_filter

    if (text is None) == (not prompts):
        raise InputError(
            "give either a text or prompts" if prompts else "nothing to follow",
            hint='pass text="a red car", or prompts=[Prompt(...)]',
        )
    target = parse_target(text) if text is not None else None
    clean = parse_filter(filters) if filters is not None else None
    chosen = _check_outputs(out, formats, sources=[video])
    models = model if isinstance(model, Models) else Models(model, device=device)
    with open_video(video, start_s=start_s, end_s=end_s, cache=cache) as source:
        shown = source if clean is None else FilteredSource(source, clean)
        if target is not None:
            tracks = follow(
                models.sam2, models.encoder, shown, target, seeds=seeds, settings=settings, progress=progress
            )
        else:
            tracks = follow_prompts(models.sam2, shown, prompts or (), settings=settings, progress=progress)
        if out is not None:
            write_results(tracks, source, Path(out), chosen, overlay=overlay, progress=progress)
    return tracks


def write_results(
    tracks: Tracks,
    source: VideoSource,
    folder: Path,
    formats: Iterable[str] = DEFAULT_FORMATS,
    *,
    overlay: bool = True,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write tracks in several formats, and the overlay video as far as they were followed, into a folder.

    Returns:
        The path of each format; ``overlay`` is the video.
    """
    from seektrack.outputs import save_formats, write_overlay

    written = save_formats(tracks, folder, formats)
    if overlay:
        total = len(tracks.frame_times)
        last = max(tracks.frame_times, default=-1)

        def counted() -> Iterable[object]:
            for i, frame in enumerate(takewhile(lambda frame: frame.index <= last, source)):
                if progress:
                    progress(i + 1, total, "drawing")
                yield frame

        target = folder / "overlay.mp4"
        write_overlay(counted(), tracks, target)  # type: ignore[arg-type]  # the generator yields Frames
        written["overlay"] = target
    return written


def search_and_track(
    library: Library,
    text: str,
    *,
    top: int = 3,
    cache: str | None = None,
    filters: str | None = None,
    settings: FollowSettings | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = DEFAULT_FORMATS,
    overlay: bool = True,
    progress: Progress | None = None,
) -> list[SearchAndTrackResult]:
    """From a library to tracks: find the videos that show a text, then follow it through each.

    Args:
        library: An open library.
        text: What to find and follow.
        top: Most videos.
        settings: How objects are found, followed and recognised.
        out: Folder for the results, one subfolder a video; nothing is written when None.
        cache, filters, formats, overlay, progress: As for :func:`track_objects`.

    Returns:
        The best videos in order; empty when nothing in the library matches.

    Raises:
        InputError: As :func:`track_objects`.
        LibraryError: As :meth:`Library.search`.
    """
    chosen = _check_outputs(out, formats)
    moments = library.search(text, k=max(50, 10 * top))
    by_video: dict[str, list[Moment]] = {}
    for moment in moments:
        by_video.setdefault(moment.video, []).append(moment)
    results = []
    for video, found in list(by_video.items())[:top]:
        folder = None if out is None else Path(out) / Path(video).stem
        if not Path(video).exists():
            raise NothingFoundError(
                f"{video} is in the library but not on disk any more",
                hint="bring it back, or drop it with: Library.remove",
            )
        seeds = [moment.key.frame_index for moment in found]
        tracks = track_objects(
            video, text, model=library.models, seeds=seeds, cache=cache, filters=filters,
            settings=settings, out=folder, formats=chosen, overlay=overlay, progress=progress,
        )  # fmt: skip
        files = _files(folder, chosen, overlay=overlay) if folder else {}
        results.append(SearchAndTrackResult(video, tuple(found), tracks, files))
    return results


def _files(folder: Path, formats: Iterable[str], *, overlay: bool) -> dict[str, Path]:
    from seektrack.outputs import FORMATS

    files = {name: folder / FORMATS[name].filename for name in formats}
    if overlay:
        files["overlay"] = folder / "overlay.mp4"
    return files


def _check_outputs(
    out: str | Path | None, formats: Iterable[str], *, sources: Sequence[str | os.PathLike[str]] = ()
) -> tuple[str, ...]:
    """The formats, once they are known to exist and their files known to be writable and no source."""
    from seektrack.outputs import FORMATS

    chosen = tuple(formats)
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown:
        raise InputError(f"unknown format {unknown[0]!r}", hint=f"use one of {', '.join(FORMATS)}")
    if out is not None:
        check_folder(out)
        names = (FORMATS[name].filename for name in chosen if not FORMATS[name].is_folder)
        for name in (*names, "overlay.mp4"):
            check_target(Path(out) / name, sources=sources)
    return chosen
