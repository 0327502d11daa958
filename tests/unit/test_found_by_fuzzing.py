"""What hostile input found once, each as the smallest case of its kind."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from seektrack.encoders import load_encoder
from seektrack.errors import InputError, ModelError
from seektrack.outputs import load_tracks
from seektrack.world import SceneSettings


def test_a_tokenizer_of_another_model_is_refused_when_it_gives_unknown_words(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(str(files("seektrack") / "pretrained" / "clip"), folder)
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocabulary = content["model"]["vocab"]
    for number, word in enumerate(vocabulary):
        vocabulary[word] = 100_000 + number
    for added in content.get("added_tokens", []):
        added["id"] = vocabulary.get(added["content"], 200_000)
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError):
        load_encoder(str(folder)).embed_texts(["a red car"])


@pytest.mark.parametrize("header", [b"{'descr': '<i2', (", b"{'descr': '''", b"\xff" * 20, b"{" * 500])
def test_an_array_whose_header_is_no_literal_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "masks.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(InputError, match="not a NumPy array"):
        load_tracks(path)


def test_a_scene_too_large_to_draw_is_refused() -> None:
    with pytest.raises(InputError, match="out of bounds"):
        SceneSettings(width=2**53, height=2**53)
    with pytest.raises(InputError, match="2147483647 frames of 64x64"):
        SceneSettings(width=64, height=64, n_frames=2**31 - 1)


def test_a_preprocessor_of_another_model_is_refused_when_its_pictures_do_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(str(files("seektrack") / "pretrained" / "clip"), folder)
    for file in folder.glob("*processor*.json"):
        content = json.loads(file.read_text("utf-8"))
        inner = content.get("image_processor", content)
        inner["size"] = {"shortest_edge": 112}
        inner["do_center_crop"] = False
        inner["crop_size"] = {"height": 112, "width": 149}
        file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError):
        load_encoder(str(folder)).embed_images([np.zeros((60, 90, 3), np.uint8)])


@pytest.mark.parametrize("length", [-3, float("nan"), "x", 0])
def test_a_text_length_that_is_none_is_refused(tmp_path: Path, length: object) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(str(files("seektrack") / "pretrained" / "clip"), folder)
    content = json.loads((folder / "config.json").read_text("utf-8"))
    content["text_config"]["max_position_embeddings"] = length
    (folder / "config.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError):
        load_encoder(str(folder)).embed_texts(["a red car"])


def test_xml_in_an_encoding_there_is_none_of_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.cvat.xml"
    path.write_text('<?xml version="1.0" encoding="utg-8"?><annotations/>')
    with pytest.raises(InputError, match="not XML"):
        load_tracks(path)
