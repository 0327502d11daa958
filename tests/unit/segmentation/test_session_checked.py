"""A session's file is a claim: whatever is wrong in it is an InputError that names the file."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch

from seektrack.errors import InputError, ModelError
from seektrack.segmentation import PropagationSettings, Sam2, VideoSession, open_session, resume_session
from seektrack.segmentation.checkpoint import read, write
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Mask, Prompt

ODD = [None, True, -1, 2**70, 1e308, float("nan"), "x", [], {}, [[]], [1], [2**40, 1]]


@pytest.fixture(scope="module")
def sam2():
    torch.manual_seed(0)
    return Sam2(build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).eval(), 64)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)


@pytest.fixture
def saved(sam2, image, tmp_path):
    session = VideoSession(sam2)
    session.add(Prompt(3, 0, box=(10.0, 10.0, 50.0, 50.0)))
    for i in range(2):
        session.step(image, i)
    mask = np.zeros((96, 128), bool)
    mask[10:40, 20:50] = True
    session.add(Prompt(4, 7, mask=Mask.from_array(mask)))
    session.add(Prompt(5, 7, points=np.array([[3.0, 4.0]]), point_labels=np.array([1])))
    session.save(tmp_path / "s.sess")
    return tmp_path / "s.sess"


def places(value, way=()):
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in items:
        yield from places(held, (*way, key))


def changed(state, way, value):
    state = copy.deepcopy(state)
    holder = state
    for key in way[:-1]:
        holder = holder[key]
    if value is KeyError:
        del holder[way[-1]]
    else:
        holder[way[-1]] = value
    return state


def test_any_value_of_the_header_changed_goes_on_or_is_refused(saved, sam2, image):
    tensors, state = read(saved)
    rng = random.Random(3)
    refused = 0
    ways = [way for way in places(state) if way]
    for way in ways:
        for odd in [KeyError, *rng.sample(ODD, 2)]:
            write(saved, tensors, changed(state, way, odd))
            try:
                session = VideoSession.load(saved, sam2)
            except (InputError, ModelError) as error:
                assert str(saved) in error.message
                refused += 1
                continue
            session.step(image, 2)
    assert refused > len(ways)


@pytest.mark.parametrize(
    "size", [[10**6, 10**6], [2**32 + 96, 128], [0, 0], [96, 129]], ids=["huge", "wrapped", "empty", "other"]
)
def test_the_size_of_a_waiting_mask_reaches_no_decoder(size, saved, sam2):
    tensors, state = read(saved)
    mask = next(held for held in state["pending"] if held["mask"])["mask"]
    mask["size"] = size
    write(saved, tensors, state)
    with pytest.raises(InputError, match=r"s\.sess"):
        VideoSession.load(saved, sam2)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("0.latest.logits", lambda t: t[:3]),
        ("0.conditioning.0.memory", lambda t: t[:, :3]),
        ("0.memories", lambda t: np.concatenate([t, t])),
        ("0.pointers", lambda t: t * float("nan")),
        ("0.latest.score", lambda t: t + float("inf")),
        ("0.latest.iou", lambda t: None),
    ],
)
def test_tensors_of_another_shape_or_not_finite_are_refused(name, change, saved, sam2):
    tensors, state = read(saved)
    tensors[name] = change(tensors[name])
    write(saved, {k: t for k, t in tensors.items() if t is not None}, state)
    with pytest.raises(InputError, match=rf"s\.sess.*{name}"):
        VideoSession.load(saved, sam2)


def test_a_header_that_is_no_json_is_refused(saved, sam2):
    from safetensors.numpy import save_file

    tensors, _ = read(saved)
    for text in ("{", "[" * 100_000, "null", "[]", '{"format": 2}', "9" * 5000):
        save_file(tensors, str(saved), metadata={"seektrack_session": text})
        for load in (VideoSession.load, resume_session):
            with pytest.raises(InputError, match=r"s\.sess"):
                load(saved, sam2)
    saved.write_bytes(saved.read_bytes()[:100])
    with pytest.raises(InputError, match=r"s\.sess"):
        VideoSession.load(saved, sam2)


def test_a_session_of_the_flow_is_checked_too(sam2, image, tmp_path):
    session = open_session(sam2, PropagationSettings(mode="hybrid", every=4))
    session.add(Prompt(3, 0, box=(10.0, 10.0, 50.0, 50.0)))
    for i in range(2):
        session.step(image, i)
    path = tmp_path / "f.sess"
    session.save(path)
    tensors, state = read(path)
    for way in [way for way in places(state["flow"]) if way]:
        write(path, tensors, {**state, "flow": changed(state["flow"], way, KeyError)})
        try:
            resume_session(path, sam2)
        except (InputError, ModelError) as error:
            assert str(path) in error.message or isinstance(error, ModelError)
