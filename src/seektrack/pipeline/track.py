"""Text or hand prompts to tracks in one video, and from a whole library to tracks in its best videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack.encoders import Templates, check_templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError
from seektrack.pipeline.checks import check_outputs, check_prompts, check_shown
from seektrack.pipeline.models import Models
from seektrack.query import Query, read
from seektrack.types import Prompt, Tracks

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening, VideoInput, VideoSource

Progress = Callable[[int, int, str], None]
DEFAULT_FORMATS = ("json", "mot", "coco", "csv")


def track_objects(
    video: VideoInput,
    text: str | Sequence[str] | Query | None = None,
    *,
    prompts: Sequence[Prompt] | None = None,
    model: str | Models = "pocket",
    device: str | None = None,
    seeds: Sequence[int] = (),
    opening: Opening | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    cache: str | None = None,
    filters: str | None = None,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    settings: FollowSettings | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = DEFAULT_FORMATS,
    overlay: bool = True,
    progress: Progress | None = None,
) -> Tracks:
    """Segment and follow objects through a video: those a text names, or those pointed at.

    Args:
        video: Whatever :func:`seektrack.video.open_video` takes: a file, an address, a folder of images, a
            scan, pictures in memory, or an open source of any kind.
        text: What to follow, as ``a red car`` or ``the dogs running left``; several things, in one text or
            in a list, are followed one after the other, each under its own label.
        prompts: Points, boxes or masks instead of a text, in pixels of the source.
        model: A name (see :func:`seektrack.pipeline.parse_model`) or loaded :class:`Models`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        seeds: Frames known to show the text, as from a search; looked at first.
        opening: How the video is opened: its part, rate, window, pictures between pictures.
        start_s, end_s: Only this part of the video, in seconds; instead of those in ``opening``.
        cache: ``raw`` or ``jpeg``: decode each frame once into a temporary file; instead of that there.
        filters: What is done to a frame before it is looked at, as in
            :func:`seektrack.video.filters.parse_filter`; the overlay shows the video as it is.
        translate, templates: As for :meth:`seektrack.Library.search`.
        settings: How objects are found, followed and recognised.
        out: Folder for the results; nothing is written when None.
        formats: What to write there (``seektrack.outputs.FORMATS``).
        overlay: Whether to write ``overlay.mp4`` there too.
        progress: Called with ``(done, total, stage)``.

    Returns:
        One track an object, ids stable; empty when a text names nothing in the video, and then ``missed``
        says why. ``damage`` says what was wrong with the video, ``domain`` whether the encoder knows such.

    Raises:
        InputError: Neither or both of text and prompts, an unknown format or filter, a prompt outside the
            picture.
        QueryError: The text is empty.
        VideoError: The video cannot be read.
        OutputError: The folder cannot be written; checked before anything is computed.
        ModelError: The model cannot be loaded.
    """
    from seektrack.segmentation import PropagationSettings
    from seektrack.tracking import EngineSettings, FollowSettings, follow, follow_prompts
    from seektrack.video import Opening
    from seektrack.video.filtered import FilteredSource
    from seektrack.video.filters import parse_filter

    if (text is None) == (not prompts):
        raise InputError(
            "give either a text or prompts" if prompts else "nothing to follow",
            hint='pass text="a red car", or prompts=[Prompt(...)]',
        )
    target = None if text is None else read(text, translate=as_translator(translate))
    check_templates(templates)
    clean = parse_filter(filters) if filters is not None else None
    chosen = check_outputs(out, formats, overlay=overlay)
    models = model if isinstance(model, Models) else Models(model, device=device)
    models.check()
    models.progress = progress
    if settings is None and models.preset.propagation != "memory":
        mode: Any = models.preset.propagation
        settings = FollowSettings(engine=EngineSettings(propagation=PropagationSettings(mode=mode)))
    given: dict[str, Any] = {"start_s": start_s, "end_s": end_s, "cache": cache}
    how = replace(opening or Opening(), **{k: v for k, v in given.items() if v is not None})
    with how.open(video, progress=progress) as source:
        check_outputs(out, chosen, overlay=overlay, sources=[source.info.path])
        check_shown(source)
        check_prompts(prompts or (), source)
        shown = source if clean is None else FilteredSource(source, clean)
        if target is not None:
            tracks = follow(
                models.sam2,
                models.encoder,
                shown,
                target,
                seeds=seeds,
                settings=settings,
                templates=templates,
                progress=progress,
            )
        else:
            tracks = follow_prompts(models.sam2, shown, prompts or (), settings=settings, progress=progress)
        tracks = replace(tracks, damage="" if source.damage is None else str(source.damage))
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
