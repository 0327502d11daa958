"""The words of the Python API on a server: code written for one runs on the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.closing import Closing
from seektrack.errors import InputError
from seektrack.outputs import save_formats
from seektrack.outputs.told import written
from seektrack.pipeline.best import SearchAndTrackResult
from seektrack.pipeline.checks import check_outputs
from seektrack.pipeline.detections import to_rows
from seektrack.pipeline.folders import OutputFolders
from seektrack.query import Query, read
from seektrack.serving.client_http import Http, error_of
from seektrack.serving.client_library import RemoteLibrary, sendable
from seektrack.serving.client_results import save_overlay, tracks_of
from seektrack.serving.client_session import RemoteSession
from seektrack.serving.wire import (
    info_of,
    moment_of,
    observation_of,
    prompt_to_json,
    seed_to_json,
)
from seektrack.types import Hit, Observation, Progress, Prompt, Tracks

if TYPE_CHECKING:
    import os

    from seektrack.pipeline.detections import Detections
    from seektrack.pipeline.follow_words import FollowSettings
    from seektrack.pipeline.sources import OnError
    from seektrack.video import Opening


class Client(Closing):
    """A server, in the words of the package: ``Library``, ``track_objects``, ``search_and_track`` and on.

    ::

        import seektrack

        there = seektrack.Client("http://127.0.0.1:8642")
        for moment in there.Library("my-library").search("a red car"):
            print(moment)
        tracks = there.track_objects("holiday/road.mp4", "a red car", out="out/")

    What is written (``out``) is written here; videos are named as the server knows them, see `upload`. Errors
    are those of the package. Work that is awaited is cancelled when the waiting is interrupted, and outlives
    a server that is started anew.

    Args:
        url: Of the server.
        api_key: Of yours, where the server asks for one.
        timeout_s: Longest wait for an answer; jobs are awaited as long as they take.

    Raises:
        InputError: The address is none, or httpx is not installed.
    """

    read = staticmethod(read)

    def __init__(
        self,
        url: str = "http://127.0.0.1:8642",
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self._http = Http(url, api_key=api_key, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"Client({self._http.url!r})"

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def about(self) -> dict[str, Any]:
        """What the server has: libraries, models, roots, formats and bounds."""
        return dict(self._http.get("/about"))

    def libraries(self) -> list[str]:
        """Names of the libraries."""
        return list(self.about()["libraries"])

    def Library(self, path: str | os.PathLike[str]) -> RemoteLibrary:
        """The library of a name, or of a path's last part, in the words of :class:`seektrack.Library`."""
        return RemoteLibrary(self._http, Path(path).name)

    def upload(self, path: str | os.PathLike[str]) -> str:
        """Send a video to the server.

        Returns:
            What it is named by there.

        Raises:
            InputError: The file cannot be read.
            VideoError: It is no video.
        """
        return str(self._http.upload(Path(path))["video"])

    def track_objects(
        self,
        video: str | os.PathLike[str],
        text: str | Sequence[str] | Query | None = None,
        *,
        prompts: Sequence[Prompt] | None = None,
        detections: Detections | None = None,
        masks: bool = False,
        tracker: str | None = None,
        ground_every: int | None = None,
        grounder: str | None = None,
        min_confidence: float | None = None,
        model: str | None = None,
        seeds: Sequence[int | Hit] = (),
        opening: Opening | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        filters: str | None = None,
        translate: str | None = None,
        templates: str | Sequence[str] = "auto",
        settings: FollowSettings | None = None,
        retrieval_score: float | None = None,
        out: str | Path | None = None,
        formats: Iterable[str] = defaults.FORMATS,
        overlay: bool | str = True,
        progress: Progress | None = None,
        **others: Any,
    ) -> Tracks:
        """Segment and follow objects through a video of the server; see :func:`seektrack.track_objects`.

        Args:
            video: As the server knows it.
            text, prompts, masks, tracker, ground_every, grounder, min_confidence, seeds, opening, start_s,
                end_s, filters, translate, templates, retrieval_score, progress: As there.
            detections: A file here, or of the server, or detections by frame.
            settings: As there, what the server has words for
                (:class:`seektrack.pipeline.follow_words.FollowWords`).
            model: One the server has; its usual one when None.
            out: Folder for the results, here; nothing is written when None.
            formats, overlay: What to write there.
            others: Arguments of :func:`seektrack.track_objects` a server does not take; None only.

        Raises:
            SeekTrackError: As there; InputError also for what a server does not take.
        """
        refuse(others)
        chosen = check_outputs(out, formats, overlay=overlay)
        body = {
            "video": str(video),
            "text": sendable(text),
            "prompts": None if prompts is None else [prompt_to_json(prompt) for prompt in prompts],
            "detections": self._detections(detections, str(video)),
            "masks": masks,
            **followed(
                settings,
                tracker=tracker,
                ground_every=ground_every,
                grounder=grounder,
                min_confidence=min_confidence,
            ),
            "translate": translate,
            "model": model,
            "seeds": [seed_to_json(seed) if isinstance(seed, Hit) else int(seed) for seed in seeds],
            "templates": wordings(templates),
            "filters": filters,
            "retrieval_score": retrieval_score,
            "overlay": overlay if out is not None else False,
            "formats": [],
            **opened(opening, start_s, end_s),
        }
        result = self._http.wait(self._http.post("/track_objects", body, once=True), progress)
        entry = result["tracks"][0]
        tracks = self.tracks(entry["id"])
        if out is not None:
            self._write(entry["id"], tracks, Path(out), chosen, overlay=overlay)
        return tracks

    def search_and_track(
        self,
        library: RemoteLibrary,
        text: str | Sequence[str] | Query,
        *,
        top: int = defaults.TOP,
        start_s: float | None = None,
        end_s: float | None = None,
        filters: str | None = None,
        translate: str | None = None,
        templates: str | Sequence[str] = "auto",
        min_confidence: float | None = None,
        settings: FollowSettings | None = None,
        out: str | Path | None = None,
        formats: Iterable[str] = defaults.FORMATS,
        overlay: bool | str = True,
        on_error: OnError | None = None,
        progress: Progress | None = None,
        **others: Any,
    ) -> list[SearchAndTrackResult]:
        """Find a text in a library of the server and follow it; see :func:`seektrack.search_and_track`.

        Args:
            library: As `Library` gives it.
            text, top, start_s, end_s, filters, translate, templates, min_confidence, settings, on_error,
                progress: As there.
            out: Folder for the results, one subfolder a video, here; nothing is written when None.
            formats, overlay: What to write there.
            others: Arguments a server does not take; None only.

        Raises:
            SeekTrackError: As there.
        """
        refuse(others)
        chosen = check_outputs(out, formats, overlay=overlay)
        body = {
            "text": sendable(text),
            "top": top,
            "start_s": start_s,
            "end_s": end_s,
            "filters": filters,
            "translate": translate,
            "templates": wordings(templates),
            **followed(settings, min_confidence=min_confidence),
            "overlay": overlay if out is not None else False,
            "formats": [],
        }
        job = self._http.post(f"{library.at}/search_and_track", body, once=True)
        result = self._http.wait(job, progress)
        for one in result["failed"]:
            if on_error is not None:
                on_error(one["video"], error_of(one["error"]))
        folders = None if out is None else OutputFolders(out)
        found = []
        for entry in result["tracks"]:
            tracks = self.tracks(entry["id"])
            folder = None if folders is None else folders.of(entry["video"])
            files: dict[str, Path] = {}
            if folder is not None:
                files = self._write(entry["id"], tracks, folder, chosen, overlay=overlay)
            moments = tuple(moment_of(one) for one in entry["moments"])
            found.append(SearchAndTrackResult(entry["video"], moments, tracks, files, folder))
        return found

    def segment_frame(
        self,
        video: str | os.PathLike[str],
        prompts: Sequence[Prompt],
        *,
        model: str | None = None,
        **others: Any,
    ) -> dict[int, Observation]:
        """The mask of each object pointed at on one frame; see :func:`seektrack.segment_frame`."""
        refuse(others)
        body = {
            "video": str(video),
            "prompts": [prompt_to_json(prompt) for prompt in prompts],
            "model": model,
        }
        frame = self._http.post("/segment", body)["frames"][0]
        index, time_s = frame["frame_index"], frame["time_s"]
        return {one["obj_id"]: observation_of(one, index, time_s) for one in frame["objects"]}

    def start_session(
        self,
        video: str | os.PathLike[str],
        text: str | Sequence[str] | Query | None = None,
        *,
        prompts: Sequence[Prompt] | None = None,
        model: str | None = None,
        opening: Opening | None = None,
        filters: str | None = None,
        translate: str | None = None,
        templates: str | Sequence[str] = "auto",
        grounder: str | None = None,
        min_confidence: float | None = None,
        settings: FollowSettings | None = None,
        **others: Any,
    ) -> RemoteSession:
        """A session over a video of the server, kept there; see :func:`seektrack.start_session`."""
        refuse(others)
        body = {
            "video": str(video),
            "text": sendable(text),
            "prompts": None if prompts is None else [prompt_to_json(prompt) for prompt in prompts],
            "model": model,
            "filters": filters,
            "translate": translate,
            "templates": wordings(templates),
            **followed(settings, grounder=grounder, min_confidence=min_confidence),
            **opened(opening, None, None),
        }
        return RemoteSession(self._http, self._http.post("/sessions", body)["id"])

    def open_session(self, path: str | os.PathLike[str], **others: Any) -> RemoteSession:
        """Go on with a session of the server, by its ``path``, which is its id there."""
        refuse(others)
        return RemoteSession(self._http, str(path))

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs of the server, the newest first."""
        return list(self._http.get("/jobs")["jobs"])

    def cancel(self, job_id: str) -> None:
        """Stop a job.

        Raises:
            SeekTrackError: There is none, or it has ended.
        """
        self._http.post(f"/jobs/{job_id}/cancel")

    def retry(self, job_id: str) -> None:
        """Do a job again that failed or was cancelled.

        Raises:
            SeekTrackError: There is none, or it is not of that kind.
        """
        self._http.post(f"/jobs/{job_id}/retry")

    def tracks(self, tracks_id: str) -> Tracks:
        """What a job followed, without loss."""
        return tracks_of(self._http, tracks_id)

    def _write(
        self, tracks_id: str, tracks: Tracks, folder: Path, formats: tuple[str, ...], *, overlay: bool | str
    ) -> dict[str, Path]:
        """Results in a folder here, as the package writes them."""
        save_formats(tracks, folder, formats)
        save_overlay(self._http, tracks_id, folder, overlay)
        return written(folder, formats, overlay=overlay)

    def _detections(self, given: Detections | None, video: str) -> str | list[dict[str, Any]] | None:
        """Detections as a request holds them; a file that is not here is one of the server's."""
        if given is None or (isinstance(given, (str, Path)) and not Path(given).is_file()):
            return None if given is None else str(given)
        if isinstance(given, (str, Path)):
            from seektrack.outputs.detected import read_detections

            given = read_detections(given, info_of(self._http.post("/videos", {"video": video})))
        return to_rows(given)


def followed(settings: FollowSettings | None, **given: Any) -> dict[str, Any]:
    """How a video is followed, as a server takes it; what is None was not given.

    Raises:
        InputError: There are no words for something in the settings.
    """
    from seektrack.pipeline.follow_words import FollowWords

    if settings is None:
        return given
    beside = {name: value for name, value in FollowWords.said_beside(settings).items() if value is not None}
    return (
        asdict(FollowWords.of(settings)) | given | {n: v for n, v in beside.items() if given.get(n) is None}
    )


def refuse(others: dict[str, Any]) -> None:
    """Refuse arguments that only work where the networks are.

    Raises:
        InputError: One was given.
    """
    given = [name for name, value in others.items() if value not in (None, False)]
    if given:
        raise InputError(
            f"{given[0]} is not taken by a server", hint="leave it out, or work on the machine itself"
        )


def opened(opening: Opening | None, start_s: float | None, end_s: float | None) -> dict[str, Any]:
    """How a video is opened, as a server takes it."""
    if opening is None:
        return {"start_s": start_s, "end_s": end_s}
    return {
        "start_s": opening.start_s if start_s is None else start_s,
        "end_s": opening.end_s if end_s is None else end_s,
        "fps": None if opening.fps is None else float(opening.fps),
        "frames": opening.frames,
        "window": None if opening.window is None else list(opening.window),
        "interpolate": opening.interpolate,
    }


def wordings(templates: str | Sequence[str]) -> str | list[str]:
    """Wordings as JSON holds them."""
    return templates if isinstance(templates, str) else list(templates)
