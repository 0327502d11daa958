"""Starting a tracking session, and opening one again: of the same film, with the same segmenter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seektrack import defaults
from seektrack.encoders import Templates, check_templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError, VideoError
from seektrack.library.identity import identify, library_key
from seektrack.pipeline.checks import check_prompts, check_shown
from seektrack.pipeline.detections import chosen_settings
from seektrack.pipeline.models import Models
from seektrack.pipeline.session import TrackingSession, closing_on_error
from seektrack.pipeline.session_asked import Asked, packed
from seektrack.pipeline.session_store import SessionStore
from seektrack.query import Query, read
from seektrack.types import Prompt, Tracks

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening, VideoInput


def start_session(
    video: VideoInput,
    text: str | Sequence[str] | Query | None = None,
    *,
    prompts: Sequence[Prompt] | None = None,
    tracks: Tracks | None = None,
    path: str | Path | None = None,
    model: str | Models = defaults.MODEL,
    device: str | None = None,
    opening: Opening | None = None,
    filters: str | None = None,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    grounder: str | None = None,
    min_confidence: float | None = None,
    settings: FollowSettings | None = None,
) -> TrackingSession:
    """A session over one video; `TrackingSession.follow` follows what it asks for.

    Args:
        video: A file, a folder of images or pictures in memory.
        text, prompts: What to follow, as for :func:`seektrack.track_objects`; neither, to add objects by
            hand.
        tracks: A result to put right, instead of following: of this video, from anywhere.
        path: The session's file, written as it goes; in memory only when None.
        model, device, opening, filters, translate, templates, grounder, min_confidence, settings: As for
            :func:`seektrack.track_objects`.

    Raises:
        InputError: Several of text, prompts and tracks are given, the file is there already, the video cannot
            be read again later, or a setting cannot be kept.
        QueryError: The text is empty.
        PromptError: A prompt lies outside the video.
        VideoError: The video cannot be read.
        OutputError: The file cannot be written.
    """
    from seektrack.video import Opening
    from seektrack.video.filters import parse_filter

    if sum(given is not None for given in (text, prompts, tracks)) > 1:
        raise InputError("more than one of text, prompts and tracks given", hint="give one of them")
    target = None if text is None else read(text, translate=as_translator(translate))
    check_templates(templates)
    if filters is not None:
        parse_filter(filters)
    models = model if isinstance(model, Models) else Models(model, device=device)
    models.check()
    asked = Asked(
        target,
        tuple(prompts or ()),
        opening or Opening(),
        filters,
        templates,
        _settings(settings, models, grounder, min_confidence),
    )
    file = None if path is None else Path(path)
    if file is not None and file.exists():
        raise InputError(
            f"{file} is there already", hint="go on with it by open_session, or take another name"
        )
    with asked.opening.open(video) as source:
        check_shown(source)
        check_prompts(asked.prompts, source)
        if target is None and not prompts and tracks is None:
            times = {source.first_index + i: float(t) for i, t in enumerate(source.times())}
            tracks = Tracks(source.info, "", (), times)
    store = SessionStore.create(
        file,
        {
            "asked": packed(asked),
            "query": tracks.query if tracks is not None else "" if target is None else target.typed,
            "film": film_of(video),
            "model": models.stable_name,
            "resolution": models.resolution,
            "runtime": models.runtime,
        },
    )
    with closing_on_error(TrackingSession(store, video, models)) as session:
        if tracks is not None:
            session.take_over(tracks)
        return session


def open_session(
    path: str | Path,
    *,
    video: VideoInput | None = None,
    model: str | Models | None = None,
    device: str | None = None,
) -> TrackingSession:
    """Go on with a session.

    Args:
        path: The file it is kept in.
        video: Where its video is now; where it was when None.
        model: The networks it was made with, where they have another name now.
        device: As for :func:`seektrack.track_objects`.

    Raises:
        InputError: There is no such file, or it is no session.
        VideoError: The video is gone, or it is another one.
        ModelError: The segmenter is another one.
    """
    file = Path(path)
    store = SessionStore.open(file)
    try:
        kept = store.meta("film")
        there = kept["path"] if video is None else video
        _check_film(file, kept, there)
        if isinstance(model, Models):
            models = model
        else:
            models = Models(
                model or store.meta("model"),
                device=device,
                resolution=store.meta("resolution"),
                runtime=store.meta("runtime"),
            )
        session = TrackingSession(store, there, models)
    except BaseException:
        store.close()
        raise
    with closing_on_error(session):
        if model is not None:
            session._check_networks()
    return session


def session_for(
    path: str | Path,
    video: VideoInput,
    query: Query | None,
    prompts: Sequence[Prompt],
    models: Models,
    opening: Opening,
    filters: str | None,
    templates: Templates,
    settings: FollowSettings,
) -> TrackingSession:
    """The session of a file that asks the same, to go on with, or a new one there.

    Raises:
        InputError: The session that is there follows something else.
    """
    if not Path(path).exists():
        return start_session(
            video,
            query,
            prompts=prompts or None,
            path=path,
            model=models,
            opening=opening,
            filters=filters,
            templates=templates,
            settings=settings,
        )
    session = open_session(path, video=video, model=models)
    asked = Asked(query, tuple(prompts), opening, filters, templates, settings)
    with closing_on_error(session):
        if packed(asked) != packed(session.asked):
            raise InputError(
                f"the session {path} is there already and follows something else, or in another way",
                hint="ask the same to go on with it, or name another file",
            )
    return session


def film_of(video: VideoInput) -> dict[str, Any]:
    """What tells a film from another: of a file its size and a hash of its ends, of pictures a hash of all.

    Raises:
        InputError: It cannot be read again later.
        VideoError: It cannot be read.
    """
    if isinstance(video, (str, os.PathLike)):
        key = library_key(os.fspath(video))
        if os.path.exists(key):
            return {"path": key, **asdict(identify(key))}
    elif isinstance(video, (np.ndarray, list, tuple)):
        digest = hashlib.sha256()
        for picture in video:
            digest.update(f"{np.shape(picture)}".encode())
            digest.update(np.ascontiguousarray(picture).tobytes())
        return {"path": "", "size": len(video), "mtime_ns": 0, "digest": digest.hexdigest(), "whole": ""}
    raise InputError(
        f"a session cannot be kept of {video!r}, which cannot be read again",
        hint="record it first; a session is of a file, a folder of images or pictures in memory",
    )


def _check_film(file: Path, kept: dict[str, Any], there: Any) -> None:
    if isinstance(there, str) and (not there or not os.path.exists(library_key(there))):
        what = (
            f"the film {there} of the session {file} is gone"
            if there
            else f"the film of {file} was in memory"
        )
        raise VideoError(what, hint="say where it is now: name the video beside the session")
    found = film_of(there)
    if (found["size"], found["digest"]) != (kept["size"], kept["digest"]):
        raise VideoError(
            f"the session {file} is of another film than {found['path'] or 'these pictures'}",
            hint=f"it is of {kept['path'] or 'pictures in memory'}, {kept['size']} bytes",
        )


def _settings(
    settings: FollowSettings | None, models: Models, grounder: str | None, min_confidence: float | None
) -> FollowSettings:
    """The settings with what the model's name and the arguments ask for."""
    from seektrack.segmentation import PropagationSettings
    from seektrack.tracking import EngineSettings, FollowSettings

    chosen = settings
    if settings is None and models.preset.propagation != "memory":
        mode: Any = models.preset.propagation
        chosen = FollowSettings(engine=EngineSettings(propagation=PropagationSettings(mode=mode)))
    chosen = chosen_settings(chosen, grounder=grounder, min_confidence=min_confidence)
    return replace(chosen)
