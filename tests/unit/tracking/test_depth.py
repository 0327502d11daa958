"""Pixels two objects claim go to the one in front where depth tells, else by looks and motion."""

from __future__ import annotations

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from seektrack.cli import main
from seektrack.errors import InputError, ModelError
from seektrack.tracking import Detection, IdentitySettings, IdentityTracker
from seektrack.tracking.cues import cues_of
from seektrack.tracking.depth import FolderDepth, NetworkDepth, parse_depth, write_depth
from seektrack.types import Frame, Mask
from seektrack.video import VideoWriter

HW = (80, 120)
PAINT = ((200, 40, 40), (40, 60, 200))


def disc(x: float, y: float = 40.0, r: float = 16.0) -> np.ndarray:
    ys, xs = np.mgrid[: HW[0], : HW[1]]
    return (xs - x) ** 2 + (ys - y) ** 2 < r * r


def scene(t: int, paints=PAINT, *, front: int = 0):
    """Two discs that pass each other half-way, ``front`` before the other: picture, whole shapes, depth."""
    shapes = disc(20 + 2.5 * t, 36), disc(100 - 2.5 * t, 44)
    image, depth = np.full((*HW, 3), 120, np.uint8), np.zeros(HW, np.float32)
    for k in (1 - front, front):
        image[shapes[k]], depth[shapes[k]] = paints[k], 2.0 + (k == front)
    return image, shapes, depth


def shares(*, depth: bool, paints=PAINT, front: int = 0) -> float:
    """Share of the contested pixels that go to the one in front alone, both claimed whole all the time."""
    tracker = IdentityTracker(HW, settings=IdentitySettings(merge=False))
    right = total = 0
    for t in range(20):
        image, shapes, near = scene(t, paints, front=front)
        visible = shapes[0] & ~(shapes[1] if front else np.zeros(HW, bool)), shapes[1]
        given = [
            Detection(Mask.from_array(s).box, Mask.from_array(s), 0.9, k + 1, cues=cues_of(image, v))
            for k, (s, v) in enumerate(zip(shapes, visible, strict=True))
        ]
        settled = tracker.update(
            t, t / 8, given, image=image, depth=(lambda near=near: near) if depth else None
        )
        contested = shapes[0] & shapes[1]
        seen = [settled.observations[i].mask for i in (1, 2) if settled.observations[i].mask is not None]
        if contested.sum() < 30 or len(seen) < 2:
            continue
        mine, theirs = seen[front].to_array(), seen[1 - front].to_array()
        right += int((mine & ~theirs)[contested].sum())
        total += int(contested.sum())
    assert total > 1000
    return right / total


def test_depth_tells_who_is_in_front_also_of_two_alike():
    alike = (PAINT[0], PAINT[0])
    assert min(shares(depth=True, paints=alike, front=k) for k in (0, 1)) > 0.95
    assert min(shares(depth=True, front=k) for k in (0, 1)) > 0.95


def test_without_depth_looks_tell():
    assert min(shares(depth=False, front=k) for k in (0, 1)) > 0.85


def test_maps_of_a_folder_are_read_by_frame_number(tmp_path):
    depth = np.arange(HW[0] * HW[1], dtype=np.float32).reshape(HW)
    write_depth(tmp_path, 3, depth, most=float(depth.max()))
    np.save(tmp_path / "frame_000004.npy", depth[::2, ::2])
    source = FolderDepth(tmp_path)
    image = np.zeros((*HW, 3), np.uint8)
    read = source(Frame(3, Fraction(0), image))
    assert np.allclose(read / 65535, depth / depth.max(), atol=2e-5)
    assert source(Frame(4, Fraction(0), image)).shape == HW
    assert source(Frame(5, Fraction(0), image)) is None
    cv2.imwrite(str(tmp_path / "00007.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="no depth map"):
        FolderDepth(tmp_path)(Frame(7, Fraction(0), image))
    (tmp_path / "empty").mkdir()
    for wrong, said in (("none", "no folder"), ("empty", "holds no depth map")):
        with pytest.raises(InputError, match=said):
            parse_depth(str(tmp_path / wrong))


def test_a_depth_network_of_transformers_tells_every_pixel(tmp_path):
    from transformers import (
        CLIPVisionConfig,
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
    )

    backbone = Dinov2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16, head_hidden_size=8, patch_size=14,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).eval().save_pretrained(tmp_path / "depth")
    source = parse_depth(f"hf:{tmp_path / 'depth'}", device="cpu")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (*HW, 3), dtype=np.uint8) for _ in range(2)]
    one, other = (source(Frame(k, Fraction(0), image)) for k, image in enumerate(images))
    assert one.shape == HW and np.isfinite(one).all() and not np.allclose(one, other)
    with pytest.raises(ModelError):
        NetworkDepth(str(tmp_path / "nothing"))(Frame(0, Fraction(0), images[0]))
    CLIPVisionConfig().save_pretrained(tmp_path / "clip")
    with pytest.raises((InputError, ModelError)):
        NetworkDepth(str(tmp_path / "clip"))(Frame(0, Fraction(0), images[0]))


def test_the_command_takes_a_folder_of_maps(tmp_path, capsys):
    path, maps = tmp_path / "discs.mp4", tmp_path / "maps"
    with VideoWriter(path, width=HW[1], height=HW[0], fps=8) as writer:
        for t in range(4):
            image, _, near = scene(t + 8)
            writer.write(image)
            write_depth(maps, t, near, most=3.0)
    boxes = ["--box", "24,20,56,52@0", "--box", "64,28,96,60@0"]
    with pytest.raises(SystemExit) as ended:
        main(["track", str(path), *boxes, "--depth", str(maps), "--resolution", "128", "--no-overlay",
              "--out", str(tmp_path / "out"), "--json"])  # fmt: skip
    assert not ended.value.code
    assert len(json.loads(capsys.readouterr().out)[0]["tracks"]) == 2
    with pytest.raises(SystemExit) as ended:
        main(["track", str(path), *boxes, "--depth", str(tmp_path / "no"), "--out", str(tmp_path / "o")])
    assert ended.value.code and "depth maps" in capsys.readouterr().err
