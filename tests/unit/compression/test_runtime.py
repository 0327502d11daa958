"""The packaged graphs answer as the packaged weights do, and whatever is wrong with graphs is said."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.checkpoints import folder_fingerprint, packaged_folder
from seektrack.checkpoints.graphs import NOTE, Session, read_graphs
from seektrack.checkpoints.runtimes import check_runtime
from seektrack.encoders import load_encoder
from seektrack.encoders.clip_onnx import OnnxClipEncoder
from seektrack.errors import InputError, ModelError
from seektrack.segmentation import Sam2, VideoSession, load_sam2, propose
from seektrack.types import Mask, Prompt

SIDE = 256
HW = (90, 120)


@pytest.mark.parametrize(
    "name", ["clip", "sam2", "sam2/photographs", "temporal", "trajectory/lstm", "trajectory/transformer"]
)
def test_packaged_graphs_are_those_of_the_packaged_weights(name: str) -> None:
    """When this fails: seektrack models export pocket --beside (temporal, lstm, transformer likewise)."""
    folder = packaged_folder(name)
    graphs = read_graphs(folder)
    assert graphs.settings.get("source", graphs.fingerprint) == folder_fingerprint(folder)
    for graph in graphs.files:
        assert Session(graphs, graph).inputs


def picture(seed: int, hw: tuple[int, int] = HW) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    image = np.full((*hw, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(5):
        y, x = rng.integers(0, hw[0] - 20), rng.integers(0, hw[1] - 20)
        image[y : y + 30, x : x + 30] = rng.integers(0, 255, 3)
    return image


def clip(count: int = 5) -> list[NDArray[np.uint8]]:
    """A light square that moves over a dark ground, another that stands."""
    frames = []
    for t in range(count):
        frame = np.full((*HW, 3), (40, 60, 50), np.uint8)
        frame[30:55, 10 + 6 * t : 35 + 6 * t] = (220, 180, 40)
        frame[60:80, 80:100] = (60, 60, 220)
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def pair() -> tuple[Sam2, Sam2]:
    return load_sam2("pocket", device="cpu"), load_sam2("pocket", runtime="onnx")


def asked(count: int, kinds: str) -> list[Prompt]:
    held = np.zeros(HW, bool)
    held[30:55, 10:35] = True
    by_kind = {
        "box": {"box": (10.0, 30.0, 35.0, 55.0)},
        "points": {"points": np.array([[20.0, 40.0], [90.0, 70.0]]), "point_labels": np.array([1, 0])},
        "mask": {"mask": Mask.from_array(held)},
    }
    names = kinds.split(",")
    return [Prompt(i, 0, **by_kind[names[i % len(names)]]) for i in range(count)]  # type: ignore[arg-type]


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = int((one | other).sum())
    return 1.0 if not union else int((one & other).sum()) / union


@pytest.mark.parametrize(
    ("count", "kinds", "backward"),
    [(1, "box", False), (1, "points", True), (3, "box,points,mask", False), (8, "box,points,mask", True)],
)
def test_masks_are_torchs(pair: tuple[Sam2, Sam2], count: int, kinds: str, backward: bool) -> None:
    frames = clip()[::-1] if backward else clip()
    answers: list[list[NDArray[np.bool_]]] = []
    for sam2 in pair:
        session = VideoSession(sam2, direction=-1 if backward else 0)
        order = range(len(frames))[::-1] if backward else range(len(frames))
        for prompt in asked(count, kinds):
            session.add(Prompt(**{**vars(prompt), "frame_index": order[0]}))
        masks = []
        for t in order:
            if t == order[2]:  # a correction in the middle
                session.add(Prompt(0, t, points=np.array([[50.0, 42.0]]), point_labels=np.array([1])))
            masks.append(session.step(frames[t], t).masks())
        answers.append(masks)
    overlaps = [
        overlap(a, b) for one, other in zip(*answers, strict=True) for a, b in zip(one, other, strict=True)
    ]
    assert np.median(overlaps) >= 0.999 and min(overlaps) >= 0.99


def test_proposals_are_torchs(pair: tuple[Sam2, Sam2]) -> None:
    frame = clip(1)[0]
    one, other = (propose(sam2, frame, points_per_side=6, refine_once=True) for sam2 in pair)
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert overlap(a.mask.to_array(), b.mask.to_array()) >= 0.99 and abs(a.score - b.score) < 1e-3


def test_embeddings_are_torchs() -> None:
    torch, onnx = load_encoder("pocket", device="cpu"), load_encoder("pocket", runtime="onnx")
    assert isinstance(onnx, OnnxClipEncoder)
    assert (onnx.fingerprint, onnx.dim, onnx.logit_scale) == (torch.fingerprint, torch.dim, torch.logit_scale)
    assert onnx.image_size == torch.image_size
    assert onnx.languages == torch.languages  # type: ignore[attr-defined]
    images = [picture(1), picture(2, (300, 260)), picture(3, (64, 40))]  # the second on the finer side
    texts = ["a red car", "", "zwei Hunde im Schnee", "word " * 100]
    for a, b in (
        (torch.embed_images(images), onnx.embed_images(images)),
        (torch.embed_texts(texts), onnx.embed_texts(texts)),
    ):
        assert ((a * b).sum(1) >= 0.9999).all()
    layers = [e.embed_with_layers(images)[1] for e in (torch, onnx)]  # type: ignore[attr-defined]
    np.testing.assert_allclose(*layers, atol=1e-4)
    assert onnx.domain is not None and onnx.calibration is not None
    assert onnx.embed_texts([]).shape == (0, onnx.dim) and onnx.embed_images([]).shape == (0, onnx.dim)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The packaged graphs with the weights they read."""
    folder = tmp_path / "sam2"
    shutil.copytree(packaged_folder("sam2"), folder)
    return folder


def test_a_graph_cut_off_is_said(copied: Path) -> None:
    path = copied / "mask_decoder.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    sam2 = load_sam2(copied, runtime="onnx")
    with pytest.raises(ModelError, match=r"mask_decoder.onnx is cut off.*models export"):
        propose(sam2, clip(1)[0], points_per_side=2)


def test_a_graph_of_other_bytes_is_said(copied: Path) -> None:
    path = copied / "mask_decoder.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not the one onnx.json tells of"):
        propose(load_sam2(copied, runtime="onnx"), clip(1)[0], points_per_side=2)


def test_graphs_of_other_weights_are_said(copied: Path) -> None:
    weights = copied / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"not made of the weights.*--runtime torch"):
        load_sam2(copied, runtime="onnx")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"opset": 99}, "are of opset 99, 17 to 18 can be run"),
        ({"format": 9}, "is of form 9"),
        ({"kind": "clip"}, "are a clip, a sam2 is wanted"),
        ({"settings": {}}, "lacks what a SAM 2 needs"),
        ({"graphs": {}}, "has no graph 'image_encoder'"),
    ],
)
def test_a_note_that_does_not_fit_is_said(copied: Path, change: dict[str, Any], said: str) -> None:
    note = copied / NOTE
    held = json.loads(note.read_text())
    if "settings" in change:
        change = {"settings": {"source": held["settings"]["source"]}}
    note.write_text(json.dumps({**held, **change}))
    with pytest.raises(ModelError, match=said):
        load_sam2(copied, runtime="onnx").encode(clip(1)[0])


def test_no_graphs_are_said(copied: Path) -> None:
    (copied / NOTE).unlink()
    with pytest.raises(ModelError, match=r"holds no ONNX graphs.*models export"):
        load_sam2(copied, runtime="onnx")
    with pytest.raises(ModelError, match=r"are for 256 pixels, 512 was asked for.*--resolution 512"):
        load_sam2("pocket", runtime="onnx", resolution=512)


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ("tensorflow", "there is no runtime 'tensorflow'"),
        ("torch:cuda", "there is no runtime"),
        ("onnx:npu", "there is no ONNX provider 'npu'"),
        ("onnx:tensorrt", r"'tensorrt' is not on this machine; there is cpu.*onnxruntime-gpu"),
        ("onnx:openvino", r"'openvino' is not on this machine"),
    ],
)
def test_a_runtime_that_is_not_here_is_said(runtime: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        check_runtime(runtime)


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"needs ONNX Runtime.*pip install onnxruntime"):
        check_runtime("onnx")


def test_what_only_torch_has_is_said(pair: tuple[Sam2, Sam2]) -> None:
    with pytest.raises(InputError, match="needs torch"):
        _ = pair[1].fused
    with pytest.raises(ModelError, match="compute in what they were written in"):
        pair[1].at("bf16")
