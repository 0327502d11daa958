"""Encoders of other makes: OpenCLIP folders converted, and towers joined; tiny and random."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from torch.nn import functional as F

from seektrack.cli import main
from seektrack.encoders import load_encoder
from seektrack.encoders.joining import join_towers
from seektrack.encoders.openclip import convert_openclip
from seektrack.errors import ModelError
from seektrack.training.clip import ClipSizes
from seektrack.training.clip.model import build_model, build_processor, build_tokenizer
from seektrack.training.finetune import FinetuneRecipe, finetune_clip

SIZES = ClipSizes(image_size=28, patch_size=14, width=32, layers=2, heads=2, text_width=32, text_layers=2,
                  dim=16, vocabulary=600)  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}


class Block(nn.Module):
    """A residual attention block as OpenCLIP writes it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", nn.GELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))


class OpenClip(nn.Module):
    """OpenCLIP's own forward passes, written from its source: what the converted folder has to repeat."""

    def __init__(self, words: int, length: int) -> None:
        super().__init__()
        w = 32
        self.visual = nn.Module()
        self.visual.conv1 = nn.Conv2d(3, w, 14, 14, bias=False)
        self.visual.class_embedding = nn.Parameter(torch.randn(w) * 0.1)
        self.visual.positional_embedding = nn.Parameter(torch.randn(5, w) * 0.1)
        self.visual.ln_pre, self.visual.ln_post = nn.LayerNorm(w), nn.LayerNorm(w)
        self.visual.transformer = Transformer(w, 4, 2)
        self.visual.proj = nn.Parameter(torch.randn(w, 16) * 0.1)
        self.token_embedding = nn.Embedding(words, w)
        self.positional_embedding = nn.Parameter(torch.randn(length, w) * 0.1)
        self.transformer = Transformer(w, 2, 2)
        self.ln_final = nn.LayerNorm(w)
        self.text_projection = nn.Parameter(torch.randn(w, 16) * 0.1)
        self.logit_scale = nn.Parameter(torch.tensor(2.5))
        for p in self.parameters():
            if p.ndim > 1:
                nn.init.normal_(p, std=0.15)

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        v = self.visual
        x = v.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([v.class_embedding.expand(len(x), 1, -1), x], 1) + v.positional_embedding
        x = v.ln_pre(x)
        for block in v.transformer.resblocks:
            x = block(x)
        return F.normalize(v.ln_post(x[:, 0]) @ v.proj, dim=-1)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        x = self.token_embedding(tokens) + self.positional_embedding[:length]
        for block in self.transformer.resblocks:
            x = block(x, mask)
        x = self.ln_final(x)
        last = x[torch.arange(len(x)), tokens.argmax(-1)]
        return F.normalize(last @ self.text_projection, dim=-1)


@pytest.fixture
def openclip(tmp_path: Path) -> tuple[Path, OpenClip]:
    torch.manual_seed(3)
    tokenizer, folder = build_tokenizer(SIZES), tmp_path / "open"
    words = len(tokenizer)
    model = OpenClip(words, 24).eval()
    folder.mkdir()
    tokenizer.save_pretrained(folder)
    config = {
        "model_cfg": {
            "embed_dim": 16,
            "vision_cfg": {"image_size": 28, "layers": 2, "width": 32, "patch_size": 14, "head_width": 8},
            "text_cfg": {"context_length": 24, "vocab_size": words, "width": 32, "heads": 2, "layers": 2},
        },
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.3]},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {n: t.contiguous() for n, t in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder, model


def test_a_converted_folder_answers_as_openclip_does(
    openclip: tuple[Path, OpenClip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, model = openclip
    with pytest.raises(SystemExit) as done:
        main(["models", "convert", str(folder), "--to", str(tmp_path / "out"), "--json"])
    assert not done.value.code and json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "out")
    encoder = load_encoder(tmp_path / "out", device="cpu")
    texts = ["a red car", "two dogs in the street", "snow"]
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, return_tensors="pt"
    ).input_ids
    images = [np.random.default_rng(i).integers(0, 255, (28, 28, 3), dtype=np.uint8) for i in range(3)]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in ([0.5, 0.4, 0.3], [0.2, 0.2, 0.3]))
    with torch.no_grad():
        said, seen = model.encode_text(tokens), model.encode_image((pixels - mean) / std)
    np.testing.assert_allclose(encoder.embed_texts(texts), said.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.embed_images(images), seen.numpy(), atol=1e-5)
    assert encoder.logit_scale == pytest.approx(np.exp(2.5), rel=1e-5)


def test_what_is_no_openclip_of_two_transformers_is_refused(
    openclip: tuple[Path, OpenClip], tmp_path: Path
) -> None:
    folder, _ = openclip
    with pytest.raises(ModelError, match="is no OpenCLIP folder"):
        convert_openclip(tmp_path, tmp_path / "out")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["layers"] = 3
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="does not fit its configuration"):
        convert_openclip(folder, tmp_path / "out")
    config["model_cfg"]["vision_cfg"] = {"timm_model_name": "convnext_base", "image_size": 28}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no CLIP of two transformers"):
        convert_openclip(folder, tmp_path / "out")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelError, match="lacks"):
        convert_openclip(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def reader(folder: Path, kind: str, heads: int = 2) -> Path:
    """A text network whose words are numbered as XLM-R's are, padding being 1."""
    torch.manual_seed(1)
    words = ["<s>", "<pad>", "</s>", "<unk>", *COLOURS, "over", "a", "car", "word"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    size = {"vocab_size": len(words), "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": heads,
            "intermediate_size": 48, "max_position_embeddings": 26, "pad_token_id": 1}  # fmt: skip
    config = getattr(transformers, f"{kind}Config")(**size)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", cls_token="<s>", sep_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def flags() -> list[tuple[np.ndarray, list[str]]]:
    out = []
    for above, below in itertools.product(COLOURS, COLOURS):
        image = np.zeros((30, 30, 3), np.uint8)
        image[:15], image[15:] = COLOURS[above], COLOURS[below]
        out.append((image, [f"{above} over {below}"]))
    return out


@pytest.mark.parametrize("kind", ["Bert", "XLMRoberta"])
def test_another_reader_is_joined_to_an_encoder_and_taught(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    seeing, tokenizer = tmp_path / "clip", build_tokenizer(SIZES)
    build_model(SIZES, tokenizer).save_pretrained(seeing)
    build_processor(SIZES, tokenizer).save_pretrained(seeing)
    reading = reader(tmp_path / "reader", kind)
    both = tmp_path / "both"
    with pytest.raises(SystemExit) as done:
        main(["models", "join", "--image", str(seeing), "--text", str(reading), "--to", str(both), "--json"])
    assert not done.value.code, capsys.readouterr().err
    images = [image for image, _ in flags()]
    before, joined = load_encoder(seeing, device="cpu"), load_encoder(both, device="cpu")
    np.testing.assert_allclose(joined.embed_images(images), before.embed_images(images), atol=1e-5)
    assert joined.embed_texts(["a red car", "word " * 60]).shape == (2, 16)
    recipe = FinetuneRecipe(
        mode="frozen-image", batch=16, held_out=0, steps=60, learning_rate=1e-2, augment=False
    )
    finetune_clip(recipe, flags(), tmp_path / "taught", model=both, device="cpu")
    taught = load_encoder(tmp_path / "taught", device="cpu")
    np.testing.assert_allclose(taught.embed_images(images), before.embed_images(images), atol=1e-4)
    texts = [text for _, (text,) in flags()]
    right = (taught.embed_images(images) @ taught.embed_texts(texts).T).argmax(1) == np.arange(16)
    assert right.mean() > 0.5


class MClip(nn.Module):
    """M-CLIP's own forward pass, written from its source."""

    def __init__(self, base: Path, dim: int) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.transformer = transformers.AutoModel.from_pretrained(base)
        self.LinearTransformation = nn.Linear(self.transformer.config.hidden_size, dim)

    def forward(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        words, mask = self.transformer(**tokens)[0], tokens["attention_mask"]
        pooled = (words * mask.unsqueeze(2)).sum(1) / mask.sum(1)[:, None]
        return F.normalize(self.LinearTransformation(pooled), dim=-1)


@pytest.mark.parametrize("kind", ["Bert", "XLMRoberta"])
@pytest.mark.parametrize("described", [True, False])
def test_a_reader_of_m_clip_answers_as_it_does_and_learns_on(
    kind: str, described: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeing, tokenizer = _clip(tmp_path / "clip"), build_tokenizer(SIZES)
    build_processor(SIZES, tokenizer).save_pretrained(seeing)
    base = reader(tmp_path / "reader", kind, heads=1)
    theirs, folder = MClip(base, 16).eval(), tmp_path / "mclip"
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    weights = {n: t.contiguous() for n, t in theirs.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    named = str(base) if described else {"Bert": "bert-base-multilingual", "XLMRoberta": "xlm-roberta"}[kind]
    told = {"model_type": "M-CLIP", "modelBase": named, "numDims": 16, "transformerDimensions": 24}
    (folder / "config.json").write_text(json.dumps(told))
    both = tmp_path / "both"
    with pytest.raises(SystemExit) as done:
        main(["models", "join", "--image", str(seeing), "--text", str(folder), "--to", str(both), "--json"])
    assert not done.value.code, capsys.readouterr().err
    texts = ["a red car", "word over a car over a word", "snow"]
    tokens = transformers.AutoTokenizer.from_pretrained(base)(texts, padding=True, return_tensors="pt")
    said = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = theirs(said).numpy()
    joined = load_encoder(both, device="cpu")
    np.testing.assert_allclose(joined.embed_texts(texts), expected, atol=1e-5)
    recipe = FinetuneRecipe(mode="lora", batch=16, held_out=0, steps=3, learning_rate=1e-2, augment=False)
    finetune_clip(recipe, flags(), tmp_path / "taught", model=both, device="cpu")
    taught = load_encoder(tmp_path / "taught", device="cpu").embed_texts(texts)
    assert 1e-3 < np.abs(taught - expected).max() < 1
    alone = load_encoder(tmp_path / "taught", device="cpu").embed_texts(texts[:1])
    np.testing.assert_allclose(alone, taught[:1], atol=1e-5)  # padding counts for nothing


def test_towers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    reading = reader(tmp_path / "reader", "Bert")
    with pytest.raises(ModelError, match="is of type 'bert'"):
        join_towers(reading, reading, tmp_path / "out")
    with pytest.raises(ModelError, match="no model folder"):
        join_towers(tmp_path / "gone", reading, tmp_path / "out")
    with pytest.raises(ModelError, match="is of type"):
        join_towers(_clip(tmp_path / "clip"), _clip(tmp_path / "clip2"), tmp_path / "out")


def _clip(folder: Path) -> Path:
    tokenizer = build_tokenizer(SIZES)
    build_model(SIZES, tokenizer).save_pretrained(folder)
    return folder
