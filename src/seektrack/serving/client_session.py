"""A session of a server, in the words of `seektrack.TrackingSession`."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from seektrack import defaults
from seektrack.closing import Closing
from seektrack.outputs import load_tracks, save_formats
from seektrack.pipeline import Corrected, Correction, Edit, PropagatedMask
from seektrack.pipeline.checks import check_outputs
from seektrack.serving.client_http import Http, error_of
from seektrack.serving.client_results import save_overlay, tracks_of
from seektrack.serving.wire import info_of
from seektrack.types import Frame, Mask, Progress, Tracks, VideoInfo


class RemoteSession(Closing):
    """A session of a server; its methods take and give what those of a tracking session do.

    Args:
        http: The server.
        session_id: Of the session there.

    Attributes:
        path: Its id, by which it is opened again.
    """

    def __init__(self, http: Http, session_id: str) -> None:
        self._http, self.path = http, session_id
        self._at = f"/sessions/{session_id}"
        self._held()

    def __repr__(self) -> str:
        return f"TrackingSession({self.path!r} at {self._http.url!r})"

    def close(self) -> None:
        """Nothing is open here; everything is kept there."""

    def save(self, path: str | Path) -> None:
        """Write a copy of the session to a file here.

        Raises:
            OutputError: It cannot be written.
        """
        self._http.save(f"{self._at}/file", Path(path))

    def write(
        self,
        folder: str | Path,
        *,
        formats: Iterable[str] = defaults.FORMATS,
        overlay: bool | str = True,
        progress: Progress | None = None,
    ) -> Tracks:
        """Write the tracks as they are now to a folder here; see :meth:`seektrack.TrackingSession.write`."""
        chosen = check_outputs(folder, formats, overlay=overlay)
        asked: dict[str, Any] = {"formats": [], "overlay": overlay}
        result = self._http.wait(self._http.post(f"{self._at}/write", asked, once=True), progress)
        tracks_id = result["tracks"][0]["id"]
        tracks = tracks_of(self._http, tracks_id)
        save_formats(tracks, Path(folder), chosen)
        save_overlay(self._http, tracks_id, Path(folder), overlay)
        return tracks

    @property
    def info(self) -> VideoInfo:
        """What is known of the video."""
        return info_of(self._http.get(f"/videos/{self._held()['video_id']}"))

    @property
    def query(self) -> str:
        """The text that was asked for; empty when objects were pointed at."""
        return str(self._held()["query"])

    @property
    def followed(self) -> bool:
        """Whether the video was followed to its end."""
        return bool(self._held()["followed"])

    @property
    def tracks(self) -> Tracks:
        """The tracks as they are now."""
        with tempfile.TemporaryDirectory(prefix="seektrack-") as folder:
            path = self._http.save(f"{self._at}/export", Path(folder) / "tracks.json", format="json")
            return load_tracks(path, "json")

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Everything that was done by hand, in order; undone edits come last."""
        return tuple(Edit(**one) for one in self._held()["edits"])

    @property
    def pending(self) -> tuple[int, ...]:
        """Objects that were put right on a frame while the frames around it are still as they were."""
        return tuple(self._held()["pending"])

    def masks(self, frame_index: int) -> dict[int, Mask]:
        """Masks of the objects seen on a frame, by id; nothing is computed."""
        found = self._http.get(f"{self._at}/masks", start=frame_index, count=1)["frames"]
        here = [frame for frame in found if frame["frame_index"] == frame_index]
        objects = here[0]["objects"] if here else []
        return {
            one["obj_id"]: Mask.from_coco(one["mask"]) for one in objects if one["mask"] and one["visible"]
        }

    def frame(self, frame_index: int) -> Frame:
        """A frame of the video.

        Raises:
            InputError: There is no such frame.
        """
        from PIL import Image

        video = self._held()["video_id"]
        times = self._http.get(f"/videos/{video}/times")["times"]
        picture = self._http.bytes(f"/videos/{video}/frames/{frame_index}.png")
        image = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
        return Frame(frame_index, Fraction(times[frame_index]).limit_denominator(10**6), image)

    def follow(self, *, progress: Progress | None = None) -> Tracks:
        """Follow the video to its end where that was not done yet; corrections made meanwhile stand."""
        if not self.followed:
            self._http.wait(self._http.post(f"{self._at}/follow", once=True), progress)
        return self.tracks

    def correct(self, correction: Correction) -> Corrected:
        """Put an object right on one frame, or add one; see :meth:`seektrack.TrackingSession.correct`."""
        made = self._http.post(f"{self._at}/corrections", _plain(correction.to_dict()))
        return Corrected(made["obj_id"], made["frame_index"], Mask.from_coco(made["mask"]))

    def propagate(self, *, progress: Progress | None = None) -> Iterator[PropagatedMask]:
        """Repair the frames around every correction; see :meth:`seektrack.TrackingSession.propagate`.

        Yields:
            Every object on every frame as it is followed there.
        """
        with self._http.events(f"{self._at}/events") as events:
            next(events)  # it listens from here on
            job = self._http.post(f"{self._at}/propagate", once=True)
            ended = False
            try:
                count = 0
                for name, content in events:
                    if name == "job" and content["id"] == job["id"]:
                        ended = True
                        if content["error"]:
                            raise error_of(content["error"])
                        return
                    if name == "mask":
                        count += 1
                        if progress is not None:
                            progress(count, 0, "repairing")
                        mask = None if content["mask"] is None else Mask.from_coco(content["mask"])
                        yield PropagatedMask(content["frame_index"], content["obj_id"], mask)
            finally:
                if not ended:
                    self._http.post(f"/jobs/{job['id']}/cancel")

    def rename(self, obj_id: int, label: str) -> None:
        """Call an object something else."""
        self._http.post(f"{self._at}/rename", {"obj_id": obj_id, "label": label})

    def merge(self, obj_id: int, into: int) -> None:
        """Make one object part of another; where both are seen the other's masks stand."""
        self._http.post(f"{self._at}/merge", {"obj_id": obj_id, "into": into})

    def split(self, obj_id: int, frame_index: int) -> int:
        """Make an object of its own of what an object is from a frame on; its id."""
        body = {"obj_id": obj_id, "frame_index": frame_index}
        return int(self._http.post(f"{self._at}/split", body)["result"])

    def delete(self, obj_id: int) -> None:
        """Take an object out."""
        self._http.post(f"{self._at}/delete", {"obj_id": obj_id})

    def undo(self) -> Edit:
        """Take back the latest edit and everything repaired since."""
        return Edit(**self._http.post(f"{self._at}/undo")["result"])

    def redo(self) -> Edit:
        """Do again what was undone last."""
        return Edit(**self._http.post(f"{self._at}/redo")["result"])

    def _held(self) -> dict[str, Any]:
        return dict(self._http.get(self._at))


def _plain(held: dict[str, Any]) -> dict[str, Any]:
    """Points and boxes as lists."""
    points = {name: [list(point) for point in held[name]] for name in ("positive", "negative")}
    return held | points | {"box": None if held["box"] is None else list(held["box"])}
