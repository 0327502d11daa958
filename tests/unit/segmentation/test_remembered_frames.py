"""Which followed frames an object is remembered by: all of them, or those it was seen on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seektrack.errors import InputError
from seektrack.segmentation import PropagationSettings, Sam2, VideoPredictor, VideoSession, open_session
from seektrack.segmentation.memory import MemorySettings, ObjectMemory, Remembered, Row
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Prompt

HERE, GONE = 3.0, -3.0


def row(number: int, score: float = HERE) -> Row:
    tokens = torch.full((4, 64), float(number))
    none = torch.zeros(())
    return Row(
        torch.zeros(16, 16), torch.tensor(score), none, torch.full((8,), float(number)), Remembered(tokens)
    )


def remembering(remember: str, scores: dict[int, float]) -> ObjectMemory:
    """Prompted at position 0, then followed; a row's number is its position."""
    memory = ObjectMemory(MemorySettings(n_memories=4, n_pointers=4, remember=remember))
    memory.condition(0, 0, row(0))
    for position, score in scores.items():
        memory.track(position, row(position, score))
    return memory


def read(memory: ObjectMemory, position: int, direction: int = 1) -> tuple[list[tuple[int, int]], ...]:
    recall = memory.recall(position, direction)
    numbers = [int(m.tokens[0, 0]) for m in recall.memories]
    pointers = [int(p[0]) for p in recall.pointers]
    return (
        list(zip(numbers, recall.offsets, strict=True)),
        list(zip(pointers, recall.pointer_offsets, strict=True)),
    )


HIDDEN = {1: HERE, 2: HERE, 3: HERE, 4: GONE, 5: GONE, 6: GONE, 7: GONE}


def test_all_frames_push_out_the_ones_it_was_seen_on() -> None:
    memories, pointers = read(remembering("all", HIDDEN), 8)
    assert memories == [(0, 0), (5, 3), (6, 2), (7, 1)]
    assert pointers == [(0, 8), (7, 1), (6, 2), (5, 3)]


def test_frames_without_the_object_leave_those_with_it() -> None:
    memories, pointers = read(remembering("seen", HIDDEN), 8)
    assert memories == [(0, 0), (1, 3), (2, 2), (3, 1)], "time codes count the frames remembered"
    assert pointers == [(0, 8), (3, 5), (2, 6), (1, 7)], "pointers tell how long ago it was"


def test_an_object_always_seen_is_remembered_alike() -> None:
    scores = dict.fromkeys(range(1, 8), HERE)
    assert read(remembering("seen", scores), 8) == read(remembering("all", scores), 8)


def test_going_backward_and_the_frame_itself() -> None:
    memory = ObjectMemory(MemorySettings(n_memories=4, n_pointers=4, remember="seen"))
    memory.condition(9, 9, row(9))
    for position, score in {8: HERE, 7: GONE, 6: HERE, 5: HERE}.items():
        memory.track(position, row(position, score))
    memories, pointers = read(memory, 5, -1)
    assert memories == [(9, 0), (8, 2), (6, 1)]
    assert pointers == [(9, 4), (6, 1), (8, 3)]


def test_a_correction_on_a_frame_it_was_not_seen_on_is_remembered() -> None:
    memory = remembering("seen", HIDDEN)
    assert memory.tracked_at(7) and not memory.tracked_at(6)
    memory.track(7, row(70, HERE))
    assert read(memory, 8)[0] == [(0, 0), (2, 3), (3, 2), (70, 1)]
    memory.track(7, row(71, GONE))
    assert 70 not in dict(read(memory, 8)[0])


def network(score: float) -> Sam2:
    """One that always says the object is there, or never."""
    torch.manual_seed(0)
    model = build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1)))
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.weight.zero_()
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(score)
    return Sam2(model.eval(), 64, name="test")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (60, 80, 3), dtype=np.uint8) for _ in range(8)]


def logits(session: VideoSession, images: list[np.ndarray], start: int = 0) -> torch.Tensor:
    return torch.stack([session.step(image, i).logits for i, image in enumerate(images) if i >= start])


def started(sam2: Sam2, remember: str) -> VideoSession:
    session = VideoSession(sam2, remember=remember)
    session.add(Prompt(1, 0, box=(10.0, 10.0, 40.0, 45.0)))
    return session


def test_the_choice_matters_only_for_an_object_that_goes(images: list[np.ndarray]) -> None:
    there = network(HERE)
    assert torch.equal(logits(started(there, "seen"), images), logits(started(there, "all"), images))
    gone = network(GONE)
    session = started(gone, "seen")
    logits(session, images)
    assert not session.objects[1].memories and not session.objects[1].pointers
    assert len(session.objects[1].conditioning) == 1


def test_a_saved_session_remembers_the_same_frames(images: list[np.ndarray], tmp_path: Path) -> None:
    sam2 = network(GONE)
    session = started(sam2, "seen")
    for i in range(4):
        session.step(images[i], i)
    session.save(tmp_path / "session.safetensors")
    loaded = VideoSession.load(tmp_path / "session.safetensors", sam2)
    assert loaded.settings.remember == "seen" and loaded.objects[1].tracked_at(3)
    click = Prompt(1, 3, points=np.array([[20.0, 20.0]]), point_labels=np.ones(1, np.int64))
    for each in (session, loaded):
        each.add(click)
        each.step(images[3], 3)
    assert [c.position for c in loaded.objects[1].conditioning] == [0], "a correction, not a new beginning"
    assert torch.equal(logits(session, images, 4), logits(loaded, images, 4))


def test_the_product_remembers_what_it_saw_and_the_references_calls_everything() -> None:
    sam2 = network(HERE)
    session = open_session(sam2)
    assert isinstance(session, VideoSession) and session.settings.remember == "seen"
    assert VideoPredictor(sam2).propagation.remember == "all"
    other = open_session(sam2, PropagationSettings(remember="all"))
    assert isinstance(other, VideoSession) and other.settings.remember == "all"


def test_a_choice_that_is_none() -> None:
    for make in (
        lambda: PropagationSettings(remember="some"),
        lambda: VideoSession(network(HERE), remember="some"),
    ):
        with pytest.raises(InputError, match=r"remember='some'.*all or seen"):
            make()


def test_an_answer_left_out_is_not_corrected_but_begun_anew() -> None:
    memory = ObjectMemory(MemorySettings(4, 4, remember="seen"))
    memory.condition(0, 0, row(0))
    memory.track(1, row(1))
    memory.track(2, row(2))
    assert memory.tracked_at(2)
    memory.leave_out(2)
    assert not memory.tracked_at(2)
    assert [p for p, _ in memory.memories] == [1]
