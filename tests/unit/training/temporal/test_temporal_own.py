"""The temporal encoder on videos with texts of one's own: what is learnt, resumed, and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seektrack.cli import main
from seektrack.encoders import load_encoder
from seektrack.encoders.temporal import save_temporal
from seektrack.encoders.temporal_network import TemporalModel, TemporalNetwork
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError, ModelError
from seektrack.training.clip import ClipSizes
from seektrack.training.clip.model import build_model, build_tokenizer
from seektrack.training.datasets import read_texts
from seektrack.training.temporal import OwnTemporalRecipe, train_moments, world_moments
from seektrack.video import VideoWriter

SIZES = TemporalSizes(frames=4, image_size=28, patch_size=7, tower_width=16, tower_layers=1, tower_heads=2,
                      channels=16, queries=8, width=16, layers=1, heads=2, dim=16)  # fmt: skip
RECIPE = OwnTemporalRecipe(
    batch=6, steps=40, learning_rate=1e-2, text_rate=5e-3, warmup=2, held_out=0.3, shift=0, bf16=False
)
WAYS = {"left": -1, "right": 1}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    text = ClipSizes(image_size=28, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                     dim=16, vocabulary=600)  # fmt: skip
    tokenizer = build_tokenizer(text)
    folder = tmp_path_factory.mktemp("temporal")
    model = TemporalModel(SIZES, build_model(text, tokenizer).config.text_config)
    save_temporal(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of two seconds: in one a block goes one way, in the other it goes back."""
    folder = tmp_path_factory.mktemp("films")
    rows = ["video,start,end,text"]
    for i in range(8):
        y, first = 4 + 2 * (i % 4), "left" if i % 2 else "right"
        with VideoWriter(folder / f"{i}.mp4", width=32, height=32, fps=8) as writer:
            for t in range(16):
                x = t % 8 if (first == "right") == (t < 8) else 7 - t % 8
                image = np.full((32, 32, 3), 40, np.uint8)
                image[y : y + 12, 3 * x : 3 * x + 10] = 230
                writer.write(image)
        second = "right" if first == "left" else "left"
        rows += [f"{i}.mp4,0,0.9,a block going {first}", f"{i}.mp4,1,1.9,a block going {second}"]
    (folder / "moments.csv").write_text(
        "\n".join([*rows, "gone.mp4,0,1,nothing", "0.mp4,2,1,backwards"]) + "\n"
    )
    return folder


@pytest.mark.parametrize("network", ["transformer", "lstm"])
def test_what_happens_is_learnt_and_the_folder_is_an_encoder(
    network: str, start: Path, moments: Path, tmp_path: Path
) -> None:
    data = read_texts(moments)
    assert [o.why for o in data.left_out] == [
        "a moment without a start before its end", "a caption whose picture or video is missing",
    ]  # fmt: skip
    recipe = replace(RECIPE, network=network, steps=120, held_out=0, batch=16)
    figures = train_moments(recipe, data.items, tmp_path, max_minutes=1e6, model=start)
    assert figures["steps"] == 120 and "r1" not in figures
    encoder = load_encoder(tmp_path)
    assert encoder.sizes.network == network
    texts = encoder.embed_texts(["a block going left", "a block going right"])
    rows = encoder.embed_clips([item.pictures(4) for item in data])
    says = rows @ (texts[0] - texts[1]) > 0
    right = [("left" in item.texts[0]) == bool(left) for item, left in zip(data, says, strict=True)]
    assert np.mean(right) > 0.9


def test_a_training_goes_on_where_it_was_stopped(start: Path, moments: Path, tmp_path: Path) -> None:
    data = read_texts(moments).items
    whole = train_moments(replace(RECIPE, steps=6), data, tmp_path / "whole", max_minutes=1e6, model=start)
    again = train_moments(replace(RECIPE, steps=6), data, tmp_path / "whole", max_minutes=1e6, model=start)
    assert again["steps"] == 6 and again["r1"] == whole["r1"]
    assert "| r1 |" in Path(whole["report"]).read_text()
    assert "--temporal-model" in (tmp_path / "whole/README.md").read_text()
    with pytest.raises(ModelError, match="another recipe, model or data"):
        train_moments(
            replace(RECIPE, steps=6, seed=1), data, tmp_path / "whole", max_minutes=1e6, model=start
        )
    fresh = train_moments(
        replace(RECIPE, steps=6, seed=1), data, tmp_path / "whole", max_minutes=1e6, model=start, resume=False
    )
    assert fresh["steps"] == 6


def test_the_command_names_what_it_leaves_out(
    start: Path, moments: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    given = [
        "train",
        "temporal",
        "--data",
        str(moments),
        "--out",
        str(tmp_path / "out"),
        "--model",
        str(start),
    ]
    with pytest.raises(SystemExit) as done:
        main([*given, "--steps", "2", "--network", "lstm", "--json"])
    out = capsys.readouterr()
    figures = json.loads(out.out)
    assert not done.value.code and figures["steps"] == 2 and figures["left_out"] == 2
    assert "left out, a caption whose picture or video is missing: 1" in out.err
    with pytest.raises(SystemExit) as done:
        main(["eval", "retrieval", str(moments), "--model", str(tmp_path / "out"), "--json"])
    assert not done.value.code and json.loads(capsys.readouterr().out)["things"] == 16


def test_the_world_is_an_option(tmp_path: Path) -> None:
    found = world_moments("world:2,style=rich", tmp_path)
    assert found.layout == "msr-vtt" and all(item.video and item.texts for item in found)


def test_what_teaches_nothing_is_refused(start: Path, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text("file,caption\na.png,a picture\n")
    with pytest.raises(InputError, match="too few to learn from"):
        train_moments(RECIPE, read_texts(tmp_path).items, tmp_path / "out", max_minutes=1, model=start)
    with pytest.raises(InputError, match="unknown network"):
        OwnTemporalRecipe(network="gru")
    with pytest.raises(ModelError, match="network over time"):
        TemporalSizes.from_dict({"network": "gru"})


def test_both_networks_hear_the_order_of_frames() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 4, 4, 4, 16)
    for network in ("transformer", "lstm"):
        model = TemporalNetwork(replace(SIZES, network=network)).eval()
        with torch.no_grad():
            there, back = model(features), model(features.flip(1))
        assert torch.allclose(there.norm(dim=-1), torch.ones(2), atol=1e-5)
        assert not torch.allclose(there, back, atol=1e-3)


def test_videos_not_looked_at_in_time_are_named_and_more_time_goes_on(
    start: Path, moments: Path, tmp_path: Path
) -> None:
    data, recipe = read_texts(moments).items, replace(RECIPE, steps=2)
    with pytest.raises(InputError, match="only 0 of 16") as refused:
        train_moments(recipe, data, tmp_path, max_minutes=1e-6, model=start)
    assert "--minutes" in str(refused.value.hint)
    assert train_moments(recipe, data, tmp_path, max_minutes=1e6, model=start)["steps"] == 2
