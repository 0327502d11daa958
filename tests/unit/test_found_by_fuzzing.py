"""What hostile input found once, each as the smallest case of its kind."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from seektrack.encoders import load_encoder
from seektrack.errors import InputError, ModelError
from seektrack.outputs import load_tracks
from seektrack.outputs.prompts import read_prompts
from seektrack.outputs.remarks import Remarks
from seektrack.segmentation import ImagePredictor, load_sam2
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


def graphs_noted(tmp_path: Path, change: Callable[[dict[str, Any]], None], name: str = "clip") -> str:
    """A model folder whose note of graphs was changed."""
    folder = tmp_path / name
    shutil.copytree(str(files("seektrack") / "pretrained" / name), folder)
    note = json.loads((folder / "onnx.json").read_text("utf-8"))
    change(note)
    (folder / "onnx.json").write_text(json.dumps(note), "utf-8")
    return str(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note["graphs"]["text"].update(file="../text.onnx"),
        lambda note: note["graphs"]["text"].update(file=["text.onnx"]),
        lambda note: note["graphs"]["vision"].update(weights="/etc/passwd"),
        lambda note: note["graphs"]["vision"].update(size="7"),
        lambda note: note["settings"].update(dim=float("inf")),
        lambda note: note["settings"].update(dim=7),
        lambda note: note["settings"]["image"].update(mean=[0.5, 0.5]),
        lambda note: note["settings"]["image"].update(resample=1e-300),
        lambda note: note["settings"]["image"].update(crop_hw=""),
        lambda note: note["settings"]["image"].update(crop_hw=[64]),
    ],
)
def test_a_note_of_graphs_is_a_claim(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelError):
        encoder = load_encoder(graphs_noted(tmp_path, change), runtime="onnx")
        encoder.embed_texts(["a red car"])
        encoder.embed_images([np.zeros((60, 90, 3), np.uint8)])


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note["settings"].update(no_mask=note["settings"]["no_mask"][1:]),
        lambda note: note["settings"]["sizes"].update(resolution=2**40),
        lambda note: note["settings"]["sizes"].update(stability_delta=float("nan")),
        lambda note: note["settings"]["sizes"].update(multimask_points=[1]),
        lambda note: note["settings"]["sizes"].update(resolution=128),
    ],
)
def test_a_note_of_a_segmenter_is_a_claim(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelError):
        for one in load_sam2(graphs_noted(tmp_path, change, "sam2"), runtime="onnx").sets:
            predictor = ImagePredictor(
                one
            )  # the note is one set's, and a picture goes to the one that knows it
            predictor.set_image(np.zeros((48, 64, 3), np.uint8))
            predictor.predict(box=np.array([4.0, 4.0, 30.0, 30.0]))


def test_a_graph_that_is_none_says_nothing_but_the_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    folder = Path(graphs_noted(tmp_path, lambda note: None))
    note = json.loads((folder / "onnx.json").read_text("utf-8"))
    raw = b"\xff" * 300
    (folder / "text.onnx").write_bytes(raw)
    note["graphs"]["text"].update(
        size=len(raw), digest=hashlib.blake2b(raw, digest_size=16).hexdigest(), weights=""
    )
    (folder / "onnx.json").write_text(json.dumps(note), "utf-8")
    with pytest.raises(ModelError, match=r"text\.onnx cannot be opened"):
        load_encoder(str(folder), runtime="onnx").embed_texts(["a red car"])
    assert "Error" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "held", [{"missed": 3}, {"notices": "x"}, {"anomalies": {"a": 1}}, {"anomalies": [3]}]
)
def test_remarks_of_another_kind_are_refused(held: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Remarks.read(held)


@pytest.mark.parametrize("raised", [MemoryError(), struct.error("short"), OverflowError("large")])
def test_whatever_a_picture_library_raises_the_mask_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    path = tmp_path / "00001.png"
    cv2.imwrite(str(path), np.full((48, 64), 255, np.uint8))
    assert len(read_prompts(path)) == 1

    def load(self: Image.Image) -> None:
        raise raised

    monkeypatch.setattr(Image.Image, "load", load)
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(InputError, match=r"00001\.png cannot be read as a picture"):
        read_prompts(path)
