"""What lies beside the vectors in the embedded back end, and whole videos in and out of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from seektrack.errors import LibraryError
from seektrack.library import database, distances, extras, stretches, turns
from seektrack.library.beside import ClipModel, ClipRows, Extra
from seektrack.library.checks import damaged
from seektrack.library.database import scalar
from seektrack.library.identity import is_there, library_key
from seektrack.library.reader import EmbeddedReader
from seektrack.library.reading import paths_of, row_is_whole
from seektrack.library.rows import Where
from seektrack.library.whole import KEPT, Picture, WholeVideo


class EmbeddedCopying(EmbeddedReader):
    """Extras, stretches and copies of `EmbeddedStore`."""

    def extra(self, path: str | Path, kind: str) -> Extra | None:
        """See `LibraryStore.extra`."""
        with self._reading() as connection:
            video = self._served_id(path)
            return None if video is None else extras.get(connection, self.path, video, kind)

    def extras(self, kind: str) -> Iterator[tuple[str, Extra]]:
        """See `LibraryStore.extras`."""
        with self._reading() as connection:
            yield from list(extras.get_all(connection, self.path, kind, self.served()))

    def put_extra(self, path: str | Path, kind: str, numbers: Mapping[int, float], *, note: str = "") -> bool:
        """See `LibraryStore.put_extra`."""
        with self.writing() as connection:
            video = scalar(
                connection,
                "SELECT id FROM videos WHERE path = ? AND state != 'indexing' ORDER BY id DESC",
                library_key(path),
            )
            if video is None:
                return False
            extras.put(connection, int(video), kind, numbers, note=note)
            for older in ("frame_distances", "measured_videos"):  # of this release's beginnings
                connection.execute(f"DROP TABLE IF EXISTS {older}")
            database.write_meta(connection, {"distances": database.new_generation()})
            return True

    def extras_state(self, kind: str) -> object:
        """See `LibraryStore.extras_state`."""
        with self._reading() as connection:
            return (
                scalar(connection, "SELECT value FROM meta WHERE key = 'distances'"),
                scalar(connection, "SELECT value FROM meta WHERE key = 'generation'"),
            )

    def stretch_model(self) -> ClipModel | None:
        """See `LibraryStore.stretch_model`."""
        with self._reading() as connection:
            return stretches.model_of(connection)

    def keep_stretches_of(self, model: ClipModel | None) -> None:
        """See `LibraryStore.keep_stretches_of`."""
        with self.writing() as connection:
            if model is not None:
                stretches.lay_out(connection)
            old = stretches.model_of(connection)
            another = model is None or (old is not None and old.fingerprint != model.fingerprint)
            if another and stretches.have_stretches(connection):
                connection.execute("DELETE FROM clips")
                connection.execute("DELETE FROM clip_videos")
            values = {
                "clip_model": None if model is None else model.name,
                "clip_fingerprint": None if model is None else model.fingerprint,
                "clip_dim": None if model is None else str(model.dim),
            }
            database.write_meta(connection, values)

    def stretch_settings(self, path: str | Path) -> str | None:
        """See `LibraryStore.stretch_settings`."""
        with self._reading() as connection:
            if not stretches.have_stretches(connection):
                return None
            found = scalar(
                connection,
                "SELECT c.settings FROM clip_videos c JOIN videos v ON v.id = c.video_id "
                "WHERE v.path = ? AND v.state = 'done'",
                library_key(path),
            )
        return None if found is None else str(found)

    def put_stretches(
        self, path: str | Path, rows: Sequence[tuple[float, float, bytes]], settings: str
    ) -> bool:
        """See `LibraryStore.put_stretches`."""
        with self.writing() as connection:
            video = scalar(
                connection,
                "SELECT id FROM videos WHERE path = ? ORDER BY state = 'indexing'",
                library_key(path),
            )
            if video is None:
                return False
            stretches.put(connection, int(video), rows, settings)
            return True

    def stretches(self, where: Where | None = None) -> ClipRows:
        """See `LibraryStore.stretches`."""
        asked = where or Where()
        with self._reading() as connection:
            model = stretches.model_of(connection)
            paths = paths_of(connection, self.path)
            found = [] if model is None else stretches.touching(connection, self.path, asked, self.served())
        found = [row for row in found if asked.missing or is_there(paths[row[0]])]
        columns = [[row[i] for row in found] for i in range(4)]
        return ClipRows.of(*columns, dim=model.dim if model else 0, paths=paths)

    def same(self, video: WholeVideo) -> bool:
        """See `LibraryStore.same`."""
        with self._reading() as connection:
            there = _served(connection, video.path)
            return there is not None and video.same_as(dict(there))

    def give(self, paths: Iterable[str], *, stretches: bool) -> Iterator[WholeVideo]:
        """See `LibraryStore.give`."""
        for path in paths:
            with self._reading() as connection:
                video = _served(connection, path)
                if video is None:
                    raise LibraryError(f"{path!r} was taken out of the library meanwhile", hint="copy again")
                yield self._whole(connection, video, stretches=stretches)

    def _whole(self, connection: sqlite3.Connection, video: sqlite3.Row, *, stretches: bool) -> WholeVideo:
        held = {kind: self.extra(video["path"], kind) for kind in (turns.KIND, distances.KIND)}
        settings, rows = self._stretches_of(connection, video["id"]) if stretches else (None, [])
        return WholeVideo(
            {name: video[name] for name in KEPT},
            self._pictures(connection, video),
            {kind: extra for kind, extra in held.items() if extra is not None},
            settings,
            rows,
        )

    def _pictures(self, connection: sqlite3.Connection, video: sqlite3.Row) -> Iterator[Picture]:
        count = 0
        for row in connection.execute("SELECT * FROM frames WHERE video_id = ? ORDER BY id", (video["id"],)):
            if not row_is_whole(row):
                raise damaged(self.path, "a picture in it is not what was stored")
            count += 1
            place = (row["frame_index"], row["pts"], row["time_s"], row["kind"])
            yield (*place, row["x0"], row["y0"], row["x1"], row["y1"], row["vector"])
        if count != video["pictures"]:
            raise damaged(self.path, f"pictures of {video['path']!r} are missing from it")

    def _stretches_of(
        self, connection: sqlite3.Connection, video_id: int
    ) -> tuple[str | None, list[tuple[float, float, bytes]]]:
        if not stretches.have_stretches(connection):
            return None, []
        known = scalar(connection, "SELECT settings FROM clip_videos WHERE video_id = ?", video_id)
        rows = stretches.whole_rows(connection, self.path, video_id)
        return known, [(row["start_s"], row["end_s"], row["vector"]) for row in rows]

    def take(self, video: WholeVideo) -> int:
        """See `LibraryStore.take`."""
        with self.writing() as connection:
            there = _served(connection, video.path)
            if there is not None:
                connection.execute("DELETE FROM videos WHERE id = ?", (there["id"],))
            names = ", ".join((*KEPT, "state", "checksum", "owner", "beat_s"))
            marks = ", ".join("?" * len(KEPT))
            cursor = connection.execute(
                f"INSERT INTO videos ({names}) VALUES ({marks}, 'done', 0, '', 0)",
                tuple(video.about[name] for name in KEPT),
            )
            new_id = int(cursor.lastrowid or 0)
            count = database.insert_pictures(connection, new_id, video.pictures)
            if count != video.about["pictures"]:
                raise damaged(self.path, f"pictures of {video.path!r} did not arrive whole")
            for kind, extra in video.extras.items():
                extras.put(connection, new_id, kind, extra.numbers, note=extra.note)
            if video.stretch_settings is not None:
                stretches.put(connection, new_id, video.stretches, video.stretch_settings)
            database.seal_video(connection, new_id)
            database.served_changed(connection)
            database.write_meta(connection, {"distances": database.new_generation()})
            return count


def _served(connection: sqlite3.Connection, path: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM videos WHERE path = ? AND state = 'done'", (path,)
    ).fetchone()
    return row
