"""``track --session``: one video followed, kept, put right, and written anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack.errors import InputError
from seektrack.query import Query
from seektrack.types import Progress, Prompt, Tracks

if TYPE_CHECKING:
    from seektrack.pipeline import Correction, Models, TrackingSession
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening


@dataclass(frozen=True)
class SessionWork:
    """What is to be done in a session.

    Attributes:
        file: Where it is kept.
        video: Its video; None where the session says which.
        query, prompts, settings, opening, filters, templates: What a new one follows, and how.
        models: For a new one.
        named: The model where one was named; an old one is checked against it.
        device: For an old one.
        tracks: A file of tracks to start from.
        corrections, edits, undo: What is done then.
    """

    file: Path
    video: str | None
    query: Query | None
    prompts: Sequence[Prompt]
    models: Callable[[], Models]
    named: str | None
    device: str | None
    settings: FollowSettings | None = None
    opening: Opening | None = None
    filters: str | None = None
    templates: dict[str, Any] | None = None
    tracks: Path | None = None
    corrections: Sequence[Correction] = ()
    edits: Sequence[Callable[[TrackingSession], object]] = ()
    undo: int = 0

    def run(self, followed: Callable[[], Tracks] | None, progress: Progress | None) -> TrackingSession:
        """Do it; the session is open.

        Args:
            followed: Follows in another way than a session can; None where the session follows.
            progress: Called with ``(done, total, stage)``.
        """
        session = self._opened(followed)
        try:
            session.follow(progress=progress)
            self._change(session)
            for _ in session.propagate(progress=progress):
                pass
        except BaseException:
            session.close()
            raise
        return session

    def _change(self, session: TrackingSession) -> None:
        """Take back, edit and correct: all of it, or where one of them is refused none."""
        with session.all_or_none():
            for _ in range(self.undo):
                session.undo()
            for edit in self.edits:
                edit(session)
            for correction in self.corrections:
                session.correct(correction)

    def _opened(self, followed: Callable[[], Tracks] | None) -> TrackingSession:
        from seektrack.pipeline import open_session, start_session

        if self.file.exists():
            session = open_session(self.file, video=self.video, model=self.named, device=self.device)
            try:
                self._check_same(session)
            except BaseException:
                session.close()
                raise
            return session
        if self.video is None:
            raise InputError(f"no such session: {self.file}", hint="name the video to start one")
        tracks = self._read() if followed is None else followed()
        return start_session(
            self.video,
            self.query,
            prompts=self.prompts or None,
            tracks=tracks,
            path=self.file,
            model=self.models(),
            opening=self.opening,
            filters=self.filters,
            settings=self.settings,
            **(self.templates or {}),
        )

    def _read(self) -> Tracks | None:
        if self.tracks is None or self.video is None:
            return None
        from seektrack.outputs import load_tracks
        from seektrack.video import open_video

        with open_video(self.video) as source:
            return load_tracks(self.tracks, video=source.info)

    def _check_same(self, session: TrackingSession) -> None:
        """Refuse to go on with a session that follows something else.

        Raises:
            InputError: It does.
        """
        asked = session.asked
        others = [
            self.query is not None and self.query != asked.query,
            bool(self.prompts) and [_said(p) for p in self.prompts] != [_said(p) for p in asked.prompts],
            self.tracks is not None,
        ]
        if any(others):
            what = repr(session.query) if session.query else "what was pointed at"
            raise InputError(
                f"the session {self.file} is there already and follows {what}",
                hint="leave the question out to go on with it, or name another file",
            )


def _said(prompt: Prompt) -> tuple[Any, ...]:
    points = () if prompt.points is None else tuple(map(tuple, prompt.points.tolist()))
    labels = () if prompt.point_labels is None else tuple(prompt.point_labels.tolist())
    mask = None if prompt.mask is None else prompt.mask.counts
    return prompt.obj_id, prompt.frame_index, points, labels, prompt.box, mask
