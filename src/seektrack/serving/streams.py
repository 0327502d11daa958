"""Live streams: objects of a text followed as a stream comes, told to whoever watches."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from seektrack.errors import InputError, SeekTrackError, foreseen
from seektrack.outputs.anomaly_entries import anomaly_to_dict
from seektrack.pipeline import LiveResult, LiveTracking, Models, track_live
from seektrack.serving.events import Board
from seektrack.serving.people import Gate
from seektrack.serving.refusals import RefusedError, not_found, shape
from seektrack.serving.wire import observation_to_json

if TYPE_CHECKING:
    from seektrack.pipeline.follow_words import FollowSettings

PICTURES = 12
"""Latest pictures that can still be fetched by those who are told of them."""
ALERTS = 50
"""Latest alerts that are told."""


class Stream:
    """One stream, followed in a thread of its own while somebody wants it.

    Args:
        name: What it is asked for by.
        address: Where it comes from.
        board: Told of every frame.
        gate: Shut while people are served.
    """

    def __init__(self, name: str, address: str, board: Board, gate: Gate) -> None:
        self.name, self.address = name, address
        self._board, self._gate = board, gate
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {"state": "stopped", "text": "", "error": None}
        self._frame: dict[str, Any] | None = None
        self._alerts: deque[dict[str, Any]] = deque(maxlen=ALERTS)
        self._pictures: OrderedDict[int, bytes] = OrderedDict()
        self._seen: set[int] = set()
        self._counted = 0
        self._tracking: LiveTracking | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    @property
    def topic(self) -> str:
        """What is told on the board."""
        return f"stream {self.name}"

    def look(self) -> dict[str, Any]:
        """What goes on now: the state, the latest frame, the latest alerts."""
        with self._lock:
            return {
                "name": self.name,
                **self._state,
                "frame": self._frame,
                "alerts": [dict(one) for one in self._alerts],
            }

    def picture(self, index: int) -> bytes:
        """A picture that was told of, as JPEG.

        Raises:
            RefusedError: It is gone already.
        """
        with self._lock:
            held = self._pictures.get(index)
        if held is None:
            raise not_found(f"picture {index} of stream {self.name!r}", hint="only the latest few are kept")
        return held

    def start(self, text: str, opened: Callable[[], LiveTracking]) -> None:
        """Follow a text from now on.

        Raises:
            RefusedError: It is followed already.
        """
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise RefusedError(409, "conflict", f"stream {self.name!r} is followed", hint="stop it first")
            self._ending.clear()
            self._state = {"state": "opening", "text": text, "error": None}
            self._frame = None
            self._alerts.clear()
            self._pictures.clear()
            self._seen.clear()
            self._counted = 0
            self._thread = threading.Thread(
                target=self._follow, args=(opened,), name=f"seektrack-stream-{self.name}", daemon=True
            )
            self._thread.start()
        self._board.tell(self.topic)

    def stop(self, *, wait_s: float = 5.0) -> None:
        """Follow it no longer; one that is not followed does not mind."""
        self._ending.set()
        with self._lock:
            thread, tracking = self._thread, self._tracking
        if tracking is not None:
            with contextlib.suppress(SeekTrackError):
                tracking.close()
        if thread is not None:
            thread.join(wait_s)

    def _follow(self, opened: Callable[[], LiveTracking]) -> None:
        error: dict[str, Any] | None = None
        try:
            with opened() as tracking:
                with self._lock:
                    self._tracking = tracking
                    self._state["state"] = "running"
                for notice in tracking.notices:
                    self._alert("notice", notice, 0.0)
                for result in tracking:
                    self._gate.wait()
                    self._take(result)
                    if self._ending.is_set():
                        break
        except Exception as caught:
            if not self._ending.is_set():
                error = shape(foreseen(caught))["error"]
        with self._lock:
            self._tracking = None
            self._state["error"] = error
            stopped = self._ending.is_set()
            self._state["state"] = "failed" if error else "stopped" if stopped else "ended"
        self._board.tell(self.topic)

    def _take(self, result: LiveResult) -> None:
        from PIL import Image

        frame, out = result.frame, io.BytesIO()
        Image.fromarray(frame.image).save(out, "JPEG", quality=82)
        objects = [
            {
                **observation_to_json(track.obj_id, seen),
                "label": track.label,
                "confidence": float(track.score),
            }
            for track, seen in result.objects
        ]
        for track, _ in result.objects:
            if track.obj_id not in self._seen:
                self._seen.add(track.obj_id)
                self._alert("appeared", f"{track.label or 'object'} {track.obj_id} appeared", frame.time_s)
        for anomaly in result.anomalies:
            told = anomaly_to_dict(anomaly)
            self._alert("anomaly", f"object {told['obj_id']}: {told['kind']}", frame.time_s)
        for note in result.notes:
            self._alert("stream", note, frame.time_s)
        height, width = frame.image.shape[:2]
        with self._lock:
            self._pictures[frame.index] = out.getvalue()
            while len(self._pictures) > PICTURES:
                self._pictures.popitem(last=False)
            self._frame = {
                "frame_index": frame.index,
                "time_s": frame.time_s,
                "width": width,
                "height": height,
                "objects": objects,
                "latency_s": round(result.latency_s, 4),
                "dropped": result.dropped,
            }
        self._board.tell(self.topic)

    def _alert(self, kind: str, text: str, time_s: float) -> None:
        with self._lock:
            self._counted += 1
            at = {"number": self._counted, "kind": kind, "text": text, "time_s": time_s}
            self._alerts.append({**at, "clock_s": time.time()})


class Streams:
    """The streams a server was started with; no other address is opened, whoever asks.

    Args:
        addresses: By name.
        board, gate: See `Stream`.
        models: Gives networks by name.
        settings: Gives the settings a request means, with a model.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        board: Board,
        gate: Gate,
        models: Callable[[str | None], Models],
        settings: Callable[[dict[str, Any], Models], FollowSettings | None],
    ) -> None:
        self._models, self._settings = models, settings
        self._all = {name: Stream(name, address, board, gate) for name, address in addresses.items()}

    def listed(self) -> list[dict[str, Any]]:
        """Every stream, without its frame."""
        told = [stream.look() for stream in self._all.values()]
        return [{key: one[key] for key in ("name", "state", "text", "error")} for one in told]

    def named(self, name: str) -> Stream:
        """The stream of a name.

        Raises:
            RefusedError: There is none.
        """
        if name not in self._all:
            has = (
                f"there are {', '.join(self._all)}"
                if self._all
                else "start it with: serve --stream NAME=ADDRESS"
            )
            raise not_found(f"stream {name[:80]!r}", hint=has)
        return self._all[name]

    def start(self, name: str, asked: dict[str, Any]) -> Stream:
        """Follow a text in a stream.

        Raises:
            RefusedError: There is no such stream, or it is followed already.
            InputError: What is asked for needs frames that have not come yet.
        """
        stream = self.named(name)
        if asked["fuse"] or asked["amodal"]:
            what = "fuse" if asked["fuse"] else "amodal"
            raise InputError(
                f"{what} looks at later frames, which a stream has not sent yet", hint="leave it out"
            )

        def opened() -> LiveTracking:
            models = self._models(asked["model"])
            return track_live(
                stream.address,
                asked["text"],
                model=models,
                settings=self._settings(asked, models),
                min_confidence=asked["min_confidence"],
                filters=asked["filters"],
                translate=asked["translate"],
                templates=asked["templates"],
            )

        stream.start(asked["text"], opened)
        return stream

    def close(self) -> None:
        """Stop every stream."""
        for stream in self._all.values():
            stream.stop(wait_s=2.0)
