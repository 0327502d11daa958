from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from seektrack.encoders import (
    Encoder,
    Vocabulary,
    contrast_texts,
    encoder_names,
    load_encoder,
    register_encoder,
)
from seektrack.errors import InputError, ModelError

WORDS = ["a", "photo", "of", "red", "blue", "car", "dog", "the", "street"]
TEXT = {
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "projection_dim": 24,
    "projection_size": 32,
    "project_dim": 24,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
    "projection_dim": 24,
    "num_patches": 4,
}
FAMILIES = ["CLIP", "Siglip", "Siglip2", "MetaClip2", "ChineseCLIP", "AltCLIP"]


def save_tokenizer(folder: Path) -> None:
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)


def save_model(folder: Path, family: str = "CLIP", seed: int = 0) -> Path:
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(
        text_config=dict(TEXT), vision_config=dict(VISION), projection_dim=24
    )
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("clip"))


def pictures(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    return [rng.integers(0, 256, (30 + 7 * i, 50 + 3 * i, 3), dtype=np.uint8) for i in range(n)]


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_equal_the_models_own(family: str, tmp_path: Path, rng: np.random.Generator) -> None:
    encoder = load_encoder(save_model(tmp_path, family), device="cpu")
    assert isinstance(encoder, Encoder)
    images, texts = pictures(rng, 5), ["a red car", "the blue dog", "a photo of a street"]
    model = transformers.AutoModel.from_pretrained(tmp_path, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    if family == "Siglip2":
        from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil as Pil

        pixels = Pil(patch_size=16, max_num_patches=4)(images, return_tensors="pt")
    elif family == "Siglip":
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil as Pil

        pixels = Pil(size={"height": 32, "width": 32})(images, return_tensors="pt")
    else:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Pil

        square = {"height": 32, "width": 32}
        pixels = Pil(size={"shortest_edge": 32}, crop_size=square)(images, return_tensors="pt")
    padding: Any = {"padding": "max_length", "max_length": 16} if "Siglip" in family else {"padding": True}
    tokens = tokenizer(texts, return_tensors="pt", **padding)
    names = ("input_ids",) if "Siglip" in family else ("input_ids", "attention_mask")
    with torch.no_grad():
        image_rows = model.get_image_features(**pixels).pooler_output
        text_rows = model.get_text_features(**{k: tokens[k] for k in names}).pooler_output
    for got, expected in (
        (encoder.embed_images(images, batch_size=2), image_rows),
        (encoder.embed_texts(texts, batch_size=3), text_rows),
    ):
        expected = torch.nn.functional.normalize(expected, dim=-1).numpy()
        assert got.dtype == np.float32
        assert got.shape == (len(expected), encoder.dim)
        np.testing.assert_allclose(got, expected, atol=2e-4)
        assert np.abs(got[0] - got[1]).max() > 1e-4
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-5)
    assert encoder.image_size == 32


@pytest.mark.parametrize("family", ["Siglip", "AltCLIP"])
def test_graphs_of_a_family_answer_as_it_does(family: str, tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("onnxscript")
    from seektrack.compression import export_model

    model = save_model(tmp_path / "model", family)
    export_model(model, to=tmp_path / "graphs")
    one, other = load_encoder(model, device="cpu"), load_encoder(tmp_path / "graphs")
    images, texts = pictures(rng, 5), ["a red car", "the blue dog", "", "a photo of " * 30]
    for a, b in (
        (one.embed_images(images), other.embed_images(images)),
        (one.embed_texts(texts), other.embed_texts(texts)),
    ):
        assert float((a * b).sum(axis=1).min()) > 0.9999
    assert one.logit_scale == other.logit_scale


def test_batching_changes_nothing_and_empty_is_empty(folder: Path, rng: np.random.Generator) -> None:
    encoder = load_encoder(folder)
    images = pictures(rng, 7)
    np.testing.assert_allclose(
        encoder.embed_images(images, batch_size=3), encoder.embed_images(images), atol=1e-5
    )
    assert encoder.embed_images([]).shape == (0, 24)
    assert encoder.embed_texts([]).shape == (0, 24)
    assert encoder.embed_texts(["red " * 300]).shape == (1, 24), "a long text is cut"
    with pytest.raises(InputError, match="batch_size"):
        encoder.embed_images(images, batch_size=0)
    with pytest.raises(InputError, match="RGB uint8"):
        encoder.embed_images([images[0].astype(np.float32)])  # type: ignore[list-item]


def test_half_precision_stays_close(folder: Path, rng: np.random.Generator) -> None:
    images = pictures(rng, 3)
    full = load_encoder(folder).embed_images(images)
    half = load_encoder(folder, dtype="bfloat16").embed_images(images)
    assert half.dtype == np.float32
    assert (full * half).sum(axis=1).min() > 0.99


def test_the_fingerprint_follows_the_contents(folder: Path, tmp_path: Path) -> None:
    first = load_encoder(folder).fingerprint
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert load_encoder(copy).fingerprint == first
    (copy / "vocabulary.json").write_text('{"labels": ["a red car"], "background": []}')
    assert load_encoder(copy).fingerprint == first, "it does not change an embedding"
    settings = {
        "size": {"shortest_edge": 32},
        "crop_size": 32,
        "image_mean": [0, 0, 0],
        "image_std": [1, 1, 1],
    }
    (copy / "preprocessor_config.json").write_text(json.dumps(settings))
    assert load_encoder(copy).fingerprint != first
    assert load_encoder(save_model(tmp_path / "other", seed=1)).fingerprint != first


def test_preprocessing_comes_from_the_checkpoint(
    folder: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    images = pictures(rng, 2)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    settings = {
        "size": {"shortest_edge": 32},
        "crop_size": 32,
        "image_mean": [0, 0, 0],
        "image_std": [1, 1, 1],
    }
    (copy / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    difference = load_encoder(copy).embed_images(images) - load_encoder(folder).embed_images(images)
    assert np.abs(difference).max() > 1e-3
    (copy / "preprocessor_config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot read the image settings"):
        load_encoder(copy)


def test_contrast_texts(folder: Path, tmp_path: Path) -> None:
    common = contrast_texts(load_encoder(folder))
    assert {"a photo of a traffic light", "a photo of an elephant", "a photo of a toothbrush"} <= set(common)
    assert sum(t.startswith("a photo of a") for t in common) == 80
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    vocabulary = {"labels": ["a red car", "a blue dog"], "background": ["the street"]}
    (copy / "vocabulary.json").write_text(json.dumps(vocabulary))
    encoder = load_encoder(copy)
    assert contrast_texts(encoder) == ["a red car", "a blue dog", "the street"]
    assert encoder.vocabulary == Vocabulary(("a red car", "a blue dog"), ("the street",))  # type: ignore[attr-defined]
    (copy / "vocabulary.json").write_text("[1]")
    with pytest.raises(ModelError, match=r"vocabulary\.json"):
        load_encoder(copy)


@pytest.mark.parametrize("name", ["no-such-model", "./missing", "/missing/folder", "two words", ""])
def test_unknown_names_list_what_there_is(name: str) -> None:
    with pytest.raises(ModelError, match="unknown model") as caught:
        load_encoder(name)
    for known in ("pocket", "base", "large", "multilingual", "folder"):
        assert known in caught.value.hint


@pytest.mark.parametrize("name", ["base", "someone/some-model"])
def test_offline_is_one_line_at_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="cannot be fetched") as caught:
        load_encoder(name)
    assert "\n" not in str(caught.value)


def test_folders_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"without a config\.json"):
        load_encoder(tmp_path / "empty")
    pickled = Path(shutil.copytree(folder, tmp_path / "pickled"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        load_encoder(pickled)
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(broken)
    other = Path(shutil.copytree(folder, tmp_path / "bert"))
    (other / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="not a CLIP-family encoder"):
        load_encoder(other)


def test_devices_and_types(folder: Path) -> None:
    with pytest.raises(ModelError, match="device"):
        load_encoder(folder, device="toaster")
    with pytest.raises(ModelError, match="unknown dtype"):
        load_encoder(folder, dtype="int3")


def test_anyone_can_register_an_encoder(folder: Path) -> None:
    @register_encoder("mine-for-this-test")
    def make(*, device: str | None = None, dtype: str | None = None) -> Encoder:
        return load_encoder(folder, device=device, dtype=dtype)

    assert "mine-for-this-test" in encoder_names()
    assert load_encoder("mine-for-this-test").dim == 24
    with pytest.raises(InputError, match="taken"):
        register_encoder("pocket")


def test_loading_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_encoder(folder)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""
