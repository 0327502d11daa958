"""Models are complete and finite, run no code, and stand on a device there is, or are refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from seektrack.checkpoints import find, packaged_folder, pick_device, stable_name
from seektrack.cli import main
from seektrack.encoders import load_encoder, load_translator
from seektrack.encoders.audio import load_clap
from seektrack.errors import ModelError
from seektrack.segmentation import load_sam2
from seektrack.tracking import load_predictor


@pytest.fixture
def clip(tmp_path):
    return Path(shutil.copytree(packaged_folder("clip"), tmp_path / "clip"))


def change(folder, change_weights):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change_weights(weights)
    save_file(weights, path, metadata={"format": "pt"})


def spoil(weights):
    name = sorted(weights)[0]
    weights[name] = torch.full_like(weights[name], float("nan"))


@pytest.mark.parametrize("gone", ["vision_model.", "text_model.", "visual_projection.", "text_projection."])
def test_a_clip_without_one_of_its_parts_is_refused(clip, gone):
    def remove(weights):
        for name in [name for name in weights if name.startswith(gone)]:
            del weights[name]

    change(clip, remove)
    with pytest.raises(ModelError, match=rf"lacks \d+ weights, among them {gone}"):
        load_encoder(clip)


def test_a_clip_without_a_tokenizer_or_with_one_that_knows_nothing_is_refused(clip):
    for path in [*clip.glob("tokenizer.json"), *clip.glob("vocab*.json"), *clip.glob("merges.txt")]:
        if path.name != "vocabulary.json":
            path.unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        load_encoder(clip)
    (clip / "vocab.json").write_text(json.dumps({"<|startoftext|>": 0, "<|endoftext|>": 1}))
    (clip / "merges.txt").write_text("")
    with pytest.raises(ModelError, match="tokenizer"):
        load_encoder(clip)


def test_values_that_are_no_numbers_are_refused_by_every_loader(tmp_path, clip):
    change(clip, lambda weights: weights.update(logit_scale=torch.tensor(float("nan"))))
    with pytest.raises(ModelError, match="logit_scale holds values that are no numbers"):
        load_encoder(clip)
    for part, load in (
        ("sam2", load_sam2),
        ("temporal", load_encoder),
        ("trajectory/lstm", load_predictor),
    ):
        folder = Path(shutil.copytree(packaged_folder(part), tmp_path / Path(part).name))
        change(folder, spoil)
        with pytest.raises(ModelError, match="no numbers"):
            load(folder)


@pytest.mark.parametrize("kind", [None, "evil"])
def test_a_model_folder_runs_no_code(kind, tmp_path, clip, monkeypatch):
    sprung = tmp_path / "sprung"
    (clip / "evil.py").write_text(f"open({str(sprung)!r}, 'w').close()\nclass Evil: pass\n")
    config = json.loads((clip / "config.json").read_text()) | {
        "auto_map": dict.fromkeys(
            ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoModelForSeq2SeqLM"), "evil.Evil"
        )
    }
    config.pop("model_type")
    if kind:
        config["model_type"] = kind
    (clip / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    for load in (load_encoder, load_sam2, load_translator, lambda folder: load_clap(folder, name="x")):
        with pytest.raises(ModelError):
            load(clip)
    assert not sprung.exists()


@pytest.mark.parametrize(
    "name", ["./missing", "./missing+tiny", "/no/such/folder", "~/nothing-here", "a/b/c"]
)
def test_a_folder_that_is_not_there_is_not_asked_of_the_hub(name, monkeypatch):
    def asked(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("socket.create_connection", asked)
    for load in (load_encoder, load_sam2, load_translator):
        with pytest.raises(ModelError, match="there is no such folder"):
            load(name)


def test_a_name_that_is_nearly_one_says_so():
    with pytest.raises(ModelError, match="unknown model 'pokcet'") as caught:
        find("pokcet", "text")
    assert "did you mean pocket?" in caught.value.hint


@pytest.mark.parametrize("device", ["banana", "cuda:x", "meta", "", "cpu:cpu"])
def test_devices_there_are_not_are_one_line_everywhere(device, tmp_path, capsys):
    for load in (load_encoder, load_sam2, pick_device):
        with pytest.raises(ModelError, match="device") as caught:
            load(device) if load is pick_device else load("pocket", device=device)
        assert "\n" not in str(caught.value) and "cpu" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
@pytest.mark.parametrize("device", ["banana", "cuda"])
def test_the_command_line_says_so_in_one_line_too(device, tmp_path, capsys):
    from seektrack.video import VideoWriter

    with VideoWriter(tmp_path / "a.mp4", width=64, height=64, fps=10) as writer:
        for _ in range(3):
            writer.write(torch.zeros(64, 64, 3, dtype=torch.uint8).numpy())
    for command in (
        ["track", tmp_path / "a.mp4", "--box", "1,1,20,20@0", "--out", tmp_path / "out"],
        ["index", tmp_path / "a.mp4", "--library", tmp_path / "lib"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in [*command, "--device", device]])
        err = capsys.readouterr().err
        assert ended.value.code == ModelError.exit_code and "Traceback" not in err
        assert [line.split(":")[0] for line in err.strip().splitlines()] == ["error", "hint"], err
    assert not (tmp_path / "out").exists() and not (tmp_path / "lib").exists()


def test_a_folder_has_the_same_name_from_everywhere(clip, monkeypatch):
    monkeypatch.chdir(clip.parent)
    assert stable_name("clip") == str(clip)
    assert stable_name("pocket") == "pocket" and stable_name("openai/clip") == "openai/clip"
