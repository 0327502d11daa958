"""A library is asked with the model it was made with, unless one says otherwise."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from seektrack.checkpoints import packaged_folder
from seektrack.cli import main
from seektrack.errors import LibraryMismatchError, ModelError
from seektrack.library.made_with import made_with, model_for
from seektrack.pipeline import Library, Models
from seektrack.video import VideoWriter


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A library made with a folder named from where it lay."""
    base = tmp_path_factory.mktemp("made")
    with VideoWriter(base / "a.mp4", width=96, height=64, fps=10) as writer:
        for i in range(4):
            writer.write(np.full((64, 96, 3), 40 * i, np.uint8))
    shutil.copytree(packaged_folder("clip"), base / "my-clip")
    config = base / "my-clip" / "config.json"
    config.write_text(config.read_text() + " ")  # of other contents, so of another fingerprint
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        for name, folder in (("pocket", "pocket-lib"), ("./my-clip", "own-lib")):
            with Library(folder, model=name) as library:
                assert library.index("a.mp4", sampling="every=1", regions="none").frames == 4
    return base


def test_search_takes_the_model_of_the_library(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own = made / "own-lib"
    assert made_with(own) == str(made / "my-clip") == model_for(own)
    with Library(own) as library:
        assert library.hits("a red car", min_confidence=0)
        assert library.models.encoder_name == str(made / "my-clip")
    with pytest.raises(SystemExit) as ended:
        main(["search", "a red car", "--library", str(own), "--hits", "--min-confidence", "0", "--json"])
    assert ended.value.code == 0, capsys.readouterr().err
    with Library(own) as library:
        assert library.index(made / "a.mp4", sampling="every=1", regions="none").skipped == 1


def test_what_is_asked_for_comes_before_the_library_and_that_before_the_environment(made, monkeypatch):
    monkeypatch.setenv("SEEKTRACK_MODEL", "large")
    assert model_for(made / "pocket-lib", "base") == "base"
    assert model_for(made / "pocket-lib") == "pocket"
    assert model_for(made / "no-library") == "large" == model_for(None)
    monkeypatch.delenv("SEEKTRACK_MODEL")
    assert model_for(made / "no-library") == "pocket"


def test_the_environment_names_the_model_of_commands_without_a_library(made, monkeypatch, capsys):
    monkeypatch.setenv("SEEKTRACK_MODEL", "no-such-model")
    with pytest.raises(SystemExit) as ended:
        main(["track", str(made / "a.mp4"), "--box", "1,1,20,20@0", "--out", str(made / "out")])
    assert ended.value.code == ModelError.exit_code and "no-such-model" in capsys.readouterr().err


def test_another_model_is_told_before_it_is_fetched(made, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with (
        pytest.raises(LibraryMismatchError, match=r"made by the model 'pocket'.*not by 'base'") as caught,
        Library(made / "pocket-lib", model="base") as library,
    ):
        library.search("a red car")
    assert "--model pocket" in caught.value.hint
    with pytest.raises(SystemExit) as ended:
        main(["search", "a red car", "--library", str(made / "pocket-lib"), "--model", "base"])
    assert ended.value.code == 5 and "was made by the model 'pocket'" in capsys.readouterr().err


def test_another_model_is_told_before_its_weights_are_loaded(made, monkeypatch):
    def load(*_, **__):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("seektrack.encoders.load_encoder", load)
    with (
        pytest.raises(LibraryMismatchError, match="was made by the model 'pocket'"),
        Library(made / "pocket-lib", model=str(made / "my-clip")) as library,
    ):
        library.search("a red car")


def test_a_preset_says_how_it_is_used():
    light = Models("light")
    assert (light.encoder_name, light.sam2_name, light.resolution) == ("light", "tiny", 512)
    assert light.preset.propagation == "hybrid" and light.stable_name == "light"
    assert Models("light", resolution=1024).resolution == 1024


def test_loading_is_told(made):
    told = []
    models = Models("pocket", device="cpu")
    models.progress = lambda *step: told.append(step)
    assert models.sam2 is models.sam2
    assert told == [(0, 1, "loading pocket"), (1, 1, "loading pocket")]
