"""Thresholds that are derived: of what is not there nearly nothing is found, whatever the encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from seektrack.encoders import Calibration, contrast_texts, read_calibration
from seektrack.encoders.contrast import names_of_nothing
from seektrack.evaluation.pocket_words import UNKNOWN_WORDS
from seektrack.pipeline import Library
from seektrack.retrieval import calibrate, calibrated
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.world import CATEGORIES, COLOURS, SceneSettings, Split, render, sample_scene, seeds

ABSENT = [f"a {word}" for word in UNKNOWN_WORDS]
SIDE, PATCH, WIDTH = 64, 16, 96


def random_clip(folder: Path, seed: int) -> Path:
    """A CLIP that was never trained: every name is noise to it, but some look like everything."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": 4,
             "num_attention_heads": 2, "projection_dim": 48}  # fmt: skip
    text = {**sizes, "vocab_size": 900, "max_position_embeddings": 77, "pad_token_id": 0,
            "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
    config = transformers.CLIPConfig(
        text_config=text,
        vision_config={**sizes, "image_size": SIDE, "patch_size": PATCH},
        projection_dim=48,
        logit_scale_init_value=float(np.log(100)),
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    words = [*contrast_texts(object()), *ABSENT, "abcdefghijklmnopqrstuvwxyz"]  # type: ignore[arg-type]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)
    return folder


def tuned_pocket(folder: Path) -> Path:
    """The pocket encoder with weights a little off, as tuning leaves them; its calibration is not theirs."""
    from safetensors.torch import load_file, save_file

    import seektrack

    shutil.copytree(Path(seektrack.__file__).parent / "pretrained" / "clip", folder)
    weights = load_file(folder / "model.safetensors")
    rng = torch.Generator().manual_seed(0)
    for name, value in weights.items():
        if value.is_floating_point() and value.ndim > 1:
            noise = torch.randn(value.shape, generator=rng) * value.float().std() * 0.05
            weights[name] = (value.float() + noise).to(value.dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def films() -> tuple[list[list[np.ndarray]], set[str]]:
    """Four drawn films of six frames, and what shows in them."""
    made, shown = [], set[str]()
    for seed in seeds(Split.TEST, 4, start=40):
        scene = sample_scene(seed, SceneSettings(n_frames=6))
        made.append(list(render(scene).frames))
        shown |= {f"a {actor.colour} {actor.category}" for actor in scene.actors}
    return made, shown


def library(folder: Path, model: str, films: list[list[np.ndarray]]) -> Library:
    opened = Library(folder, model=model, device="cpu")
    for film in films:
        opened.index([film], sampling="every=1", regions="tiles")
    return opened


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_an_encoder_that_knows_nothing_finds_nothing(seed, films, tmp_path):
    with library(tmp_path / "library", str(random_clip(tmp_path / "clip", seed)), films[0]) as opened:
        found = [name for name in ABSENT if opened.search(name)]
    assert len(found) <= 0.05 * len(ABSENT), found


def test_a_tuned_encoder_finds_what_is_there_and_not_what_is_not(films, tmp_path):
    made, shown = films
    with library(tmp_path / "library", str(tuned_pocket(tmp_path / "clip")), made) as opened:
        encoder = opened.models.encoder
        assert encoder.calibration is None  # type: ignore[attr-defined]
        labels = {f"a {colour} {category}" for colour in COLOURS for category in CATEGORIES}
        absent = [*ABSENT, *sorted(labels - shown)[::2]]
        wrong = [name for name in absent if opened.search(name)]
        right = [name for name in shown if opened.search(name)]
        derived = calibrated(encoder, opened._open_to_read())
    assert len(wrong) <= 0.05 * len(absent), wrong
    assert len(right) >= 0.5 * len(shown), set(shown) - set(right)
    assert derived != Calibration() and 0.8 <= derived.min_confidence < 1


def test_a_threshold_near_one_is_kept_as_it_is(tmp_path):
    sure = Calibration(min_confidence=0.9999876)
    sure.save(tmp_path, weights="w")
    assert read_calibration(tmp_path, weights="w") == sure


def test_a_sample_tells_the_threshold_of_all_frames():
    rng = np.random.default_rng(0)
    beliefs = 1 / (1 + np.exp(-rng.normal(-1.0, 1.0, (120, 9600))))
    alone = ConfidenceSettings(weight=0.0)

    def above(frames: int, doublings: float = 0.0) -> float:
        series = [(beliefs[:, :frames], np.arange(frames) * 5.0)]
        return float(np.log(1 / (1 / calibrate._above_nothing(series, alone, doublings) - 1)))

    whole, sample, told = above(9600), above(1200), above(1200, 3.0)
    assert whole > sample + 0.3 and abs(told - whole) < 0.35


def test_names_of_nothing_are_many_the_same_always_and_no_contrast_text():
    names = names_of_nothing()
    assert len(names) == len(set(names)) == 120 and names == names_of_nothing(120)
    assert not set(names) & set(contrast_texts(object()))  # type: ignore[arg-type]
