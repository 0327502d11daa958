"""What the product measures on its folders is what transformers' own classes measure on them."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from seektrack.checkpoints import packaged_folder
from seektrack.cli import app
from seektrack.encoders import load_encoder
from seektrack.errors import InputError
from seektrack.evaluation import pocket_clip, pocket_sam2
from seektrack.evaluation.pocket_parity import AGREES, TransformersClip, TransformersSam2, differences
from seektrack.evaluation.pocket_sam2 import Condition, EngineFollower, asked_of, evaluate_sam2, followed
from seektrack.segmentation import load_sam2
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

SIZES = {"scenes": 1, "clips": 1, "n_frames": 3}


@pytest.fixture(scope="module")
def clip():
    """A short clip with several objects on its first frame."""
    settings = SceneSettings(n_frames=3, height=128, width=192)
    for seed in seeds(Split.TEST, 50):
        made = render(sample_scene(seed, settings))
        if len(asked_of(made, np.random.default_rng(0))) >= 2:
            return made
    raise AssertionError("no scene shows two objects")


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError("this way goes through the product's own code")


@pytest.mark.parametrize("side", [None, 128])
def test_masks_and_beliefs_are_those_of_transformers(clip, side: int | None) -> None:
    rng = np.random.default_rng(0)
    prompts = [p for one in asked_of(clip, rng) for p in one.prompts.values()]
    ours = list(EngineFollower(load_sam2("pocket", resolution=side))(clip.frames, prompts))
    theirs = list(TransformersSam2("pocket", resolution=side)(clip.frames, prompts))
    assert len(ours) == len(theirs) == 3
    overlaps = []
    for mine, other in zip(ours, theirs, strict=True):
        assert set(mine) == set(other) == {p.obj_id for p in prompts}
        for number, (mask, belief) in mine.items():
            assert belief == pytest.approx(other[number][1], abs=0.02)
            both, either = (mask & other[number][0]).sum(), (mask | other[number][0]).sum()
            overlaps.append(both / either if either else 1.0)
    assert np.mean(overlaps) > 0.995
    assert any(mask.any() for mask, _ in ours[-1].values()), "nothing was followed"


def test_the_segmenter_has_the_same_figures_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions = (Condition(), Condition("rich", 192))
    ours = evaluate_sam2("pocket", conditions=conditions, remember="all", **SIZES)
    monkeypatch.setattr(pocket_sam2, "VideoSession", forbidden)
    monkeypatch.setattr(pocket_sam2, "load_sam2", forbidden)
    theirs = evaluate_sam2("pocket", conditions=conditions, through="transformers", **SIZES)
    shared = differences(ours, theirs)
    assert {"J_box", "J_click", "JF_box", "JF_click", "J_box_rich_192", "JF_click_rich_192"} <= set(shared)
    assert set(ours) - set(theirs) == {"proposal_recall"}
    for name, (_, _, gap) in shared.items():
        assert math.isnan(gap) or abs(gap) <= AGREES, name
    assert ours["n_frame_objects"] > 0 and 0 < ours["J_box"] <= 1


@pytest.fixture(scope="module")
def drawn_half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pocket encoder without what knows photographs, which transformers does not read."""
    folder = tmp_path_factory.mktemp("drawn")
    for path in packaged_folder("clip").iterdir():
        if not path.name.startswith("photographs") and path.suffix != ".onnx" and path.name != "onnx.json":
            shutil.copy(path, folder)
    return folder


def test_the_text_encoder_has_the_same_figures_both_ways(
    drawn_half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = pocket_clip.evaluate_clip(drawn_half, crops=25, frames=8)
    monkeypatch.setattr(pocket_clip, "load_encoder", forbidden)
    theirs = pocket_clip.evaluate_clip(drawn_half, crops=25, frames=8, through="transformers")
    assert set(ours) == set(theirs)
    for name, (_, _, gap) in differences(ours, theirs).items():
        assert math.isnan(gap) or abs(gap) <= AGREES, name
    assert ours["n_crops"] == 25 and ours["text_to_crop_p1"] > 0


def test_embeddings_of_any_picture_agree(drawn_half: Path, rng: np.random.Generator) -> None:
    pictures = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in ((90, 140), (200, 60))]
    texts = ["a red car", "zwei Hunde", "something " * 90]
    ours, theirs = load_encoder(drawn_half, device="cpu"), TransformersClip(drawn_half)
    assert (theirs.image_size, theirs.dim) == (ours.image_size, ours.dim)
    assert theirs.vocabulary == ours.vocabulary is not None
    assert theirs.logit_scale == pytest.approx(ours.logit_scale)
    np.testing.assert_allclose(theirs.embed_images(pictures), ours.embed_images(pictures), atol=1e-4)
    np.testing.assert_allclose(theirs.embed_texts(texts), ours.embed_texts(texts), atol=1e-4)


def test_a_perfect_follower_scores_one_and_a_blind_one_little(clip) -> None:
    def perfect(frames, prompts):
        for t in range(len(frames)):
            yield {p.obj_id: (clip.ids[t] == p.obj_id // 2, 1.0) for p in prompts}

    def blind(frames, prompts):
        for frame in frames:
            yield {p.obj_id: (np.zeros(frame.shape[:2], bool), 0.0) for p in prompts}

    best = [value for _, _, value, _ in followed(perfect, clip, np.random.default_rng(0))]
    worst = [value for _, _, value, _ in followed(blind, clip, np.random.default_rng(0))]
    assert len(best) == len(worst) >= 4
    assert best == pytest.approx([1.0] * len(best))
    assert max(worst) < 0.7


def test_conditions_name_their_figures_and_take_their_share() -> None:
    assert [c.suffix for c in pocket_sam2.CONDITIONS] == ["", "_384", "_rich", "_rich_384"]
    assert Condition(share=0.4).of(100) == 40
    assert Condition(share=0.1).of(2) == 1


def test_an_unknown_way_is_refused() -> None:
    for measure in (evaluate_sam2, pocket_clip.evaluate_clip):
        with pytest.raises(InputError, match="through 'magic'"):
            measure("pocket", through="magic")


def test_what_cannot_be_asked_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket_clip, "evaluate_clip", forbidden)
    for wrong in (("--remember", "some"), ("--through", "magic")):
        result = CliRunner().invoke(app, ["eval", "pocket", *wrong])
        assert isinstance(result.exception, InputError) and wrong[1] in str(result.exception)
