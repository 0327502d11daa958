"""New names taught to what knows photographs: read from captions, learnt, kept, and asked for."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from skimage import data

from seektrack.cli import main
from seektrack.compression import prune
from seektrack.encoders import load_encoder
from seektrack.encoders.taught import Taught, read_taught
from seektrack.errors import InputError, ModelError
from seektrack.pipeline import Library
from seektrack.serving import ServerSettings, create_app
from seektrack.training.finetune import FinetuneRecipe, finetune_clip, teach_names, usual_mode, world_pairs
from seektrack.training.finetune.said import read_names, split_names
from seektrack.world import Split, seeds


def surfaces(where: slice, count: int, seed: int) -> list[tuple[np.ndarray, list[str]]]:
    """Squares cut from one half of three photographs."""
    rng = np.random.default_rng(seed)
    out = []
    for name in ("gravel", "ihc", "grass"):
        picture = getattr(data, {"ihc": "immunohistochemistry"}.get(name, name))()
        picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
        half = picture[:, where]
        said = {"gravel": "a gravel bed", "ihc": "a tissue section", "grass": "meadow"}[name]
        for _ in range(count):
            side = int(rng.integers(120, 200))
            y, x = (int(rng.integers(0, n - side)) for n in half.shape[:2])
            out.append((np.ascontiguousarray(half[y : y + side, x : x + side]), [said]))
    return out


LEFT, RIGHT = slice(0, 250), slice(260, 512)
RECIPE = FinetuneRecipe(mode="names", held_out=0.2, augment=False)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("taught") / "model"
    return out, finetune_clip(RECIPE, surfaces(LEFT, 8, 0), out, max_minutes=1)


def test_names_are_read_from_captions() -> None:
    lexicon = load_encoder("pocket").experts.photographs.lexicon
    long = "a heron stands quietly beside the muddy river at dawn"
    captions = [["a red panda"], ["a blue panda"], ["pandas"], ["Fire truck"], ["a cup"], [long]] * 4
    said = read_names(captions, lexicon, kinds={"panda": "bear"})
    assert {"fire truck", "cup", "heron", "river"} <= set(said.names)
    assert said.kinds["fire truck"] == ("truck",) and said.kinds["panda"] == ("bear",)
    assert [said.names[i] for i in said.shown[0]] == ["panda"], "colours are told by pixels, not by names"
    assert read_names([["a heron"]] * 3, lexicon).names == (), "three pictures teach nothing"
    learnt, held_out = split_names(said, 0.25, 0)
    assert not set(learnt) & set(held_out) and len(learnt) + len(held_out) == len(captions)


def test_what_was_taught_is_known_and_the_rest_stays(taught: tuple[Path, dict]) -> None:
    out, figures = taught
    before, after = load_encoder("pocket"), load_encoder(out)
    assert figures["names"] == 3 and figures["r1"] > figures["r1_before"]
    assert (out / "report" / "report.md").is_file() and "tissue section" in (out / "README.md").read_text()
    others = surfaces(RIGHT, 6, 1)
    names = ["a gravel bed", "a tissue section", "a meadow", *before.vocabulary.labels]
    pictures = after.embed_images([picture for picture, _ in others])
    found = [names[i] for i in (pictures @ after.embed_texts(names).T).argmax(1)]
    right = np.mean(
        [said[0].split()[-1] == one.split()[-1] for (_, said), one in zip(others, found, strict=True)]
    )
    assert right >= 0.6, "half of a photograph no training saw"
    # Neither pictures nor the texts that were known have moved, so libraries and graphs stay valid.
    assert after.fingerprint == before.fingerprint
    assert np.array_equal(pictures, before.embed_images([picture for picture, _ in others]))
    assert np.array_equal(after.embed_texts(["a dog"]), before.embed_texts(["a dog"]))
    graphs = load_encoder(out, runtime="onnx")
    assert np.allclose(graphs.embed_texts(names[:3]), after.embed_texts(names[:3]), atol=1e-3)


def test_a_library_made_before_is_asked_at_once(taught: tuple[Path, dict], tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, (picture, _) in enumerate(surfaces(RIGHT, 2, 2)):
        cv2.imwrite(str(folder / f"{i:03d}.png"), cv2.resize(picture, (160, 160))[..., ::-1])
    with Library(tmp_path / "library") as library:
        assert not library.index(folder, sampling="every=1", regions="none").failed
    with Library(tmp_path / "library", model=str(taught[0])) as library:
        (first, *_) = library.search("a tissue section", min_confidence=0.3)
        assert first.key.frame_index in (2, 3)
        assert not library.search("a dog", min_confidence=0.3)
    for model, found in ((str(taught[0]), True), ("pocket", False)):
        served = ServerSettings((tmp_path / "library",), state=tmp_path / "state", model=model)
        with TestClient(create_app(served), base_url="http://localhost") as client:
            where = "/api/v1/libraries/library/search"
            told = client.post(where, json={"text": "a tissue section", "min_confidence": 0.3}).json()
        assert bool(told["results"]) == found


def test_a_pruned_model_keeps_what_it_was_taught(taught: tuple[Path, dict], tmp_path: Path) -> None:
    shown = [picture for picture, _ in surfaces(RIGHT, 2, 2)]
    prune(taught[0], "text", to=tmp_path / "small", share=0.3, pictures=shown)
    whole, small = load_encoder(taught[0]), load_encoder(tmp_path / "small")
    assert small.fingerprint != whole.fingerprint
    texts = ["a tissue section", "a gravel bed"]
    likes = [one.embed_images(shown) @ one.embed_texts(texts).T for one in (whole, small)]
    assert np.allclose(*likes, atol=1e-3), "names lie in the half that pruning leaves alone"
    assert likes[1][2].argmax() == 0


def test_more_names_come_beside_those_of_before(taught: tuple[Path, dict], tmp_path: Path) -> None:
    more = [(picture, ["cobblestone" if said == ["a gravel bed"] else "cell"]) for picture, said in
            surfaces(LEFT, 5, 3) if said != ["meadow"]]  # fmt: skip
    teach_names(RECIPE, more, tmp_path / "more", model=taught[0], max_minutes=1)
    held = load_encoder(tmp_path / "more").experts.photographs.taught
    # "Meadow" is a word for a plain, which the encoder knew.
    assert set(held.names) == {"gravel bed", "tissue section", "plain", "cobblestone", "cell"}


def test_what_cannot_be_taught_is_said(taught: tuple[Path, dict], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no name in the captions"):
        teach_names(RECIPE, surfaces(LEFT, 1, 0), tmp_path / "few")
    with pytest.raises(InputError, match="'dragon' is no name that is known"):
        teach_names(RECIPE, surfaces(LEFT, 4, 0), tmp_path / "kind", kinds={"meadow": "dragon"})
    with pytest.raises(InputError, match="is the model to start from"):
        teach_names(RECIPE, surfaces(LEFT, 4, 0), taught[0], model=taught[0])
    for name in ("pocket", "temporal", "lstm"):
        with pytest.raises(InputError, match="is the name of a built-in model"):
            finetune_clip(RECIPE, surfaces(LEFT, 4, 0), name)
    with pytest.raises(InputError, match="knows no kinds"):
        finetune_clip(FinetuneRecipe(), surfaces(LEFT, 1, 0), tmp_path / "full", kinds={"a": "b"})
    path = taught[0] / "names.safetensors"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:60])
        with pytest.raises(ModelError, match="cannot read the names taught"):
            load_encoder(taught[0])
        rows = np.eye(1, 128, dtype=np.float32)
        Taught("other", ("x",), rows, {"x": "x"}, {}, {"x": 4}).save(taught[0])
        with pytest.raises(ModelError, match="taught to other weights"):
            load_encoder(taught[0])
    finally:
        path.write_bytes(whole)
    assert read_taught(tmp_path, weights="", dim=128) is None


def test_drawings_go_to_the_drawn_half_and_photographs_to_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert usual_mode("pocket", surfaces(LEFT, 2, 0)) == "names"
    assert usual_mode("pocket", world_pairs(seeds(Split.TRAIN, 3))) == "full"
    for i, (picture, said) in enumerate(surfaces(LEFT, 5, 0)):
        home = tmp_path / "data" / said[0]
        home.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(home / f"{i}.png"), picture[..., ::-1])
    words = ["train", "clip", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--kind-of", "nothing"])
    assert ended.value.code == 2
    with contextlib.suppress(SystemExit):
        main([*words, "--no-augment", "--json", "--kind-of", "gravel bed=food"])
    assert json.loads(capsys.readouterr().out)["mode"] == "names"
