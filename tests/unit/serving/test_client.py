"""Code written for the package runs on a server: the same calls on both, the same answers."""

from __future__ import annotations

import filecmp
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seektrack
from seektrack import (
    Client,
    Correction,
    InputError,
    Library,
    LibraryError,
    Prompt,
    PromptError,
    QueryError,
    SeekTrackError,
    TrackingSession,
    VideoError,
    Where,
)
from seektrack.retrieval import TimedText
from seektrack.serving.client import Client as Remote
from seektrack.serving.client_library import RemoteLibrary
from seektrack.serving.client_session import RemoteSession
from seektrack.video import open_video

BOX = (30.0, 30.0, 90.0, 80.0)
PROMPTS = [Prompt(1, 0, box=BOX, label="car")]


@pytest.fixture(scope="module")
def there(live: str) -> Iterator[Client]:
    with Client(live) as client:
        yield client


Asked = Callable[[Any, Any, Path], Any]

CALLS: dict[str, Asked] = {
    "search": lambda st, library, film: library.search("a red car", k=3, min_confidence=0.0),
    "search for two": lambda st, library, film: library.search(["a red car", "a dog"], min_confidence=0.0),
    "search where": lambda st, library, film: library.search(
        "a red car", where=Where.of(video=film, only="frames", end_s=0.5, min_confidence=0.0)
    ),
    "a chain": lambda st, library, film: library.sequences(["a red car", "a car"], k=2),
    "a question read before": lambda st, library, film: library.hits(
        st.read("two red cars, no dogs"), min_confidence=0.0, rank_by="cosine"
    ),
    "similar": lambda st, library, film: library.similar(
        open_video(film).frame_at(2).image, k=2, min_confidence=0
    ),
    "align": lambda st, library, film: library.align([TimedText("a red car", 0.0, 0.5)], film),
    "corrected": lambda st, library, film: library.corrected("a red caar"),
    "videos": lambda st, library, film: library.videos(),
    "stats": lambda st, library, film: library.stats(),
    "segment": lambda st, library, film: st.segment_frame(film, PROMPTS),
    "track": lambda st, library, film: st.track_objects(film, prompts=PROMPTS),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_same_call_gives_the_same_answer(call: str, there: Client, indexed: Path, films: Path):
    with Library(indexed) as library:
        here = CALLS[call](seektrack, library, films / "road.mp4")
    remote = CALLS[call](there, there.Library("films"), films / "road.mp4")
    assert type(remote) is type(here)
    assert remote == here
    if isinstance(here, list):
        assert getattr(remote, "query", None) == getattr(here, "query", None)
        assert getattr(remote, "notices", None) == getattr(here, "notices", None)


def test_a_comparison_is_the_same(there: Client, indexed: Path):
    with Library(indexed) as library:
        here = library.compare(["a red car", "a car"], k=2)
    remote = there.Library("films").compare(["a red car", "a car"], k=2)
    assert remote.wordings == here.wordings
    np.testing.assert_array_equal(remote.overlap, here.overlap)
    np.testing.assert_array_equal(remote.correlation, here.correlation)


def test_results_are_written_here_as_the_package_writes_them(there: Client, films: Path, tmp_path: Path):
    film, formats = films / "road.mp4", ("json", "mot", "davis")
    seektrack.track_objects(film, prompts=PROMPTS, out=tmp_path / "here", formats=formats)
    steps: list[tuple[int, int, str]] = []
    there.track_objects(
        film,
        prompts=PROMPTS,
        out=tmp_path / "there",
        formats=formats,
        progress=lambda *step: steps.append(step),
    )
    names = sorted(
        str(p.relative_to(tmp_path / "here")) for p in (tmp_path / "here").rglob("*") if p.is_file()
    )
    assert "overlay.mp4" in names and "davis/road/00000.png" in names
    _, differ, missing = filecmp.cmpfiles(tmp_path / "here", tmp_path / "there", names, shallow=False)
    assert (differ, missing) == ([], [])
    assert steps


def test_a_text_is_found_in_a_library_and_followed(there: Client, indexed: Path, tmp_path: Path):
    with Library(indexed) as library:
        here = seektrack.search_and_track(library, "a red car", top=1, overlay=False)
    remote = there.search_and_track(
        there.Library("films"), "a red car", top=1, overlay=False, out=tmp_path, formats=["csv"]
    )
    assert [(r.video, r.moments, r.tracks) for r in remote] == [(r.video, r.moments, r.tracks) for r in here]
    assert all(one.files["csv"].is_file() for one in remote)


def test_a_session_is_the_same(there: Client, films: Path, tmp_path: Path):
    def put_right(session: Any) -> list[Any]:
        with session:
            seen: list[Any] = [session.follow()]
            seen.append(session.correct(Correction(3, 1, box=(40, 40, 80, 75))))
            seen.append(session.pending)
            seen.append(sorted((m.frame_index, m.obj_id, m.mask) for m in session.propagate()))
            seen.append(session.masks(4))
            session.rename(1, "lorry")
            seen.append(session.split(1, 3))
            seen.append(session.undo())
            seen.append([edit.kind for edit in session.edits])
            seen.append(session.tracks)
            seen.append(session.frame(2).image.tolist())
            seen.append((session.info, session.query, session.followed))
        return seen

    film = films / "road.mp4"
    here = put_right(seektrack.start_session(film, prompts=PROMPTS, path=tmp_path / "own"))
    remote = put_right(there.start_session(film, prompts=PROMPTS))
    assert remote == here


def test_a_library_is_filled_from_afar(there: Client, films: Path, tmp_path: Path):
    name = there.upload(films / "street.mp4")
    assert name.endswith("street.mp4") and name != str(films / "street.mp4")
    library = there.Library("films")
    steps: list[str] = []
    report = library.index(
        [name, tmp_path / "none.mp4"],
        sampling="every=3",
        regions="none",
        progress=lambda done, total, stage: steps.append(stage),
    )
    assert report.indexed == 1 and "indexing street.mp4" in steps
    assert [(type(error), error.code) for _, error in report.failed] == [(VideoError, "bad_video")]
    assert name in [video.path for video in library.videos()]
    assert library.remove(name) and not library.remove(name)


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        (QueryError, lambda st, lib: lib.search("-night")),
        (InputError, lambda st, lib: lib.search("a car", video="/nowhere.mp4")),
        (VideoError, lambda st, lib: st.track_objects("/nowhere.mp4", "a car")),
        (
            PromptError,
            lambda st, lib: st.segment_frame("road.mp4", [Prompt(1, 0, points=None, box=(9, 9, 5, 5))]),
        ),
        (InputError, lambda st, lib: st.track_objects("road.mp4")),
        (InputError, lambda st, lib: st.track_objects("road.mp4", "a car", formats=["nonsense"], out="x")),
    ],
)
def test_what_is_wrong_is_said_by_the_same_errors(
    kind: type[SeekTrackError], ask: Callable[[Any, Any], Any], there: Client, indexed: Path, films: Path
):
    with pytest.raises(kind) as remote:
        ask(there, there.Library("films"))
    before = Path.cwd()
    os.chdir(films)
    try:
        with Library(indexed) as library, pytest.raises(kind) as here:
            ask(seektrack, library)
    finally:
        os.chdir(before)
    assert remote.value.code == here.value.code
    assert remote.value.message


def test_a_library_that_is_not_there_and_a_server_that_is_not(there: Client):
    with pytest.raises(LibraryError):
        there.Library("nothing").search("a car")
    with pytest.raises(SeekTrackError, match="does not answer"):
        Client("http://127.0.0.1:9", timeout_s=0.5)._http.post("/read", {"text": "a"})


def test_what_a_server_cannot_be_told_is_refused_here(there: Client):
    with pytest.raises(InputError, match="session is not taken"):
        there.track_objects("road.mp4", "a car", session="a.session")
    with pytest.raises(InputError, match="translate"):
        there.Library("films").search("ein Auto", translate="some/model")


def test_waiting_that_is_interrupted_cancels_the_job(there: Client):
    def stop(done: int, total: int, stage: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        there.track_objects("road.mp4", prompts=PROMPTS, progress=stop)
    job = there.jobs()[0]
    assert job["cancelling"] or job["state"] in ("cancelled", "running", "done")


@pytest.mark.parametrize(
    ("here", "remote"),
    [
        (seektrack.track_objects, Remote.track_objects),
        (seektrack.search_and_track, Remote.search_and_track),
        (seektrack.segment_frame, Remote.segment_frame),
        (seektrack.start_session, Remote.start_session),
        (seektrack.open_session, Remote.open_session),
    ],
)
def test_arguments_have_the_names_and_the_order_they_have_here(here: Any, remote: Any):
    own = list(inspect.signature(here).parameters)
    theirs = [name for name in inspect.signature(remote).parameters if name not in ("self", "others")]
    assert [name for name in own if name in theirs] == theirs


@pytest.mark.parametrize(("here", "remote"), [(Library, RemoteLibrary), (TrackingSession, RemoteSession)])
def test_no_method_is_missing_or_called_otherwise(here: Any, remote: Any):
    only_here = {
        "ground",
        "build_index",
        "holds",
        "take_over",
        "asked",
        "models",
        "path",
        "name",
        "at",
        "sam2",
        "rest",
        "all_or_none",
    }
    own = {name for name in dir(here) if not name.startswith("_")} - only_here
    assert own - set(dir(remote)) == set()
    assert {name for name in dir(remote) if not name.startswith("_")} - only_here <= own
