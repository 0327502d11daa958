"""Sessions over the wire: each a file, open while somebody works on it, told as it changes."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import TrackingSession, open_session, start_session
from seektrack.errors import SeekTrackError
from seektrack.pipeline import Models
from seektrack.serving.events import Board
from seektrack.serving.refusals import RefusedError, not_found
from seektrack.serving.results import Results, exported
from seektrack.serving.session_news import News
from seektrack.serving.state import State
from seektrack.serving.videos import Videos
from seektrack.serving.wire import prompt_of
from seektrack.serving.work import opening_of

if TYPE_CHECKING:
    from seektrack.pipeline.follow_words import FollowSettings

_OPEN = 8
"""Sessions held open that nobody works on at the moment."""
_AWAKE = 2
"""Of these, so many with their decoder, which takes five times what else is held of one."""


@dataclass
class _Held:
    session: TrackingSession
    users: int = 0
    resting: bool = False


class Sessions:
    """The sessions of a server.

    Args:
        state: Lists them.
        folder: Holds a file each.
        videos: Finds their videos.
        results: Finds results to be put right.
        models: Gives networks by name.
        board: Where changes are told.
        settings: Gives the settings a request means, with a model.

    Attributes:
        folder: Holds a file each.
        news: What is told of them to who listens.
    """

    def __init__(
        self,
        state: State,
        folder: Path,
        videos: Videos,
        results: Results,
        models: Callable[[str | None], Models],
        board: Board,
        settings: Callable[[dict[str, Any], Models], FollowSettings | None],
    ) -> None:
        self.folder = folder
        self._state, self._videos, self._results, self._models = state, videos, results, models
        self._settings = settings
        self._open: OrderedDict[str, _Held] = OrderedDict()
        self.news = News(board)
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        known = {str(row["id"]) for row in state.all("SELECT id FROM sessions")}
        for file in folder.iterdir():  # begun by a server that ended before it could list it
            if file.name.partition(".")[0] not in known:
                file.unlink(missing_ok=True)

    def start(self, asked: dict[str, Any], *, owner: str = "") -> str:
        """Begin a session; it is on the disk when this returns its id.

        Raises:
            SeekTrackError: As :func:`seektrack.start_session`.
        """
        named = self._videos.find(asked["video"])
        self._videos.check_length(named, start_s=asked["start_s"], end_s=asked["end_s"])
        models = self._models(asked["model"])
        tracks = None if asked["tracks"] is None else self._results.tracks(asked["tracks"])
        session_id = uuid.uuid4().hex[:16]
        prompts = [prompt_of(one) for one in asked["prompts"] or ()]
        session = start_session(
            named.path,
            asked["text"],
            prompts=prompts or None,
            tracks=tracks,
            path=self._file(session_id),
            model=models,
            opening=opening_of(asked),
            filters=asked["filters"],
            translate=asked["translate"],
            templates=asked["templates"],
            grounder=asked["grounder"],
            min_confidence=asked["min_confidence"],
            settings=self._settings(asked, models),
        )
        with self._state.writing() as connection:
            now = time.time()
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
                (session_id, named.path, models.name, owner, now, now),
            )
        with self._lock:
            self._open[session_id] = _Held(session)
        self._let_go()
        return session_id

    def listed(self) -> list[dict[str, Any]]:
        """Every session, the latest changed first."""
        rows = self._state.all("SELECT * FROM sessions ORDER BY changed_s DESC")
        ids = self._videos.tell({str(row["video"]) for row in rows})
        return [
            {
                "id": row["id"],
                "video": row["video"],
                "video_id": ids[row["video"]],
                "owner": row["owner"],
                "created_s": row["created_s"],
                "changed_s": row["changed_s"],
            }
            for row in rows
        ]

    @contextmanager
    def opened(self, session_id: str, *, changes: bool = False) -> Iterator[TrackingSession]:
        """A session, open while the block lasts.

        Args:
            session_id: Its id.
            changes: Whether it is changed; who listens is told then.

        Raises:
            RefusedError: There is none.
            SeekTrackError: It cannot be opened, as when its video is gone.
        """
        with self._lock:
            held = self._open.get(session_id)
            if held is None:
                row = self._state.one("SELECT * FROM sessions WHERE id = ?", session_id)
                if row is None:
                    raise not_found(f"session {session_id[:40]!r}", hint="GET /api/v1/sessions lists them")
                self._videos.find(str(row["video"]))
                models = self._models(str(row["model"]))
                held = _Held(open_session(self._file(session_id), model=models))
                self._open[session_id] = held
            self._open.move_to_end(session_id)
            held.users += 1
            held.resting = False
        try:
            yield held.session
        finally:
            if changes:  # also of what was broken off: what was repaired until then stands
                self._note(session_id, held.session)
            with self._lock:
                held.users -= 1
            self._let_go()

    def _note(self, session_id: str, session: TrackingSession) -> None:
        """Note that a session was changed, and tell who listens; the edit is in its own file already."""
        with contextlib.suppress(SeekTrackError), self._state.writing() as connection:
            connection.execute("UPDATE sessions SET changed_s = ? WHERE id = ?", (time.time(), session_id))
        with contextlib.suppress(SeekTrackError, sqlite3.Error):
            self.news.tell(session_id, "session", changed(session))

    def remove(self, session_id: str) -> None:
        """Forget a session and its file.

        Raises:
            RefusedError: There is none, or somebody works on it.
        """
        with self._lock:
            held = self._open.get(session_id)
            if held is not None and held.users:
                raise RefusedError(
                    409, "conflict", f"session {session_id} is at work", hint="cancel its job first"
                )
            with self._state.writing() as connection:
                if not connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,)).rowcount:
                    raise not_found(f"session {session_id[:40]!r}")
            if held is not None:
                held.session.close()
                del self._open[session_id]
            self.news.forget(session_id)
        self._file(session_id).unlink(missing_ok=True)
        self.news.wake(session_id)

    def export(self, session_id: str, format: str) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
        """The tracks as they are now in a format, in a folder that is the caller's to clean up.

        Raises:
            InputError: The format is unknown, or cannot hold them.
        """
        with self.opened(session_id) as session:
            tracks = session.tracks
        folder = tempfile.TemporaryDirectory(prefix="seektrack-")
        try:
            return exported(Path(folder.name), lambda: tracks, format), folder
        except BaseException:
            folder.cleanup()
            raise

    def copy(self, session_id: str) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
        """A copy of the file, in a folder that is the caller's to clean up."""
        folder = tempfile.TemporaryDirectory(prefix="seektrack-")
        try:
            path = Path(folder.name) / f"{session_id}.session"
            with self.opened(session_id) as session:
                session.save(path)
        except BaseException:
            folder.cleanup()
            raise
        return path, folder

    def is_there(self, session_id: str) -> bool:
        """Whether a session was not removed."""
        return self._state.one("SELECT 1 FROM sessions WHERE id = ?", session_id) is not None

    def close(self) -> None:
        """Close what is open; every edit is in its file already."""
        with self._lock:
            for held in self._open.values():
                held.session.close()
            self._open.clear()

    def _file(self, session_id: str) -> Path:
        return self.folder / f"{session_id}.session"

    def _let_go(self) -> None:
        """Close those nobody works on, but the last few, and let all of these rest but the last two."""
        with self._lock:
            idle = [one for one, held in self._open.items() if not held.users]
            for session_id in idle[:-_OPEN]:
                self._open.pop(session_id).session.close()
                self.news.forget(session_id)
            for session_id in idle[-_OPEN:-_AWAKE]:
                held = self._open[session_id]
                if not held.resting:
                    held.session.rest()
                    held.resting = True


def changed(session: TrackingSession) -> dict[str, Any]:
    """What of a session may have changed, as JSON."""
    edits = session.edits
    return {
        "followed": session.followed,
        "pending": list(session.pending),
        "edits": [asdict(edit) for edit in edits],
        "can_undo": any(not edit.undone for edit in edits),
        "can_redo": any(edit.undone for edit in edits),
    }
