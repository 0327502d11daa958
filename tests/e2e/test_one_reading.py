"""One question, every door: all of them hear the same, and what must not be found is found by none."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack import Library, Tracks, track_objects
from seektrack.cli import main
from seektrack.encoders import Vocabulary, l2_normalise, register_encoder
from seektrack.evaluation.footage import Footage, write_footage
from seektrack.grounding import TextScorer, embed_objects
from seektrack.library import FrameRow, LibraryStore
from seektrack.pipeline import watch
from seektrack.pipeline.models import Models
from seektrack.query import Concept, in_short, read
from seektrack.retrieval import TimedText
from seektrack.tracking import FollowSettings
from seektrack.types import VideoInfo
from seektrack.video import open_video
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
    monkeypatch.setattr(Models, "sam2", None)  # nothing is segmented
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
