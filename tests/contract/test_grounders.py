"""What every grounder keeps to, whoever wrote it: this runs over each that is registered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seektrack.errors import InputError, ModelError
from seektrack.evaluation.footage import write_footage
from seektrack.grounding import GROUNDERS, GrounderContext, GroundSettings, parse_grounder
from seektrack.pipeline import Models
from seektrack.query import read
from seektrack.tracking.engine import Sam2Engine
from seektrack.video import open_video
from seektrack.world import SceneSettings, Split, seeds

WORDS = ["a", "photo", "of", "red", "blue", "car", "dog", "robot", "pink", "."]


def save_tokenizer(folder: Path) -> None:
    """A tokenizer of a few words, as those checkpoints have one."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = {word: n for n, word in enumerate([*special, *WORDS])}
    inner = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)


def save_owlv2(folder: Path) -> None:
    from transformers import Owlv2Config, Owlv2ForObjectDetection
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Owlv2Config(
        text_config=small | {"vocab_size": 20, "max_position_embeddings": 16, "eos_token_id": 3},
        vision_config=small | {"image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    network = Owlv2ForObjectDetection(config)
    network.box_head.dense2.weight.data *= 0.01  # boxes of random weights would have no width
    network.save_pretrained(folder)
    Owlv2ImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    save_tokenizer(folder)


def save_grounding_dino(folder: Path) -> None:
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
        GroundingDinoImageProcessorPil,
    )

    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin", "image_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 2, 2], "window_size": 4, "out_features": ["stage2", "stage3", "stage4"],
        },
        text_config={
            "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 48, "vocab_size": 20,
        },
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_ffn_dim=48, num_queries=12, max_text_len=32,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    GroundingDinoImageProcessorPil(size={"shortest_edge": 160, "longest_edge": 240}).save_pretrained(folder)
    save_tokenizer(folder)


def save_sam3(folder: Path) -> None:
    from transformers import Sam3Config, Sam3Model

    small = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2}
    config = Sam3Config(
        vision_config={
            "backbone_config": small | {
                "model_type": "sam3_vit_model", "num_hidden_layers": 2, "image_size": 56, "patch_size": 14,
                "pretrain_image_size": 56, "window_size": 2, "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 32,
        },
        text_config=small | {
            "num_hidden_layers": 1, "vocab_size": 20, "max_position_embeddings": 32, "projection_dim": 32,
            "eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0,
        },
        geometry_encoder_config=small | {"num_layers": 1},
        detr_encoder_config=small | {"num_layers": 1},
        detr_decoder_config=small | {"num_layers": 1, "num_queries": 8},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    Sam3Model(config).save_pretrained(folder)
    save_tokenizer(folder)


CHECKPOINTS = {"hf": [save_owlv2, save_grounding_dino], "sam3": [save_sam3]}
"""What stands behind the colon of a grounder that takes something: checkpoints of random weights."""


def names() -> list[tuple[str, object]]:
    return [(name, save) for name in GROUNDERS for save in CHECKPOINTS.get(name, [None])]


@pytest.fixture(scope="module")
def models() -> Models:
    return Models("pocket", device="cpu")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    settings = SceneSettings(n_frames=2, cast=(("robot", "pink"), ("car", "blue")), actors=(0, 0))
    folder = tmp_path_factory.mktemp("scene")
    film = write_footage(folder, seeds(Split.TEST, 1, start=7300), settings)[0]
    with open_video(film.path) as source:
        return next(iter(source)).image


@pytest.fixture(params=names(), ids=lambda one: f"{one[0]}-{getattr(one[1], '__name__', 'own')}")
def name(request, tmp_path: Path) -> str:
    kind, save = request.param
    if save is None:
        assert not GROUNDERS[kind].takes, "add a checkpoint of random weights to CHECKPOINTS"
        return kind
    torch.manual_seed(3)
    save(tmp_path)
    return f"{kind}:{tmp_path}"


def grounder(name: str, models: Models, text: str, **settings):
    kind, argument = parse_grounder(name)
    engine = Sam2Engine(models.sam2)
    context = GrounderContext(
        read(text).concepts, models.encoder, engine.propose, GroundSettings(**settings), argument=argument
    )
    return kind.make(context), engine


def test_what_is_found_lies_in_the_picture_and_is_called_as_it_was_asked_for(name, models, image):
    finds, engine = grounder(name, models, "a pink robot; a blue car", min_confidence=0.0)
    found = finds.find(image, engine.encode(image))
    height, width = image.shape[:2]
    assert found, "with no least confidence something is found"
    for f in found:
        x0, y0, x1, y1 = f.box
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        assert 0 <= f.confidence <= 1 and 0 <= f.quality <= 1
        assert f.label in ("a pink robot", "a blue car")
        if f.mask is not None:
            assert f.mask.size == (height, width) and f.mask.box is not None
    assert isinstance(finds.judges, bool)


def test_nothing_is_found_that_nobody_believes(name, models, image):
    finds, engine = grounder(name, models, "a pink robot", min_confidence=1.01)
    assert finds.find(image, engine.encode(image)) == []


def test_pictures_of_another_size_and_shape_are_taken(name, models, image):
    finds, engine = grounder(name, models, "a pink robot", min_confidence=0.0)
    for picture in (image[:97, :61].copy(), np.zeros((40, 90, 3), dtype=np.uint8)):
        for f in finds.find(picture, engine.encode(picture)):
            assert f.box[2] <= picture.shape[1] and f.box[3] <= picture.shape[0]


def test_ours_finds_each_thing_under_its_own_label(models, image):
    finds, engine = grounder("proposals", models, "a pink robot; a blue car", min_confidence=0.5)
    found = finds.find(image, engine.encode(image))
    assert {f.label for f in found} == {"a pink robot", "a blue car"}
    best = {f.label: f for f in reversed(found)}
    assert best["a pink robot"].mask.iou(best["a blue car"].mask) < 0.3


def test_names_that_are_none_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="unknown grounder 'proposal'"):
        parse_grounder("proposal")
    with pytest.raises(InputError, match="write hf:ID") as caught:
        parse_grounder("hf")
    assert "hf:ID" in str(caught.value)
    with pytest.raises(InputError, match="names no grounder"):
        parse_grounder("proposals:x")


def test_a_checkpoint_that_is_no_detector_says_so(models, image, tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    for name, match in (("hf", "no detector that reads texts"), ("sam3", "no SAM 3")):
        with pytest.raises(InputError, match=match):
            grounder(f"{name}:{tmp_path}", models, "a car")
    with pytest.raises(ModelError):
        grounder("hf:./nowhere", models, "a car")
