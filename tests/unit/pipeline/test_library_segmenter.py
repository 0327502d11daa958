"""Objects in a library are those of the segmenter that indexes now, not of the one before it."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from seektrack.pipeline import Library
from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = SceneSettings(height=128, width=128, n_frames=4, actors=(3, 4))
    clip = render(sample_scene(seeds(Split.VALIDATION, 1)[0], settings))
    path = tmp_path_factory.mktemp("videos") / "street.mp4"
    with VideoWriter(path, width=128, height=128, fps=8) as writer:
        for frame in clip.frames:
            writer.write(frame)
    return path


def copy_of_pocket(folder: Path, *, changed: bool) -> Path:
    with resources.as_file(resources.files("seektrack") / "pretrained" / "sam2") as pocket:
        shutil.copytree(pocket, folder)
    if changed:
        weights = load_file(folder / "model.safetensors")
        name = next(n for n in sorted(weights) if n.startswith("mask_decoder"))
        weights[name] = (weights[name] * np.float16(1.01)).astype(weights[name].dtype)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("regions", "changed", "anew"),
    [("objects", True, 1), ("objects", False, 0), ("none", True, 0)],
)
def test_a_video_is_indexed_anew_only_for_another_segmenter_whose_objects_it_holds(
    tmp_path: Path, video: Path, regions: str, changed: bool, anew: int
) -> None:
    other = copy_of_pocket(tmp_path / "sam2", changed=changed)
    with Library(tmp_path / "library") as first:
        assert first.index(video, sampling="every=2", regions=regions).indexed == 1
    with Library(tmp_path / "library", model=f"pocket+{other}") as second:
        assert second.index(video, sampling="every=2", regions=regions).indexed == anew
        report = second.index(video, sampling="every=2", regions=regions)
    assert (report.indexed, report.skipped) == (0, 1)
