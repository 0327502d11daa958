"""The engine: objects come and go, directions turn, memory stays bounded, a session survives on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seektrack.errors import InputError, ModelError, OutputError, PromptError
from seektrack.segmentation import FrameMasks, Sam2, VideoSession
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Mask, Prompt

HW = (60, 80)
SIZE = PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))


def network(seed: int = 0) -> Sam2:
    torch.manual_seed(seed)
    model = build_pocket(SIZE)
    model.config.max_object_pointers_in_encoder = 4
    return Sam2(model.eval(), 64, name=f"test {seed}")


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return network()


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (*HW, 3), dtype=np.uint8) for _ in range(10)]


def box(obj_id: int, frame_index: int = 0) -> Prompt:
    x = 5.0 + 7 * (obj_id % 8)
    return Prompt(obj_id, frame_index, box=(x, 10.0, x + 20, 40.0))


def run(session: VideoSession, images: list[np.ndarray], order: range) -> list[FrameMasks]:
    return [session.step(images[i], i) for i in order]


def same(a: FrameMasks, b: FrameMasks) -> bool:
    return a.obj_ids == b.obj_ids and torch.equal(a.logits, b.logits) and torch.equal(a.pointers, b.pointers)


def row(answer: FrameMasks, obj_id: int) -> torch.Tensor:
    return answer.logits[answer.obj_ids.index(obj_id)]


def test_the_shape_of_an_answer(sam2: Sam2, images: list[np.ndarray]) -> None:
    session = VideoSession(sam2)
    session.add(box(4))
    session.add(box(2))
    answer = session.step(images[0], 0)
    assert answer.obj_ids == [4, 2] == session.obj_ids
    assert answer.logits.shape == (2, 16, 16)
    assert answer.pointers.shape == (2, 128)
    assert answer.hw == HW
    assert ((answer.object_scores >= 0) & (answer.object_scores <= 1)).all()
    masks = answer.masks()
    assert masks.shape == (2, *HW) and masks.dtype == bool


def test_stepping_without_objects_answers_nothing(sam2: Sam2, images: list[np.ndarray]) -> None:
    answer = VideoSession(sam2).step(images[0], 0)
    assert len(answer) == 0
    assert answer.masks().shape == (0, *HW)


def test_a_prompt_waits_for_its_frame(sam2: Sam2, images: list[np.ndarray]) -> None:
    session = VideoSession(sam2)
    session.add(box(0, 0))
    session.add(box(1, 2))
    assert [a.obj_ids for a in run(session, images, range(4))] == [[0], [0], [0, 1], [0, 1]]


def test_the_others_do_not_matter(sam2: Sam2, images: list[np.ndarray]) -> None:
    alone = VideoSession(sam2)
    alone.add(box(1, 1))
    together = VideoSession(sam2)
    for prompt in (box(0, 0), box(1, 1), box(2, 2)):
        together.add(prompt)
    for mine, all_of_them in zip(
        run(alone, images, range(1, 6)), run(together, images, range(6))[1:], strict=True
    ):
        torch.testing.assert_close(row(mine, 1), row(all_of_them, 1), atol=1e-3, rtol=1e-3)


def test_removing_an_object_leaves_the_others(sam2: Sam2, images: list[np.ndarray]) -> None:
    kept, both = VideoSession(sam2), VideoSession(sam2)
    kept.add(box(0))
    both.add(box(0))
    both.add(box(1))
    both.add(box(1, 7))
    run(both, images, range(3))
    both.remove(1)
    assert both.obj_ids == [0]
    run(kept, images, range(3))
    for a, b in zip(run(kept, images, range(3, 8)), run(both, images, range(3, 8)), strict=True):
        assert b.obj_ids == [0]
        torch.testing.assert_close(a.logits, b.logits, atol=1e-3, rtol=1e-3)


def test_an_id_may_come_back(sam2: Sam2, images: list[np.ndarray]) -> None:
    session = VideoSession(sam2)
    session.add(box(0))
    run(session, images, range(3))
    session.remove(0)
    session.add(box(0, 4))
    fresh = VideoSession(sam2)
    fresh.add(box(0, 4))
    session.step(images[3], 3)
    for a, b in zip(run(session, images, range(4, 7)), run(fresh, images, range(4, 7)), strict=True):
        assert same(a, b)


def test_stepping_a_frame_again_changes_nothing(sam2: Sam2, images: list[np.ndarray]) -> None:
    once, twice = VideoSession(sam2), VideoSession(sam2)
    for session in (once, twice):
        session.add(box(0))
    run(once, images, range(3))
    answers = run(twice, images, range(3))
    assert same(answers[-1], twice.step(images[2], 2))
    assert same(once.step(images[3], 3), twice.step(images[3], 3))


def test_turning_back_follows_from_the_prompted_frame(sam2: Sam2, images: list[np.ndarray]) -> None:
    there_and_back, back = VideoSession(sam2), VideoSession(sam2)
    for session in (there_and_back, back):
        session.add(box(0, 4))
    run(there_and_back, images, range(4, 9))
    back.step(images[4], 4)
    for i in (3, 2, 1):
        assert same(there_and_back.step(images[i], i), back.step(images[i], i))


def test_a_sampled_video_is_remembered_like_a_whole_one(sam2: Sam2, images: list[np.ndarray]) -> None:
    dense, sparse = VideoSession(sam2), VideoSession(sam2)
    for session in (dense, sparse):
        session.add(box(0))
    for i in range(6):
        assert torch.equal(dense.step(images[i], i).logits, sparse.step(images[i], 10 * i).logits)


def test_conditioning_ahead_is_seen_from_before(sam2: Sam2, images: list[np.ndarray]) -> None:
    ahead, plain = VideoSession(sam2, direction=1), VideoSession(sam2)
    for session in (ahead, plain):
        session.add(box(0, 0))
        session.add(box(0, 4))
    assert ahead.condition(images[0], 0).obj_ids == [0]
    later = ahead.condition(images[4], 4)
    first, second = run(ahead, images, range(5)), run(plain, images, range(5))
    assert same(first[0], second[0])
    assert same(first[4], second[4]), "a prompted frame answers for itself"
    assert torch.equal(first[4].logits, later.logits)
    assert not torch.equal(first[2].logits, second[2].logits), "the frames between know of both"
    with pytest.raises(InputError, match="before the first step"):
        ahead.condition(images[5], 5)


def test_a_saved_session_goes_on_identically(sam2: Sam2, images: list[np.ndarray], tmp_path: Path) -> None:
    session = VideoSession(sam2, max_objects_per_batch=2, max_conditioning=3)
    mask = np.zeros(HW, dtype=bool)
    mask[10:30, 20:50] = True
    point = {"points": np.array([[30.0, 20.0]]), "point_labels": np.array([1])}
    session.add(box(5))
    session.add(Prompt(9, 1, mask=Mask.from_array(mask)))
    session.add(Prompt(2, 6, **point, label="dog"))
    run(session, images, range(5))
    path = tmp_path / "session.safetensors"
    session.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    loaded = VideoSession.load(path, network())
    assert loaded.obj_ids == [5, 9]
    assert loaded.pending[6][2].label == "dog"
    assert same(session.step(images[4], 4), loaded.step(images[4], 4))
    for a, b in zip(run(session, images, range(5, 10)), run(loaded, images, range(5, 10)), strict=True):
        assert same(a, b)
    assert loaded.obj_ids == [5, 9, 2]


def test_a_session_belongs_to_its_network(sam2: Sam2, images: list[np.ndarray], tmp_path: Path) -> None:
    session = VideoSession(sam2)
    session.add(box(0))
    session.step(images[0], 0)
    session.save(tmp_path / "s")
    with pytest.raises(ModelError, match="another network"):
        VideoSession.load(tmp_path / "s", network(seed=1))


def test_files_that_are_no_session(sam2: Sam2, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="cannot be read"):
        VideoSession.load(tmp_path / "missing", sam2)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="cannot be read"):
        VideoSession.load(tmp_path / "text", sam2)
    save_file({"a": torch.zeros(1)}, str(tmp_path / "weights"))
    with pytest.raises(InputError, match="not a session"):
        VideoSession.load(tmp_path / "weights", sam2)
    state = {"seektrack_session": json.dumps({"format": 99})}
    save_file({"a": torch.zeros(1)}, str(tmp_path / "newer"), metadata=state)
    with pytest.raises(InputError, match="not a session of this version"):
        VideoSession.load(tmp_path / "newer", sam2)
    with pytest.raises(OutputError):
        VideoSession(sam2).save(tmp_path / "newer" / "below a file")


def held_bytes(session: VideoSession) -> int:
    """Memory behind every tensor the session keeps of a frame; a view counts with all it is cut from."""
    held: list[torch.Tensor] = []
    rows = list(session.latest.values())
    for memory in session.objects.values():
        rows += [c.row for c in memory.conditioning]
        held += [pointer for _, pointer in memory.pointers]
        remembered = [*(m for _, m in memory.memories), *(c.row.memory for c in memory.conditioning)]
        held += [t for m in remembered for t in (m.tokens, m.keys) if t is not None]
    held += [t for r in rows for t in (r.logits, r.score, r.iou, r.pointer, r.memory.tokens)]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
    return sum(storages.values())


def test_memory_does_not_grow(sam2: Sam2, images: list[np.ndarray]) -> None:
    session = VideoSession(sam2, max_conditioning=2)
    sizes = []
    for i in range(40):
        if i % 6 == 0:
            session.add(box(0, i))
        session.step(images[i % 10], i)
        if i % 6 == 5:
            sizes.append(held_bytes(session))
    assert 0 < max(sizes[1:]) <= sizes[1]
    memory = session.objects[0]
    assert len(memory.conditioning) == 2
    assert [c.frame_index for c in memory.conditioning] == [0, 36]
    assert len(memory.memories) <= 4 and len(memory.pointers) <= 4


GOOD = {"box": (5.0, 5.0, 30.0, 30.0)}
ONE = np.array([1])
FULL = Mask.from_array(np.ones(HW, dtype=bool))
BAD_PROMPTS = {
    "empty": {},
    "mask and box": {**GOOD, "mask": FULL},
    "box without area": {"box": (30.0, 5.0, 30.0, 30.0)},
    "box turned round": {"box": (30.0, 5.0, 10.0, 30.0)},
    "box outside": {"box": (100.0, 5.0, 130.0, 30.0)},
    "box of NaN": {"box": (float("nan"), 5.0, 30.0, 30.0)},
    "point outside": {"points": np.array([[81.0, 5.0]]), "point_labels": ONE},
    "point of NaN": {"points": np.array([[np.nan, 5.0]]), "point_labels": ONE},
    "no points": {"points": np.zeros((0, 2)), "point_labels": np.zeros(0, dtype=int)},
    "points without labels": {"points": np.array([[3.0, 5.0]])},
    "labels without points": {"point_labels": ONE, **GOOD},
    "too many labels": {"points": np.array([[3.0, 5.0]]), "point_labels": np.array([1, 0])},
    "a label of 2": {"points": np.array([[3.0, 5.0]]), "point_labels": np.array([2])},
    "mask of another size": {"mask": Mask.from_array(np.ones((3, 4), dtype=bool))},
    "empty mask": {"mask": Mask.from_array(np.zeros(HW, dtype=bool))},
}


@pytest.mark.parametrize("given", BAD_PROMPTS.values(), ids=BAD_PROMPTS)
def test_a_bad_prompt_is_refused_and_the_session_goes_on(
    sam2: Sam2, images: list[np.ndarray], given: dict[str, object]
) -> None:
    session = VideoSession(sam2)
    with pytest.raises(PromptError):
        session.add(Prompt(1, 0, **given))
        session.step(images[0], 0)
    session.add(Prompt(0, 0, **GOOD))
    assert session.step(images[0], 0).obj_ids == [0]
    with pytest.raises(PromptError):
        session.add(Prompt(1, 1, **given))


def test_negative_numbers(sam2: Sam2, images: list[np.ndarray]) -> None:
    session = VideoSession(sam2)
    for prompt in (Prompt(-1, 0, **GOOD), Prompt(0, -1, **GOOD)):
        with pytest.raises(PromptError):
            session.add(prompt)
    with pytest.raises(InputError):
        session.step(images[0], -1)
    with pytest.raises(InputError):
        VideoSession(sam2, max_objects_per_batch=0)


def test_an_unknown_object(sam2: Sam2) -> None:
    with pytest.raises(PromptError, match="no object 3"):
        VideoSession(sam2).remove(3)


def test_pictures_that_do_not_fit(sam2: Sam2, images: list[np.ndarray]) -> None:
    session = VideoSession(sam2)
    session.add(box(0))
    session.step(images[0], 0)
    for picture in (images[0][:30], images[0].astype(np.float32), images[0][..., 0]):
        with pytest.raises(InputError):
            session.step(picture, 1)
    assert session.step(images[1], 1).obj_ids == [0]


def test_a_tiny_mask_does_not_vanish(sam2: Sam2) -> None:
    mask = np.zeros((600, 800), dtype=bool)
    mask[300:303, 400:403] = True
    session = VideoSession(sam2)
    session.add(Prompt(0, 0, mask=Mask.from_array(mask)))
    answer = session.step(np.zeros((600, 800, 3), dtype=np.uint8), 0)
    assert answer.object_scores[0] > 0.99


def answer_of(logits: torch.Tensor, hw: tuple[int, int]) -> FrameMasks:
    n = len(logits)
    return FrameMasks(0, list(range(n)), logits, torch.ones(n), torch.ones(n), torch.zeros(n, 8), hw)


def test_masks_are_bilinear_in_source_size(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(size=(3, 16, 16)).astype(np.float32))
    logits[1] = -5
    full = torch.nn.functional.interpolate(logits[None], (61, 83), mode="bilinear", align_corners=False)[0]
    sure = full.abs() > 1e-3
    answer = answer_of(logits, (61, 83))
    assert ((torch.from_numpy(answer.masks()) == (full > 0)) | ~sure).all()
    assert (answer.mask(2) == answer.masks()[2]).all()
    raised = torch.from_numpy(answer.masks(threshold=0.5))
    assert ((raised == (full > 0.5)) | ((full - 0.5).abs() < 1e-3)).all()
    with pytest.raises(KeyError):
        answer.mask(7)


def test_exclusive_masks_go_to_the_surest(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(size=(4, 16, 16)).astype(np.float32))
    answer = answer_of(logits, (16, 16))
    wanted = (logits.argmax(dim=0) == torch.arange(4)[:, None, None]) & (logits > 0)
    assert (answer.masks(exclusive=True) == wanted.numpy()).all()
    assert answer.masks().sum() > wanted.sum(), "they overlap otherwise"
