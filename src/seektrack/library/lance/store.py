"""The LanceDB back end: a library in a folder or on object storage that many machines read and write.

Long, as it fills one interface; what it is made of lies in the modules beside it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import LibraryError
from seektrack.library.address import CATALOGUE, Backend
from seektrack.library.backend import VideoStatus
from seektrack.library.beside import ClipModel, ClipRows, Extra
from seektrack.library.identity import identify, is_there, is_unchanged, library_key, stamp
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.lance import catalogue, pictures, tables
from seektrack.library.lance.beside import STRETCHES, Beside
from seektrack.library.lance.catalogue import LIBRARY_ID, Entry
from seektrack.library.lance.nearest import DISTANCE, Searching, index_columns, kind_for
from seektrack.library.lance.reader import LanceReader
from seektrack.library.lance.writer import LanceSink, is_silent, owned_by
from seektrack.library.rows import Maker, Where
from seektrack.library.turns import KIND, TurnTimes, turns_of
from seektrack.library.whole import KEPT, Picture, WholeVideo
from seektrack.library.writer import VideoWriterHandle, new_owner
from seektrack.types import VideoInfo

MARK_S = 3600.0
"""So long a video that is gone stays marked: what a writer that lost it still adds is taken out again."""
_AT_ONCE = 4096


class LanceStore(LanceReader):
    """A library of LanceDB tables, open."""

    _all_turns: tuple[object, dict[str, TurnTimes]] | None = None

    @classmethod
    def create(
        cls, path: str | Path, *, model: str, fingerprint: str, dim: int, backend: Backend | None = None
    ) -> LanceStore:
        """See `LibraryStore.create`."""
        if cls.is_library(path):
            raise LibraryError(
                f"{str(tables.resolved(path))!r} already holds a library",
                hint="open it, or choose another place",
            )
        return cls.open_or_create(path, model=model, fingerprint=fingerprint, dim=dim)

    @classmethod
    def open(cls, path: str | Path, *, readonly: bool = False, backend: Backend | None = None) -> LanceStore:
        """See `LibraryStore.open`."""
        place = tables.resolved(path)
        if isinstance(place, Path) and not place.is_dir():
            raise tables.no_library(place)
        return cls(place, tables.connect(place), readonly=readonly)

    @classmethod
    def open_or_create(
        cls, path: str | Path, *, model: str, fingerprint: str, dim: int, backend: Backend | None = None
    ) -> LanceStore:
        """See `LibraryStore.open_or_create`."""
        place = tables.resolved(path)
        if isinstance(place, Path):
            with tables.guard(place):
                place.mkdir(parents=True, exist_ok=True)
                others = [one.name for one in place.iterdir() if not one.name.endswith(".lance")]
            if others and not (place / f"{CATALOGUE}.lance").is_dir():
                raise LibraryError(
                    f"{str(place)!r} holds other files and no library", hint="choose a new or empty folder"
                )
        connection = tables.connect(place)
        if CATALOGUE not in tables.names_of(connection, place) or not _has_versions(place):
            about = {
                "schema": catalogue.SCHEMA_VERSION,
                "model": model,
                "fingerprint": fingerprint,
                "dim": dim,
            }
            first = Entry(LIBRARY_ID, "library", "", about)
            with tables.guard(place), contextlib.suppress(ValueError):  # another process was quicker
                connection.create_table(CATALOGUE, data=catalogue.as_table([first]))
        store = cls(place, connection, readonly=False)
        store.require(model=model, fingerprint=fingerprint)
        return store

    @staticmethod
    def is_library(path: str | Path) -> bool:
        """See `LibraryStore.is_library`."""
        place = tables.resolved(path)
        if isinstance(place, Path):
            return (place / f"{CATALOGUE}.lance").is_dir()
        return CATALOGUE in tables.names_of(tables.connect(place), place)

    @cached_property
    def _beside(self) -> Beside:
        table = tables.open_or_make(self._connection, self.path, tables.BESIDE, tables.BESIDE_SCHEMA)
        return Beside(table, self.path)

    def writable(self) -> None:
        """Refuse to write to a library that is open read-only.

        Raises:
            LibraryError: It is.
        """
        if self.readonly:
            raise LibraryError(
                f"the library {str(self.path)!r} is open read-only",
                hint="use a place you may write to, or open it for writing",
            )

    def write(
        self, entries: Iterable[Entry], *, only_where: str | None = None, new_too: bool | None = None
    ) -> int:
        """Write rows of the catalogue in one commit; see `catalogue.write`.

        Raises:
            LibraryError: The library is open read-only, or cannot be written.
        """
        self.writable()
        done = catalogue.write(self._catalogue, self.path, entries, only_where=only_where, new_too=new_too)
        self._now()
        return done

    def _say(self, **changes: object) -> None:
        self.writable()
        catalogue.write_library(self._catalogue, self.path, self._now(), changes)
        self._now()

    def note_asked(self, name: str) -> None:
        """See `LibraryStore.note_asked`."""
        if name != self.asked:
            self._say(asked=name)
            self.asked = name

    def verify(self) -> None:
        """See `LibraryStore.verify`."""
        state = self._state()
        for one in state.served.values():
            self._check_whole(
                replace(state, videos=(one,)), self._fetch(state, Where(), np.array([one.id]))[1]
            )
        for kind in (KIND, "distance"):
            for _ in self._beside.all(kind):
                pass
        for _ in self._beside.stretches():
            pass

    # Indexing.

    def status(self, path: str | Path, *, settings: str = "") -> VideoStatus:
        """See `LibraryStore.status`."""
        rows = self._state().of_path(library_key(path))
        for row in rows:
            fits = row.about["settings"] == settings and row.fingerprint == self.making.fingerprint
            if fits and is_unchanged(path, row.identity):
                if row.state == "whole" and not self.readonly:
                    self._note_time(row, stamp(path)[1])
                return "partial" if row.state == "indexing" else "done"
        return "changed" if rows else "new"

    def _note_time(self, row: Entry, mtime_ns: int) -> None:
        """Remember that a file was only touched, so that it is not read whole again."""
        if mtime_ns != row.about["mtime_ns"]:
            self.write([row.with_about(mtime_ns=mtime_ns)], only_where="target.state = 'whole'")

    def recognise(self, path: str | Path) -> str | None:
        """See `LibraryStore.recognise`."""
        key, identity, state = library_key(path), identify(path), self._now()
        if identity.size < 0 or state.of_path(key):
            return None
        alike = (identity.size, identity.digest)
        for row in sorted(state.videos, key=lambda one: one.path):
            if row.state != "whole" or (row.about["size"], row.about["digest"]) != alike:
                continue
            if is_there(row.path) or not is_unchanged(path, row.identity):
                continue
            moved = [one for one in state.of_path(row.path) if one.state == "whole"]
            changed = [
                replace(one, path=key).with_about(path=key, mtime_ns=identity.mtime_ns) for one in moved
            ]
            self.write(changed, only_where="target.state = 'whole'")
            return row.path
        return None

    def begin_video(
        self, path: str | Path, info: VideoInfo, *, settings: str = "", restart: bool = False
    ) -> VideoWriterHandle:
        """See `LibraryStore.begin_video`."""
        self.writable()
        key, owner, maker = library_key(path), new_owner(), self.making
        identity = identify(path)
        self._frames_of(maker.fingerprint, maker.dim)
        state = self._now()
        older = [one for one in state.of_path(key) if one.state == "indexing"]
        for one in older:
            if not is_silent(one):
                raise LibraryError(
                    f"{key!r} is being indexed by another process ({one.owner.split('/')[1]})",
                    hint="wait until it has finished",
                )
        about = {
            **{"path": key, "size": identity.size, "mtime_ns": identity.mtime_ns, "digest": identity.digest},
            **{"whole": "", "width": info.width, "height": info.height, "fps": str(info.fps)},
            **{"duration_s": info.duration_s, "n_frames": info.n_frames, "settings": settings},
            **{"fingerprint": maker.fingerprint, "damage": "", "pictures": 0},
        }
        new = Entry(state.new_id(), "indexing", key, about, owner=owner, beat_s=time.time())
        # Whoever had it is told with its next commit; its rows come under the new id or are never seen.
        taken = [replace(one, owner=owner) for one in older]
        held = " OR ".join(f"({owned_by(one.owner)})" for one in older)
        if self.write([*taken, new], only_where=held or None, new_too=True) <= len(older):
            self.forget([new])
            raise LibraryError(
                f"{key!r} was taken by another process just now", hint="wait until it has finished"
            )
        sink = LanceSink(self, new)
        for one in older:
            same = (
                not restart
                and (one.about["settings"], one.fingerprint) == (settings, maker.fingerprint)
                and is_unchanged(path, one.identity)
            )
            if same:
                sink.continue_after(one)
        self.forget(taken)
        return VideoWriterHandle(sink, key, sink.last_frame_index, dim=maker.dim, identity=identity)

    def forget(self, rows: Iterable[Entry]) -> None:
        """Mark rows as gone in one commit; `tidy` takes out what belongs to them."""
        gone = [replace(one, state="gone", owner="", beat_s=time.time()) for one in rows]
        if gone:
            self.write(gone)

    def _sweep(self, gone: Sequence[Entry]) -> None:
        """Take out pictures and what lies beside them of rows that are gone; failing to is no harm."""
        ids = ", ".join(str(one.id) for one in gone)
        with contextlib.suppress(LibraryError), tables.guard(self.path):
            for fingerprint in {one.fingerprint for one in gone}:
                self._frames_of(fingerprint).delete(f"video_id IN ({ids})")
            self._beside.drop(f"video_id IN ({ids})")

    def remove(self, path: str | Path) -> bool:
        """See `LibraryStore.remove`."""
        self.writable()
        rows = self._now().of_path(library_key(path))
        self.forget(rows)
        return bool(rows)

    def tidy(self) -> None:
        """See `LibraryStore.tidy`."""
        if self.readonly:
            return
        state = self._now()
        self.forget(
            one
            for one in state.videos
            if one.state == "whole" and one.id not in state.served and one.fingerprint == state.fingerprint
        )
        gone = [one for one in self._state().videos if one.state == "gone"]
        if gone:
            self._sweep(gone)
        old = [one for one in gone if time.time() - one.beat_s > MARK_S]
        with contextlib.suppress(LibraryError), tables.guard(self.path):
            if old:
                self._catalogue.delete(f"state = 'gone' AND id IN ({', '.join(str(one.id) for one in old)})")
            kept = timedelta(seconds=MARK_S)
            frames = self._frames_of(self.fingerprint, self.dim)
            if self._is_large():
                index_columns(frames)
            for table in (frames, self._catalogue):
                table.optimize(cleanup_older_than=kept)
        self._now()
        if self._is_large() and self._index_is_due():
            self.build_index()

    def _index_is_due(self) -> bool:
        """Whether the index is not of the kind wanted, or was measured in a library half as large."""
        about, count = self._state().library.about, self.count()
        made_of = f"{self.fingerprint} {DISTANCE}"
        kept = about.get("manifest") if about.get("manifest_of") == made_of else None
        known = "flat" if kept is None else kept["kind"]
        return known != kind_for(self._chosen(), count) or (
            known != "flat" and kept is not None and count > 2 * int(kept["vectors"])
        )

    # Another model.

    def make_with(self, maker: Maker) -> None:
        """See `LibraryStore.make_with`."""
        self._making = maker
        self.writable()
        wanted = {self.fingerprint, maker.fingerprint}
        served = self._state().served
        self.forget(
            one
            for one in self._state().videos
            if one.id not in served and one.state != "gone" and one.fingerprint not in wanted
        )

    def lacking(self) -> list[str]:
        """See `LibraryStore.lacking`."""
        state = self._state()
        made = {
            one.path
            for one in state.videos
            if one.state == "whole" and one.fingerprint == self.making.fingerprint
        }
        return sorted(one.path for one in state.served.values() if one.path not in made)

    def switch(self) -> None:
        """See `LibraryStore.switch`."""
        maker = self.making
        if maker.fingerprint == self.fingerprint:
            return
        lacking = self.lacking()
        if lacking:
            raise LibraryError(
                f"{len(lacking)} videos of the library are not indexed with {maker.model!r} yet: "
                f"{', '.join(lacking[:3])}",
                hint="index them too, or take them out with: seektrack videos --remove",
            )
        before = self._now().served
        after = {one.path: one for one in self._state().videos if one.fingerprint == maker.fingerprint}
        for one in before.values():
            new = after.get(one.path)
            if new is not None and _same_file(one, new):
                self._beside.hand_over(one.id, new.id)
        self._say(model=maker.model, fingerprint=maker.fingerprint, dim=maker.dim)
        self.model, self.fingerprint, self.dim = maker.model, maker.fingerprint, maker.dim
        self._making = self._cached = None
        self.forget(before.values())

    # What lies beside the vectors.

    def _served_row(self, path: str | Path) -> Entry | None:
        key = library_key(path)
        return next((one for one in self._state().served.values() if one.path == key), None)

    def extra(self, path: str | Path, kind: str) -> Extra | None:
        """See `LibraryStore.extra`."""
        row = self._served_row(path)
        return None if row is None else self._beside.get(row.id, kind)

    def extras(self, kind: str) -> Iterator[tuple[str, Extra]]:
        """See `LibraryStore.extras`."""
        served = self._state().served
        for video_id, extra in self._beside.all(kind):
            if video_id in served:
                yield served[video_id].path, extra

    def turns_by_video(self, videos: Sequence[str]) -> list[TurnTimes]:
        """See `LibraryStore.turns_by_video`; all of them are read in one query, and kept."""
        state = self.extras_state(KIND)
        if self._all_turns is None or self._all_turns[0] != state:
            self._all_turns = (state, {path: turns_of(extra) for path, extra in self.extras(KIND)})
        kept = self._all_turns[1]
        return [kept.get(library_key(video), TurnTimes({})) for video in videos]

    def put_extra(self, path: str | Path, kind: str, numbers: Mapping[int, float], *, note: str = "") -> bool:
        """See `LibraryStore.put_extra`."""
        self.writable()
        rows = [one for one in self._state().of_path(library_key(path)) if one.state == "whole"]
        made = [one for one in rows if one.fingerprint == self.making.fingerprint]
        if not rows:
            return False
        self._beside.put((made or rows)[0].id, kind, Extra(note, numbers))
        return True

    def extras_state(self, kind: str) -> object:
        """See `LibraryStore.extras_state`."""
        return self._beside.version, self.generation()

    def stretch_model(self) -> ClipModel | None:
        """See `LibraryStore.stretch_model`."""
        kept = self._state().library.about.get("clip_model")
        return ClipModel(**kept) if kept else None

    def keep_stretches_of(self, model: ClipModel | None) -> None:
        """See `LibraryStore.keep_stretches_of`."""
        old = self.stretch_model()
        self._say(clip_model=None if model is None else asdict(model))
        if old is not None and (model is None or old.fingerprint != model.fingerprint):
            self._beside.drop(f"kind = '{STRETCHES}'")

    def stretch_settings(self, path: str | Path) -> str | None:
        """See `LibraryStore.stretch_settings`."""
        row = self._served_row(path)
        if row is None or self.stretch_model() is None:
            return None
        return next((settings for _, (settings, _) in self._beside.stretches([row.id])), None)

    def put_stretches(
        self, path: str | Path, rows: Sequence[tuple[float, float, bytes]], settings: str
    ) -> bool:
        """See `LibraryStore.put_stretches`."""
        self.writable()
        model = self.stretch_model()
        found = self._state().of_path(library_key(path))
        if not found or model is None:
            return False
        self._beside.put_stretches(found[0].id, rows, settings, model.dim)
        return True

    def stretches(self, where: Where | None = None) -> ClipRows:
        """See `LibraryStore.stretches`."""
        asked, model, served = where or Where(), self.stretch_model(), self._state().served
        paths = {i: one.path for i, one in served.items()}
        key = None if asked.video is None else library_key(asked.video)
        ids = [i for i, path in paths.items() if key in (None, path) and (asked.missing or is_there(path))]
        found: list[tuple[int, float, float, bytes]] = []
        if model is not None:
            for video_id, (_, rows) in self._beside.stretches(ids):
                for start, end, vector in rows:
                    after = asked.start_s is None or end >= asked.start_s
                    if after and (asked.end_s is None or start < asked.end_s):
                        found.append((video_id, start, end, vector))
        found.sort(key=lambda one: one[:2])
        return ClipRows.of(
            [one[0] for one in found],
            [one[1] for one in found],
            [one[2] for one in found],
            [one[3] for one in found],
            dim=model.dim if model else 0,
            paths=paths,
        )

    # Whole videos.

    def same(self, video: WholeVideo) -> bool:
        """See `LibraryStore.same`."""
        row = self._served_row(video.path)
        return row is not None and video.same_as(row.about)

    def give(self, paths: Iterable[str], *, stretches: bool) -> Iterator[WholeVideo]:
        """See `LibraryStore.give`."""
        for path in paths:
            row = self._served_row(path)
            if row is None:
                raise LibraryError(f"{path!r} was taken out of the library meanwhile", hint="copy again")
            held = {kind: self._beside.get(row.id, kind) for kind in (KIND, "distance")}
            settings, cut = next((one for _, one in self._beside.stretches([row.id])), (None, []))
            yield WholeVideo(
                {name: row.about[name] for name in KEPT},
                self._pictures(row),
                {kind: extra for kind, extra in held.items() if extra is not None},
                settings if stretches else None,
                cut if stretches else [],
            )

    def _pictures(self, row: Entry) -> Iterator[Picture]:
        with tables.guard(self.path):
            query = self._frames_of(self.fingerprint, self.dim).search().where(f"video_id = {row.id}")
            found = pictures.in_order(query.select([*pictures.PLACE, "vector"]).to_arrow())
        vectors = pictures.vectors_of(found, self.dim)
        pictures.check(found, vectors, self.path, {row.id: row.path})
        if len(found) != row.pictures:
            raise tables.damaged(self.path, f"pictures of {row.path!r} are missing from it")
        yield from pictures.pictures_of(found, vectors)

    def take(self, video: WholeVideo) -> int:
        """See `LibraryStore.take`."""
        state, owner = self._now(), new_owner()
        self._frames_of(self.fingerprint, self.dim)
        new = Entry(
            state.new_id(), "indexing", video.path, dict(video.about), owner=owner, beat_s=time.time()
        )
        self.write([new])
        sink = LanceSink(self, new)
        try:
            waiting: list[Picture] = []
            for one in video.pictures:
                waiting.append(one)
                if len(waiting) >= _AT_ONCE:
                    sink.write(waiting)
                    waiting = []
            sink.write(waiting)
            if sink.count != video.about["pictures"]:
                raise tables.damaged(self.path, f"pictures of {video.path!r} did not arrive whole")
            for kind, extra in video.extras.items():
                self._beside.put(new.id, kind, extra)
            model = self.stretch_model()
            if video.stretch_settings is not None and model is not None:
                self._beside.put_stretches(new.id, video.stretches, video.stretch_settings, model.dim)
            sink.serve(new.about, hand_over=False)
        except BaseException:
            with contextlib.suppress(LibraryError):
                self.forget([new])
            raise
        return sink.count

    # Index and arrays.

    def build_index(self, settings: IndexSettings | None = None) -> IndexManifest:
        """See `LibraryStore.build_index`."""
        self.writable()
        chosen, state = settings or self._chosen(), self._state()
        sql = pictures.sql_of(Where(), None, state.served, state.hidden)
        with tables.guard(self.path):
            made = Searching(self._frames_of(self.fingerprint, self.dim)).build(
                chosen, state.count, self.dim, sql=sql
            )
        self._say(index=asdict(chosen), manifest=asdict(made), manifest_of=f"{self.fingerprint} {DISTANCE}")
        return made

    def choose_index(self, settings: IndexSettings) -> IndexManifest | None:
        """See `LibraryStore.choose_index`."""
        if not self._is_large():
            self._say(index=asdict(settings))
            return None
        if settings == self._chosen() and not self._index_is_due():
            return self.index_manifest()
        return self.build_index(settings)

    def cached_array(self, key: str) -> NDArray[np.float32] | None:
        """See `LibraryStore.cached_array`."""
        with contextlib.suppress(LibraryError, ValueError):
            return self._beside.array(key)
        return None

    def keep_array(self, key: str, array: NDArray[np.float32]) -> None:
        """See `LibraryStore.keep_array`."""
        if not self.readonly:
            with contextlib.suppress(LibraryError):
                self._beside.put_array(key, array)


def _has_versions(place: Path | str) -> bool:
    """Whether the catalogue of a folder was ever written whole; an address lists none that was not."""
    if not isinstance(place, Path):
        return True
    return any((place / f"{CATALOGUE}.lance" / "_versions").glob("*.manifest"))


def _same_file(one: Entry, other: Entry) -> bool:
    return (one.about["size"], one.about["digest"]) == (other.about["size"], other.about["digest"])
