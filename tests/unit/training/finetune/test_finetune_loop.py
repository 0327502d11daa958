from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel

from seektrack.cli import main
from seektrack.encoders import load_encoder
from seektrack.errors import InputError, ModelError
from seektrack.training.calibrate import describe
from seektrack.training.clip import ClipSizes
from seektrack.training.clip.model import build_model, build_processor, build_tokenizer
from seektrack.training.common import CsvLog, load_checkpoint
from seektrack.training.finetune import MODES, FinetuneRecipe, finetune_clip

SIZES = ClipSizes(image_size=28, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                  dim=16, vocabulary=600)  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}
QUICK = FinetuneRecipe(batch=8, held_out=0, steps=3, learning_rate=1e-2, augment=False)
IMAGE, TEXT = ("vision_model.", "visual_projection."), ("text_model.", "text_projection.")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(SIZES)
    build_model(SIZES, tokenizer).save_pretrained(folder)
    build_processor(SIZES, tokenizer).save_pretrained(folder)
    return folder


def flags() -> list[tuple[np.ndarray, list[str]]]:
    """Sixteen pictures that no other caption fits: two colours, one above the other."""
    out = []
    for above, below in itertools.product(COLOURS, COLOURS):
        image = np.zeros((30, 30, 3), np.uint8)
        image[:15], image[15:] = COLOURS[above], COLOURS[below]
        out.append((image, [f"{above} over {below}"]))
    return out


def changed(before: Path, after: Path) -> set[str]:
    old, new = (CLIPModel.from_pretrained(f, dtype=torch.float32).state_dict() for f in (before, after))
    assert old.keys() == new.keys()
    # A key's bias adds the same to all logits of a query: whether rounding moves it is a matter of chance.
    return {n for n in old if not torch.equal(old[n], new[n]) and not n.endswith("k_proj.bias")}


def expected(mode: str, name: str) -> bool:
    if name.endswith("k_proj.bias") or mode == "adapter":  # whose layers lie in a file apart
        return False
    if mode in ("full", "frozen-image", "frozen-text"):
        moving = {"full": IMAGE + TEXT, "frozen-image": TEXT, "frozen-text": IMAGE}[mode]
        return name.startswith(moving) or name == "logit_scale"
    if mode == "head":
        return name in ("visual_projection.weight", "text_projection.weight", "logit_scale")
    layers = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "visual_projection", "text_projection")
    return name.endswith(tuple(f"{layer}.weight" for layer in layers))


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "names"])  # moves none
def test_each_mode_moves_its_own_weights_and_no_other(mode: str, model: Path, tmp_path: Path) -> None:
    figures = finetune_clip(replace(QUICK, mode=mode), flags(), tmp_path, model=model, device="cpu")
    moved = changed(model, tmp_path)
    names = CLIPModel.from_pretrained(model).state_dict().keys()
    assert moved == {name for name in names if expected(mode, name)}
    assert (figures["mode"], figures["steps"], figures["stopped"]) == (mode, 3, "done")
    encoder = load_encoder(tmp_path, device="cpu")
    assert encoder.embed_images([flags()[0][0]]).shape == encoder.embed_texts(["red"]).shape == (1, 16)


def test_adapter_layers_lie_apart_and_are_put_in_again(model: Path, tmp_path: Path) -> None:
    out, recipe = tmp_path / "out", replace(QUICK, mode="adapter", rank=4, steps=12)
    finetune_clip(recipe, flags(), out, model=model, device="cpu")
    texts = ["red over green", "blue over blue"]
    (before, after), bare = (load_encoder(f, device="cpu") for f in (model, out)), tmp_path / "bare"
    assert not np.allclose(before.embed_texts(texts), after.embed_texts(texts), atol=1e-3)
    assert before.fingerprint != after.fingerprint
    shutil.copytree(out, bare)
    (bare / "adapters.safetensors").unlink()
    np.testing.assert_allclose(
        load_encoder(bare, device="cpu").embed_texts(texts), before.embed_texts(texts), atol=1e-5
    )
    from safetensors.torch import load_file, save_file

    state = load_file(out / "adapters.safetensors")
    assert all(".down." in name or ".up." in name for name in state) and len(state) == 8
    save_file({n: v for n, v in state.items() if "vision" in n}, out / "adapters.safetensors")
    with pytest.raises(ModelError, match="another network"):
        load_encoder(out, device="cpu")
    again = finetune_clip(recipe, flags(), tmp_path / "more", model=bare, device="cpu")
    assert again["trainable"] == 4 * (2 * 4 * 32 + 4 + 32) / 2


def test_merged_adapters_answer_like_the_adapters_on_the_untouched_model(model: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    finetune_clip(replace(QUICK, mode="lora", rank=2), flags(), tmp_path, model=model, device="cpu")
    base, merged = load_encoder(model, device="cpu"), load_encoder(tmp_path, device="cpu")
    images, texts = [image for image, _ in flags()], [caption[0] for _, caption in flags()]
    untouched = base.embed_images(images)
    PeftModel.from_pretrained(base.network, tmp_path / "adapter").eval()  # puts the adapters in, in place
    np.testing.assert_allclose(base.embed_images(images), merged.embed_images(images), atol=1e-5)
    np.testing.assert_allclose(base.embed_texts(texts), merged.embed_texts(texts), atol=1e-5)
    assert np.abs(untouched - merged.embed_images(images)).max() > 1e-3


def test_retrieval_rises_on_pictures_learnt_by_heart(model: Path, tmp_path: Path) -> None:
    data = flags()
    recipe = replace(QUICK, batch=16, steps=60, learning_rate=3e-3, held_out=0.5, validate_every=30)
    # The held-out half are the same sixteen flags again: this asks for learning, not for generalising.
    figures = finetune_clip(recipe, [*data, *data, *data, *data], tmp_path, model=model, device="cpu")
    assert figures["r1_before"] < 0.3
    assert figures["r1"] > 0.8
    rows = CsvLog(tmp_path / "training" / "curve.csv").rows()
    assert [row["step"] for row in rows] == ["0", "30", "60"]
    assert float(rows[0]["r1"]) == figures["r1_before"]
    assert rows[0]["loss"] == "" and float(rows[2]["loss"]) < float(rows[1]["loss"])


def test_stops_when_retrieval_no_longer_rises_and_writes_the_best(model: Path, tmp_path: Path) -> None:
    recipe = replace(QUICK, learning_rate=1e-12, weight_decay=0.0, held_out=0.25, validate_every=2, steps=40,
                     patience=3)  # fmt: skip
    figures = finetune_clip(recipe, flags(), tmp_path, model=model, device="cpu")
    assert (figures["stopped"], figures["steps"], figures["best_step"]) == ("patience", 6, 0)
    assert figures["r1"] == figures["r1_before"]
    assert changed(model, tmp_path) == set()


class _Stopped(Exception):
    pass


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(model: Path, tmp_path: Path) -> None:
    recipe = replace(QUICK, mode="lora", dropout=0.2, augment=True, balance=True, alignment=0.2, steps=6,
                     held_out=0.25, patience=0)  # fmt: skip
    options: dict[str, Any] = {"model": model, "device": "cpu", "max_minutes": 600}

    def interrupt(done: int, total: int, stage: str) -> None:
        if done == 4:
            raise _Stopped

    finetune_clip(recipe, flags(), tmp_path / "whole", **options)
    with pytest.raises(_Stopped):
        finetune_clip(recipe, flags(), tmp_path / "cut", progress=interrupt, checkpoint_every_s=0, **options)
    halfway = load_checkpoint(tmp_path / "cut" / "training" / "checkpoint.pt")
    assert halfway is not None and halfway["steps"] == 3
    finetune_clip(recipe, flags(), tmp_path / "cut", **options)
    ends = [load_checkpoint(tmp_path / name / "training" / "checkpoint.pt") for name in ("whole", "cut")]
    assert ends[0] is not None and ends[1] is not None
    for name, weight in ends[0]["weights"].items():
        assert torch.equal(weight, ends[1]["weights"][name]), name
    with pytest.raises(ModelError, match="another recipe, model or data"):
        finetune_clip(replace(recipe, rank=3), flags(), tmp_path / "cut", **options)


def test_weights_keep_their_precision_and_the_files_beside_them(model: Path, tmp_path: Path) -> None:
    half, out = tmp_path / "half", tmp_path / "out"
    loaded = load_encoder(model, device="cpu")
    loaded.network.half().save_pretrained(half)
    loaded.tokenizer.save_pretrained(half)
    (half / "vocabulary.json").write_text(json.dumps({"labels": ["a flag"], "background": ["nothing"]}))
    finetune_clip(replace(QUICK, steps=1, precision="bf16"), flags(), out, model=half, device="cpu")
    assert {w.dtype for w in CLIPModel.from_pretrained(out).parameters()} == {torch.float16}
    assert load_encoder(out, device="cpu").vocabulary.labels == ("a flag",)


def test_what_cannot_be_trained_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few"):
        finetune_clip(QUICK, flags()[:3], tmp_path, model=model)
    with pytest.raises(InputError, match="the model to start from"):
        finetune_clip(QUICK, flags(), model, model=model)
    with pytest.raises(ModelError, match="no layers named"):
        finetune_clip(replace(QUICK, mode="lora", targets=("nope",)), flags(), tmp_path, model=model)


def test_the_command_fine_tunes_a_folder_of_pictures(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["file,caption"]
    for number, (image, (caption,)) in enumerate(flags()):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{caption}")
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    args = ["train", "clip", "--out", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as done:
        main([*args, "--data", str(tmp_path), "--model", str(model), "--recipe", "head", "--epochs", "2",
              "--batch", "4", "--held-out", "0.25", "--device", "cpu"])  # fmt: skip
    figures = json.loads(capsys.readouterr().out)
    assert done.value.code == 0
    assert (figures["mode"], figures["pairs"], figures["held_out"], figures["steps"]) == ("head", 12, 4, 6)
    assert load_encoder(tmp_path / "out", device="cpu").dim == 16
    with pytest.raises(SystemExit) as refused:
        main([*args, "--recipe", "lora"])
    assert refused.value.code == InputError.exit_code
    assert "there is no --data" in capsys.readouterr().err


def test_little_time_for_many_epochs_is_time_to_train(model: Path, tmp_path: Path) -> None:
    data = flags()
    recipe = replace(QUICK, batch=16, steps=1_000_000, learning_rate=3e-3, held_out=0.5, validate_every=1_000)
    figures = finetune_clip(
        recipe, [*data, *data, *data, *data], tmp_path, model=model, device="cpu", max_minutes=0.1
    )
    # A warm-up over a tenth of all steps would never leave the ground.
    assert figures["r1"] > 2 * figures["r1_before"]


def test_few_pictures_are_enough_to_say_what_it_knows(model: Path, tmp_path: Path) -> None:
    """Twenty-four pictures of noise: others of the kind are inside, flat ones are not."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (40, 48, 3), dtype=np.uint8) for _ in range(36)]
    pairs = [(image, [f"thing {i % 3}"]) for i, image in enumerate(noise[:24])]
    recipe = FinetuneRecipe(batch=8, steps=1, held_out=0)
    figures = finetune_clip(recipe, pairs, tmp_path, model=model, device="cpu", max_minutes=600)
    assert figures["domain"]
    encoder = load_encoder(tmp_path, device="cpu")
    assert encoder.domain is not None
    flat = [np.full((40, 48, 3), v, np.uint8) for v in range(0, 240, 20)]
    known, strange = (encoder.domain.distance(describe(encoder, some)) <= 1 for some in (noise[24:], flat))
    assert known.mean() > 0.6 and not strange.any()
