"""Text or hand prompts to tracks in one video, and from a whole library to tracks in its best videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.encoders import Templates, check_templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.pipeline.checks import check_outputs, check_prompts, check_shown
from seektrack.pipeline.detections import Detections, check_asked, chosen_settings, follow_given
from seektrack.pipeline.models import Models
from seektrack.pipeline.source_to_tracks import follow_source, write_results
from seektrack.query import Query, read
from seektrack.types import Hit, Progress, Prompt, Tracks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seektrack.outputs import OverlayStyle
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening, VideoInput


def track_objects(
    video: VideoInput,
    text: str | Sequence[str] | Query | None = None,
    *,
    prompts: Sequence[Prompt] | None = None,
    detections: Detections | None = None,
    masks: bool = False,
    tracker: str | None = None,
    ground_every: int | None = None,
    grounder: str | None = None,
    min_confidence: float | None = None,
    model: str | Models = defaults.MODEL,
    device: str | None = None,
    seeds: Sequence[int | Hit] = (),
    opening: Opening | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    cache: str | None = None,
    filters: str | None = None,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    settings: FollowSettings | None = None,
    scanned: Mapping[int, NDArray[np.float32]] | None = None,
    retrieval_score: float | None = None,
    session: str | Path | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = defaults.FORMATS,
    overlay: bool | str | OverlayStyle = True,
    progress: Progress | None = None,
) -> Tracks:
    """Segment and follow objects through a video: those a text names, or those pointed at.

    Args:
        video: Whatever :func:`seektrack.video.open_video` takes: a file, an address, a folder of images, a
            scan, pictures in memory, or an open source of any kind.
        text: What to follow, as ``a red car`` or ``the dogs running left``; several things, in one text or
            in a list, are followed together, each under its own label.
        prompts: Points, boxes or masks instead of a text, in pixels of the source.
        detections: Boxes of every frame from anywhere instead of a text, to be given identities: a MOT or
            COCO file (:func:`seektrack.outputs.detected.read_detections`), or detections by frame.
        masks: With ``detections``: make a mask of each box that has none.
        tracker: Who says who is who among detections, or among groundings of single frames, by name
            (``seektrack.tracking.TRACKERS``). By default objects of a text are followed by the engine.
        ground_every: With ``tracker`` and a text: one frame in so many is grounded.
        grounder: What finds what the text names (``seektrack.grounding.GROUNDERS``), such as ``hf:ID``.
        min_confidence: Least confidence, in [0, 1], of a track that is kept.
        model: A name (see :func:`seektrack.pipeline.parse_model`) or loaded :class:`Models`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        seeds: Frames known to show the text, or hits of a search; looked at closely. Where the segmenter
            does not find what is asked for by itself, it is followed from the boxes of the hits.
        opening: How the video is opened: its part, rate, window, pictures between pictures.
        start_s, end_s: Only this part of the video, in seconds; instead of those in ``opening``.
        cache: ``raw`` or ``jpeg``: decode each frame once into a temporary file; instead of that there.
        filters: What is done to a frame before it is looked at, as in
            :func:`seektrack.video.filters.parse_filter`; the overlay shows the video as it is.
        translate, templates: As for :meth:`seektrack.Library.search`.
        settings: How objects are found, followed and recognised.
        scanned: Embeddings of whole frames that exist already, by frame; they say where to look.
        retrieval_score: How sure the search was that led here; kept with the result.
        session: A file to keep the result in as it goes, to be put right by hand
            (:func:`seektrack.open_session`); killed, the same call goes on where it stopped.
        out: Folder for the results; nothing is written when None.
        formats: What to write there (``seektrack.outputs.FORMATS``, ``LOGS``).
        overlay: Whether to write ``overlay.mp4`` there too; a mode (``seektrack.outputs.RENDERS``), as
            ``outline`` or ``blur``, says how it is drawn, an ``OverlayStyle`` everything about it.
        progress: Called with ``(done, total, stage)``.

    Returns:
        One track an object, ids stable; empty when a text names nothing in the video, and then ``missed``
        says why. ``damage`` says what was wrong with the video, ``domain`` whether the encoder knows such.

    Raises:
        InputError: None or several of text, prompts and detections, an unknown format, render mode, filter,
            tracker or grounder, a prompt outside the picture, a row of the detections that cannot be.
        QueryError: The text is empty.
        VideoError: The video cannot be read.
        OutputError: The folder cannot be written; checked before anything is computed.
        ModelError: The model cannot be loaded.
    """
    from seektrack.pipeline.session_start import session_for, start_session
    from seektrack.segmentation import PropagationSettings
    from seektrack.tracking import EngineSettings, FollowSettings, finish_tracks
    from seektrack.video import Opening
    from seektrack.video.filtered import FilteredSource
    from seektrack.video.filters import parse_filter

    check_asked(text, prompts, detections, masks=masks, tracker=tracker, grounder=grounder)
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
    settings = chosen_settings(
        settings,
        tracker=tracker,
        ground_every=ground_every,
        grounder=grounder,
        min_confidence=min_confidence,
    )
    given: dict[str, Any] = {"start_s": start_s, "end_s": end_s, "cache": cache}
    how = replace(opening or Opening(), **{k: v for k, v in given.items() if v is not None})
    by_itself = detections is None and settings.tracker is None and not seeds
    if session is not None and by_itself:
        with session_for(
            session, video, target, prompts or (), models, how, filters, templates, settings
        ) as opened:
            opened.follow(progress=progress)
            if out is None:
                return opened.tracks
            return opened.write(out, formats=chosen, overlay=overlay, progress=progress)
    with how.open(video, progress=progress) as source:
        check_outputs(out, chosen, overlay=overlay, sources=[source.info.path])
        check_shown(source)
        check_prompts(prompts or (), source)
        shown = source if clean is None else FilteredSource(source, clean)
        if detections is not None:
            tracks = follow_given(
                detections, shown, models, settings=settings, masks=masks, progress=progress
            )
            tracks = finish_tracks(tracks, shown, settings, progress=progress)
        else:
            tracks = follow_source(
                shown,
                models,
                target,
                prompts or (),
                settings=settings,
                seeds=seeds,
                templates=templates,
                scanned=scanned,
                progress=progress,
            )
            tracks = replace(tracks, retrieval_score=retrieval_score)
        tracks = replace(tracks, damage="" if source.damage is None else str(source.damage))
        if session is not None:
            start_session(
                video,
                tracks=tracks,
                path=session,
                model=models,
                opening=how,
                filters=filters,
                settings=settings,
            ).close()
        if out is not None:
            write_results(tracks, source, Path(out), chosen, overlay=overlay, progress=progress)
    return tracks
