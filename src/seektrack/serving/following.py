"""How a request wants its video followed, with what it names looked up where a server may look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from seektrack.errors import InputError, UnforeseenError
from seektrack.pipeline import Models, track_objects
from seektrack.pipeline.detections import from_rows
from seektrack.pipeline.follow_words import PREDICTORS, FollowWords
from seektrack.pipeline.following import FollowTask, check_written
from seektrack.pipeline.sources import NamedVideo

if TYPE_CHECKING:
    from seektrack.pipeline.detections import Detections
    from seektrack.pipeline.follow_words import FollowSettings
    from seektrack.pipeline.workers import Workers
    from seektrack.serving.roots import Roots
    from seektrack.types import Progress, Tracks
    from seektrack.video import Opening

BUILT_IN = (None, "proposals")
"""Grounders every server has."""


def check_following(asked: dict[str, Any], roots: Roots, networks: Sequence[str]) -> None:
    """Refuse what cannot be followed so, before it waits for its turn.

    Raises:
        InputError: A name is unknown, or of a network that is not served.
        RefusedError: A file or folder does not lie below the roots.
    """
    if asked.get("grounder") not in BUILT_IN:
        _check_network("grounder", asked["grounder"], networks)
    if asked.get("translate") is not None:
        _check_network("translator", asked["translate"], networks)
    words_of(asked, roots, networks).check()
    if isinstance(asked.get("detections"), str):
        roots.find(asked["detections"])


def words_of(asked: dict[str, Any], roots: Roots, networks: Sequence[str]) -> FollowWords:
    """What a request says, folders as they lie on this machine.

    Raises:
        InputError: A depth network is not served.
        RefusedError: A folder does not lie below the roots.
    """
    words = FollowWords.said(asked)
    if words.predictor not in PREDICTORS:
        words = replace(words, predictor=str(roots.find(words.predictor)))
    if words.depth is not None and words.depth.startswith("hf:"):
        _check_network("depth network", words.depth, networks)
    elif words.depth is not None:
        words = replace(words, depth=str(roots.find(words.depth)))
    return words


def follow_settings(
    asked: dict[str, Any], models: Models, roots: Roots, networks: Sequence[str]
) -> FollowSettings | None:
    """The settings a request means, with a model.

    Raises:
        SeekTrackError: See `check_following`; or something it needs cannot be loaded.
    """
    words = words_of(asked, roots, networks)
    mode = words.propagation or models.preset.propagation
    return replace(words, propagation=mode).settings(device=models.device)


def detections_of(asked: Any, roots: Roots) -> Detections | None:
    """Detections from what `TrackAsked` let through: a file, or boxes by frame."""
    if asked is None:
        return None
    return str(roots.find(asked)) if isinstance(asked, str) else from_rows(asked)


def _check_network(what: str, name: str, networks: Sequence[str]) -> None:
    if name not in networks:
        has = f"it has {', '.join(networks)}" if networks else "it has none"
        raise InputError(
            f"the {what} {name!r} is not served", hint=f"{has}; start it with: serve --network {name}"
        )


def followed(
    path: str,
    how: dict[str, Any],
    opening: Opening,
    models: Models,
    workers: Workers | None,
    progress: Progress,
) -> Tracks:
    """The tracks of a video, made by this process or by a worker of a cluster.

    Args:
        path: The video.
        how: What `track_objects` is told beside; ``out`` is on a disk that all see.
        opening, models, progress: As for `track_objects`.
        workers: Those of a cluster; this process when None.

    Raises:
        ClusterError: What a worker wrote is not there for this machine.
        SeekTrackError: As `track_objects`.
    """
    if workers is None:
        return track_objects(path, model=models, opening=opening, progress=progress, **how)
    task = FollowTask(NamedVideo(path, path, opening=opening), how)
    for came in workers.run([task], models):
        if came.error is not None:
            raise came.error
        if came.piece is not None:
            check_written(how["out"], path)
            return cast("Tracks", came.piece)
    raise UnforeseenError(f"nothing came of {path}")
