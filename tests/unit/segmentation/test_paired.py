"""Two sets of weights behind one segmenter: each picture, each video gets the one that knows its kind."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from seektrack.checkpoints import packaged_folder
from seektrack.errors import InputError, ModelError
from seektrack.segmentation import (
    ImagePredictor,
    RefineSettings,
    Sam2,
    VideoPredictor,
    VideoSession,
    load_sam2,
    open_session,
    propose,
    refine,
    resume_session,
    segment_video,
)
from seektrack.segmentation.arrays import floats
from seektrack.segmentation.gate import Gate
from seektrack.segmentation.paired import GATE, SECOND, SETS
from seektrack.segmentation.propagation import PropagationSettings
from seektrack.tracking.engine import Sam2Engine
from seektrack.training.sam2 import pair
from seektrack.types import Frame, Prompt
from seektrack.world import SceneSettings, render, sample_scene

Image = NDArray[np.uint8]
BOX = (60.0, 60.0, 140.0, 140.0)


@pytest.fixture(scope="module", params=["torch", "onnx"])
def sam2(request: Any) -> Sam2:
    return load_sam2("pocket", device="cpu", runtime=request.param)


@pytest.fixture(scope="module")
def by_torch() -> Sam2:
    return load_sam2("pocket", device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def drawn() -> list[Image]:
    clip = render(sample_scene(7, SceneSettings(height=180, width=240, n_frames=6)))
    return [np.asarray(frame, np.uint8) for frame in clip.frames]


@pytest.fixture(scope="module")
def photographed() -> list[Image]:
    """A film of the documentation's own picture of films: a window that moves over it."""
    path = Path(__file__).parents[3] / "docs" / "pictures" / "footage.jpg"
    whole = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return [np.ascontiguousarray(whole[4 * t : 180 + 4 * t, 6 * t : 240 + 6 * t]) for t in range(6)]


def named(sam2: Sam2, name: str) -> Sam2:
    return load_sam2(f"pocket:{name}", device="cpu", runtime=sam2.runtime)


def followed(session: Any, images: list[Image], start: int = 0) -> list[NDArray[np.float32]]:
    return [floats(session.step(image, start + i).logits) for i, image in enumerate(images)]


def begun(sam2: Sam2, mode: str = "memory") -> Any:
    session = open_session(sam2, PropagationSettings(mode=mode, every=2))  # type: ignore[arg-type]
    session.add(Prompt(1, 0, box=BOX))
    return session


def test_a_picture_is_encoded_and_answered_by_the_set_that_knows_it(
    sam2: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    for image, name in ((drawn[0], "drawn"), (photographed[0], "photographs")):
        alone, features = named(sam2, name), sam2.encode(image)
        assert features.weights == name
        assert np.array_equal(floats(features.top), floats(alone.encode(image).top))
        ours, theirs = (propose(one, image, points_per_side=4) for one in (sam2, alone))
        assert [p.mask for p in ours] == [p.mask for p in theirs]


def test_pictures_of_a_batch_may_be_of_both_kinds(
    sam2: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    both = ImagePredictor(sam2)
    both.set_image_batch([drawn[0], photographed[0]])
    point = {"point_coords_batch": [np.array([[100.0, 90.0]])] * 2, "point_labels_batch": [np.array([1])] * 2}
    masks, _, _ = both.predict_batch(**point)
    for found, image, name in zip(masks, (drawn[0], photographed[0]), SETS, strict=True):
        alone = ImagePredictor(named(sam2, name))
        alone.set_image(image)
        assert np.array_equal(found, alone.predict(np.array([[100.0, 90.0]]), np.array([1]))[0])


@pytest.fixture(scope="module", params=[192, 320])
def apart(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Sam2, Sam2]:
    """A pair whose photographs are seen in another square, and that set alone."""
    folder = pair("pocket", "pocket", tmp_path_factory.mktemp("apart"), resolution=request.param)
    return load_sam2(folder, device="cpu"), load_sam2(folder / SECOND, device="cpu")


def test_sets_that_see_squares_of_different_sides_answer_as_each_alone(
    apart: tuple[Sam2, Sam2], drawn: list[Image], photographed: list[Image]
) -> None:
    sam2, photographs = apart
    for first, alone, name in ((drawn, sam2.sets[0], "drawn"), (photographed, photographs, "photographs")):
        features = sam2.encode(first[0])
        assert features.weights == name and sam2.for_picture(first[0]).resolution == alone.resolution
        assert np.array_equal(floats(features.top), floats(alone.encode(first[0]).top))
        ours, theirs = (propose(one, first[0], points_per_side=4) for one in (sam2, alone))
        assert [(p.mask, p.point) for p in ours] == [(p.mask, p.point) for p in theirs] and ours
        asked = []
        for one in (sam2, alone):
            predictor = ImagePredictor(one)
            predictor.set_image(first[0])
            _, _, low = predictor.predict(box=np.array(BOX))
            asked.append(predictor.predict(np.array([[100.0, 90.0]]), np.array([1]), mask_input=low[:1])[0])
        assert np.array_equal(*asked)
        for mode in ("memory", "hybrid"):
            ours, theirs = (followed(begun(one, mode), first[:4]) for one in (sam2, alone))
            assert all(np.array_equal(got, wanted) for got, wanted in zip(ours, theirs, strict=True))
        mask = np.zeros(first[0].shape[:2], bool)
        mask[60:140, 60:140] = True
        ours, theirs = (refine(one, first[0], mask[None])[0].mask for one in (sam2, alone))
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("mode", ["memory", "hybrid"])
def test_the_first_frame_chooses_for_all_of_a_video(
    sam2: Sam2, drawn: list[Image], photographed: list[Image], mode: str
) -> None:
    for first, then, name in ((drawn, photographed, "drawn"), (photographed, drawn, "photographs")):
        images = [*first[:2], *then[:3]]  # a cut to the other kind
        ours, alone = begun(sam2, mode), begun(named(sam2, name), mode)
        for got, wanted in zip(followed(ours, images), followed(alone, images), strict=True):
            assert np.array_equal(got, wanted)
        assert ours.sam2.weights == name


def test_a_saved_session_goes_on_with_its_set_and_with_equal_answers(
    by_torch: Sam2, drawn: list[Image], photographed: list[Image], tmp_path: Path
) -> None:
    for first, then, name in ((drawn, photographed, "drawn"), (photographed, drawn, "photographs")):
        whole, session = begun(by_torch), begun(by_torch)
        session.save(tmp_path / "unstarted")
        wanted = followed(whole, [*first[:2], *then[:2]])
        assert np.array_equal(
            followed(resume_session(tmp_path / "unstarted", by_torch), first[:1])[0], wanted[0]
        )
        followed(session, first[:2])
        session.save(tmp_path / "begun")
        later = resume_session(tmp_path / "begun", by_torch)
        assert later.sam2.weights == name
        for got, was in zip(followed(later, then[:2], 2), wanted[2:], strict=True):
            assert np.array_equal(got, was)
        with pytest.raises(ModelError, match="another network"):
            resume_session(tmp_path / "begun", by_torch.of("drawn" if name != "drawn" else "photographs"))


def test_an_engine_stays_with_the_first_picture_it_looked_at(
    by_torch: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    engine = Sam2Engine(by_torch)
    assert engine.encode(photographed[0]).features().weights == "photographs"
    assert engine.encode(drawn[0]).features().weights == "photographs"
    session = engine.session()
    session.add(Prompt(1, 0, box=BOX))
    session.step(engine.encode(photographed[0]), 0)
    other = Sam2Engine(by_torch)
    other.resumed(engine.state_of(session))
    assert other.encode(drawn[0]).features().weights == "photographs"


def test_features_of_other_weights_are_refused(
    sam2: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    session = begun(sam2)
    session.step(sam2.encode(drawn[0]), 0)
    with pytest.raises(InputError, match="set of weights 'photographs'"):
        session.step(sam2.encode(photographed[0]), 1)
    alone = named(sam2, "drawn")
    with pytest.raises(InputError, match="another network"):
        sam2.network.without_memory(alone.encode(drawn[0]))


def test_a_closer_look_is_taken_by_the_set_that_knows_the_whole(
    sam2: Sam2, photographed: list[Image]
) -> None:
    image = photographed[0]
    masks = np.zeros((1, *image.shape[:2]), bool)
    masks[0, 60:90, 60:90] = True
    how = RefineSettings(min_gain=1.0, min_agreement=0.0)
    ours, alone = (refine(one, image, masks, settings=how)[0] for one in (sam2, named(sam2, "photographs")))
    assert ours.score and ours.score == alone.score and np.array_equal(ours.mask, alone.mask)


def test_a_video_is_judged_by_its_first_frame_that_shows_something(
    by_torch: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    black = np.zeros_like(drawn[0])

    def film(*images: Image) -> list[Frame]:
        return [Frame(i, Fraction(i, 24), image) for i, image in enumerate(images)]

    assert by_torch.for_video(film(black, black, drawn[0], photographed[0])).weights == "drawn"
    assert by_torch.for_video(film(photographed[0], drawn[0])).weights == "photographs"
    assert by_torch.for_video(film(black)).weights in SETS and by_torch.for_video([]).weights in SETS
    assert by_torch.of("drawn").for_video(film(photographed[0])).weights == "drawn"


def test_every_way_through_a_video_takes_the_same_set(
    by_torch: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    images = [*photographed[:2], *drawn[:2]]
    alone = load_sam2("pocket:photographs", device="cpu")
    frames = [Frame(i, Fraction(i, 24), image) for i, image in enumerate(images)]
    prompts = [Prompt(1, 0, box=BOX)]
    for ours, theirs in zip(
        segment_video(by_torch, frames, prompts), segment_video(alone, frames, prompts), strict=True
    ):
        assert np.array_equal(ours.masks(), theirs.masks())
    found = []
    for one in (by_torch, alone):
        predictor = VideoPredictor(one)
        state = predictor.init_state(np.stack(images))
        predictor.add_new_points_or_box(state, 0, 1, box=BOX)
        found.append([floats(logits) for _, _, logits in predictor.propagate_in_video(state)])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_runtimes_choose_alike_and_say_who_they_are_alike(
    by_torch: Sam2, drawn: list[Image], photographed: list[Image]
) -> None:
    graphs = load_sam2("pocket", runtime="onnx")
    assert graphs.fingerprint == by_torch.fingerprint
    for image in (drawn[0], photographed[0]):
        one, other = (s.network.gate.odds(s.preprocess(image)) for s in (graphs, by_torch))  # type: ignore[attr-defined]
        assert one == pytest.approx(other, abs=1e-3)
    for images in (drawn, photographed):
        for got, wanted in zip(
            followed(begun(graphs), images[:3]), followed(begun(by_torch), images[:3]), strict=True
        ):
            assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()


def test_another_precision_is_one_of_both_sets(by_torch: Sam2, photographed: list[Image]) -> None:
    half = by_torch.at("bf16")
    assert {one.precision for one in half.sets} == {"bf16"}
    assert half.encode(photographed[0]).weights == "photographs"


def test_the_fingerprint_is_of_both_sets_and_of_the_gate(by_torch: Sam2, tmp_path: Path) -> None:
    source = packaged_folder("sam2")
    own = by_torch.fingerprint
    for name in ("model.safetensors", f"{SECOND}/model.safetensors", GATE):
        folder = tmp_path / name.replace("/", "-")
        for part in ("", SECOND):
            (folder / part).mkdir(parents=True)
            for file in ("config.json", "model.safetensors"):
                shutil.copyfile(source / part / file, folder / part / file)
        shutil.copyfile(source / GATE, folder / GATE)
        assert load_sam2(folder, device="cpu").fingerprint == own
        weights = load_file(folder / name)
        changed = next(key for key in sorted(weights) if weights[key].ndim and weights[key].size > 8)
        save_file({**weights, changed: weights[changed] + np.float16(0.5)}, folder / name, {"format": "pt"})
        assert load_sam2(folder, device="cpu").fingerprint != own


def test_what_does_not_belong_together_is_said(by_torch: Sam2, tmp_path: Path) -> None:
    from seektrack.training.sam2.config import PocketSize, build_pocket
    from seektrack.training.sam2.weights import publish

    source = packaged_folder("sam2")
    (tmp_path / SECOND).mkdir()
    for file in ("config.json", "model.safetensors"):
        shutil.copyfile(source / file, tmp_path / file)
    other = PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1), memories=6)
    publish(build_pocket(other), tmp_path / SECOND)
    (tmp_path / GATE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"cannot read .*gate"):
        load_sam2(tmp_path, device="cpu")
    weights = load_file(source / GATE)
    save_file({**weights, "head.bias": np.zeros(2, np.float16)}, tmp_path / GATE)
    with pytest.raises(ModelError, match="head does not fit"):
        load_sam2(tmp_path, device="cpu")
    shutil.copyfile(source / GATE, tmp_path / GATE)
    with pytest.raises(ModelError, match="different builds"):
        load_sam2(tmp_path, device="cpu")
    assert load_sam2(tmp_path, device="cpu", weights="photographs").resolution == 64
    with pytest.raises(ModelError, match="no set of weights 'both'"):
        load_sam2(tmp_path, device="cpu", weights="both")  # type: ignore[arg-type]


def test_the_gate_computes_what_it_was_trained_as(drawn: list[Image], photographed: list[Image]) -> None:
    import torch

    from seektrack.encoders.photo_network import Gate as Learner
    from seektrack.training.sam2.gate import folded

    torch.manual_seed(0)
    learner = Learner()
    pixels = torch.randn(3, 3, 256, 256)
    with torch.no_grad():
        learner.train()(pixels)  # its normalisations learn
        wanted = learner.eval()(pixels).numpy()
    assert folded(learner).odds(pixels) == pytest.approx(wanted, abs=2e-2)


def test_the_gate_looks_at_one_size(by_torch: Sam2, drawn: list[Image], photographed: list[Image]) -> None:
    finer = load_sam2("pocket", device="cpu", resolution=512)
    gate = Gate.load(packaged_folder("sam2"))
    for images, sign in ((drawn, 1), (photographed, -1)):
        for one in (by_torch, finer):
            assert sign * float(gate.odds(one.preprocess(images[0]))[0]) > 0


def test_one_set_alone_has_no_gate_and_asks_nobody(by_torch: Sam2, photographed: list[Image]) -> None:
    for name in SETS:
        alone = load_sam2("pocket", device="cpu", weights=name)
        assert alone.gate is None and alone.sets == (alone,) and alone.for_picture(photographed[0]) is alone
        assert alone.fingerprint == replace(by_torch.of(name), weights="").fingerprint
        session = VideoSession(alone)
        session.add(Prompt(1, 0, box=BOX))
        session.step(photographed[0], 0)
        assert session.sam2 is alone
