"""One question, every door: all of them hear the same, and what must not be found is found by none."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.unit.serving.conftest import listening

from seektrack import Client, Library, Shards, Tracks, search_and_track, start_session, track_objects
from seektrack.cli import main
from seektrack.encoders import Vocabulary, l2_normalise, register_encoder
from seektrack.errors import SeekTrackError
from seektrack.evaluation.footage import Footage, write_footage
from seektrack.grounding import TextScorer, embed_objects
from seektrack.library import FrameRow, LibraryStore
from seektrack.pipeline import live_track, watch
from seektrack.pipeline.live_track import track_live
from seektrack.pipeline.models import Models
from seektrack.query import Concept, Query, in_short, read
from seektrack.retrieval import TimedText
from seektrack.serving import ServerSettings, create_app
from seektrack.tracking import FollowSettings
from seektrack.types import VideoInfo
from seektrack.video import VideoWriter, open_video
from seektrack.world import SceneSettings, Split, seeds

_TABLE = Path(__file__).parents[1] / "unit" / "query" / "questions.tsv"
QUESTIONS = dict(line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines())


class Blind:
    """An encoder to which everything looks alike, so that only the reading of a question differs."""

    name, dim, fingerprint, logit_scale, image_size = "blind", 4, "blind-1", 10.0, 8
    vocabulary = Vocabulary(("a red car", "a dog"), ("a wall",))

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        return l2_normalise(np.array([[1.0, len(t) % 7, len(t) % 5, 1.0] for t in texts]))

    def embed_images(self, images: Sequence[np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        return l2_normalise(np.ones((len(images), 4)))


def make_blind(*, device: str | None, dtype: str | None) -> Blind:
    return Blind()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    register_encoder("blind")(make_blind)
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    info = VideoInfo(str(film), 64, 48, Fraction(20), 4.0, 80)
    with (
        LibraryStore.create(tmp_path / "lib", model="blind", fingerprint="blind-1", dim=4) as store,
        store.begin_video(film, info) as handle,
    ):
        handle.append([FrameRow(10 * i, Fraction(i, 2), l2_normalise(np.ones(4))) for i in range(8)])
        handle.finish()
    return Library(tmp_path / "lib", model="blind")


def test_every_door_hears_the_same(library: Library, tmp_path: Path, capsys, monkeypatch):
    """At least 80 texts at search, hits, chains, scripts, comparison, live and track, in Python and typed."""
    assert len(QUESTIONS) >= 80
    followed: list[Concept] = []

    def stands_in(engine, grounder, eyes, source, concepts, seeds, settings, progress, scanned):
        followed.extend(concepts)
        return [], {0: 0.0}, ()

    monkeypatch.setattr(sys.modules["seektrack.tracking.follow"], "_follow_concepts", stands_in)
    monkeypatch.setattr(sys.modules["seektrack.tracking.follow"], "seen_by", lambda settings, *rest: settings)
    nothing = SimpleNamespace(for_video=lambda *frames: nothing)
    monkeypatch.setattr(Models, "sam2", nothing)  # nothing is segmented
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.zeros((32, 32, 3), dtype=np.uint8)).save(pictures / "0.png")
    models = Models("blind+pocket")

    def typed(*args: object) -> str:
        with pytest.raises(SystemExit):
            main([str(a) for a in args])
        out, err = capsys.readouterr()
        assert out, err
        return str(json.loads(out)["reading"])

    for text, expected in QUESTIONS.items():
        asked = read(text)
        heard = {
            "search": in_short(library.search(text, k=1).query),
            "hits": in_short(library.hits(text, k=1).query),
            "search typed": typed("search", text, "-l", library.path, "--verbatim", "--explain", "--json"),
            "live": in_short(watch(pictures, [text], model="blind", regions="none").queries[0]),
        }
        if asked.ordered:
            heard["chains"] = in_short(library.sequences(text, k=1).query)
        else:
            placed = library.align([TimedText(text, 0, 1)], str(tmp_path / "film.mp4"))
            assert placed[0].video == str(tmp_path / "film.mp4")
        assert library.compare([text], k=1).wordings[0].text == asked.typed
        followed.clear()
        assert track_objects(pictures, text, model=models).query == asked.typed
        assert followed == list(dict.fromkeys(asked.concepts)), text
        followed.clear()
        args = ("track", pictures, "--text", text, "--model", "blind+pocket", "--out", tmp_path / "out")
        heard["track typed"] = typed(*args, "--no-overlay", "--explain", "--json")
        assert followed == list(dict.fromkeys(asked.concepts)), text
        assert set(heard.values()) == {expected}, (text, heard)


def test_the_doors_of_sessions_streams_and_the_wire_hear_the_same(
    library: Library, tmp_path: Path, monkeypatch
):
    """The same texts at sessions, live tracking, shards, search and track, the server and its client."""
    heard: list[Query] = []
    sent = object()

    def listens(*args: object, **how: object) -> object:
        heard.extend(one for one in (*args, *how.values()) if isinstance(one, Query))
        return sent

    monkeypatch.setattr(live_track, "LastingStream", None, raising=False)
    monkeypatch.setattr(live_track, "_finding", lambda engine, models, asked, *rest: _stop(listens(asked)))
    monkeypatch.setattr(Models, "sam2", None)
    monkeypatch.setattr("seektrack.tracking.engine.Sam2Engine", lambda *given: None)
    pictures = [np.zeros((32, 32, 3), dtype=np.uint8)]
    models = Models("blind+pocket")
    film = tmp_path / "road.mp4"
    with VideoWriter(film, width=32, height=32, fps=10) as writer:
        writer.write(pictures[0])
    app = create_app(ServerSettings((library.path,), roots=(tmp_path,), state=tmp_path / "state"))
    followed: list[str] = []

    def follows(video: object, text: str, **how: object) -> None:
        _stop(followed.append(text))

    monkeypatch.setattr(sys.modules["seektrack.serving.following"], "track_objects", follows)
    with listening(app) as url, Client(url) as there, Shards([library.path]) as shards:
        far = there.Library("lib")
        for text, expected in QUESTIONS.items():
            asked = read(text)
            with start_session(pictures, text, model=models) as session:
                assert session.asked.query == asked
            heard.clear()
            with pytest.raises(Heard):
                track_live(pictures, text, model=models)
            assert heard == [asked], text
            assert shards.search(text, k=1).query == asked
            heard.clear()
            with monkeypatch.context() as patch:
                patch.setattr(Library, "search", lambda self, query, **how: [listens(query)][:0])
                assert search_and_track(library, text) == []
            assert heard == [asked], text
            answers = [far.search(text, k=1), far.hits(text, k=1)]
            assert [one.query for one in answers] == [asked, asked]
            if asked.ordered:
                assert far.sequences(text, k=1).query == asked
            assert far.compare([text], k=1).wordings[0].text == asked.typed
            read_there = httpx.post(f"{url}/api/v1/read", json={"text": text}).json()
            assert (read_there["reading"], read_there["typed"]) == (expected, text)
            with there.start_session(str(film), text) as session:
                assert session.query == asked.typed
        with pytest.raises(SeekTrackError):
            there.track_objects(str(film), "a robot -pink")
        assert followed == ["a robot -pink"]


class Heard(Exception):
    """Ends a door as soon as it heard its question."""


def _stop(_: object) -> None:
    raise Heard


@pytest.fixture(scope="module")
def robots(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """A pink and a blue robot, side by side for a second."""
    settings = SceneSettings(
        n_frames=4, cast=(("robot", "pink"), ("robot", "blue")), actors=(0, 0), street_only=True,
        occluders=0, look_alikes=0.0, object_size=(30.0, 40.0), speed=(0.5, 1.0), texture=0.0, rough=0.0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("robots")
    return write_footage(folder, seeds(Split.TEST, 1, start=7100), settings)[0]


@pytest.fixture(scope="module")
def models() -> Models:
    return Models("pocket", device="cpu")


QUICK = FollowSettings(ground_every_s=10.0, look_every_s=0.3)


def colours(footage: Footage, tracks: Tracks) -> set[str]:
    """Colours of the robots that tracks lie on."""
    found = set()
    for track in tracks:
        for true in footage.truth:
            pairs = [(o, true.at(o.frame_index)) for o in track.observations if o.visible]
            overlaps = [
                o.mask.iou(t.mask)
                for o, t in pairs
                if t is not None and o.mask is not None and t.mask is not None
            ]
            if overlaps and float(np.mean(overlaps)) > 0.3:
                found.add(true.label.split()[1])
    return found


LANGUAGES = (
    "a robot -pink",
    "a robot that is not pink",
    "ein Roboter -rosa",
    "ein Roboter, aber nicht rosa",
    "un robot -rose",
    "un robot qui n'est pas rose",
    "un robot -rosa",
    "un robot que no es rosa",
)


@pytest.mark.parametrize("text", LANGUAGES)
def test_a_pink_robot_is_not_meant_in_any_language(robots: Footage, models: Models, text: str):
    with open_video(robots.path) as source:
        image = next(iter(source)).image
    seen = {t.label: t.at(0) for t in robots.truth}
    boxes, masks = [o.box for o in seen.values()], [o.mask for o in seen.values()]
    looks = embed_objects(models.encoder, image, boxes, masks, crop="both")
    believed = dict(zip(seen, TextScorer(models.encoder, text).confidence(looks), strict=True))
    assert believed["a pink robot"] < 0.1 and believed["a blue robot"] > 0.8


def test_an_exclusion_is_judged_on_the_object_that_is_followed(robots: Footage, models: Models):
    for text, expected in (("a robot -pink", "blue"), ("a robot -blue", "pink")):
        tracks = track_objects(robots.path, text, model=models, settings=QUICK)
        assert colours(robots, tracks) == {expected}
