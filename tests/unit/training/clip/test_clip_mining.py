from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.segmentation import Sam2, load_sam2
from seektrack.training.clip.frames import Objects
from seektrack.training.clip.mining import RegionStore, Verdict, mine, scenery, verdict
from seektrack.world import SceneSettings, Split, frames, sample_scene, vocabulary

CAR, DOG, THING = 3, 40, -1

N_LABELS = len(vocabulary()["labels"])


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return load_sam2()


def _picture(*placed: tuple[int, Box, float]) -> tuple[np.ndarray, Objects]:
    """Objects (label, box, visibility) as filled rectangles, later ones in front."""
    ids = np.zeros((100, 100), np.uint8)
    for i, (_, (x0, y0, x1, y1), _) in enumerate(placed):
        ids[int(y0) : int(y1), int(x0) : int(x1)] = i + 1
    labels = np.array([label for label, _, _ in placed])
    names = np.where(labels[:, None] < 0, -1, np.stack([labels // 9, labels % 9], 1))
    return ids, Objects(
        names=names,
        ids=np.arange(1, len(placed) + 1),
        boxes=np.array([box for _, box, _ in placed], float),
        area=np.array([(ids == i + 1).sum() for i in range(len(placed))]),
        visibility=np.array([v for _, _, v in placed], float),
    )


def _judge(box: Box, *placed: tuple[int, Box, float]) -> Verdict | None:
    ids, objects = _picture(*placed)
    mask = np.zeros_like(ids, bool)
    mask[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    return verdict(mask, box, ids, objects)


def test_a_region_is_what_it_overlaps_by_half() -> None:
    car = (CAR, (20.0, 20.0, 60.0, 40.0), 1.0)
    assert _judge((22, 20, 60, 42), car) == Verdict((CAR,), background=False)
    assert _judge((22, 20, 60, 42), (THING, car[1], 1.0)) == Verdict((), background=True)
    assert _judge((22, 20, 60, 42), (CAR, car[1], 0.2)) is None


def test_a_part_has_the_name_where_enough_of_the_whole_is_around_it() -> None:
    person = (CAR, (40.0, 10.0, 60.0, 50.0), 1.0)
    upper, head = (40.0, 10.0, 60.0, 29.0), (40.0, 10.0, 60.0, 16.0)
    assert _judge(upper, person) == Verdict((CAR,), background=False)
    assert _judge(head, person) == Verdict((CAR,), background=True)
    assert _judge(head, (THING, person[1], 1.0)) == Verdict((), background=True)


def test_two_objects_at_once_may_be_called_either_or_refused() -> None:
    two = ((DOG, (10.0, 10.0, 40.0, 30.0), 1.0), (CAR, (40.0, 10.0, 70.0, 30.0), 1.0))
    assert _judge((10, 10, 70, 40), *two) == Verdict((CAR, DOG), background=True)


def test_scenery_must_be_refused_unless_it_holds_an_object() -> None:
    car = (CAR, (70.0, 70.0, 90.0, 90.0), 1.0)
    assert _judge((10, 10, 50, 50), car) == Verdict((), background=True)
    assert _judge((5, 5, 60, 60), car) == Verdict((), background=True)  # a corner of it in the crop
    assert _judge((10, 10, 75, 75), car) == Verdict((CAR,), background=True)  # most of it beside the box
    assert _judge((5, 5, 95, 95), car) == Verdict((CAR,), background=True)
    ids, _ = _picture(car)
    nothing = Objects(
        np.zeros((0, 2), int), np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)
    )
    assert verdict(ids > 0, (70, 70, 90, 90), np.zeros_like(ids), nothing) == Verdict((), background=True)


def test_scenery_boxes_hold_all_that_occluders_draw() -> None:
    settings = SceneSettings(n_frames=4, rough=0.0)
    drawn = 0
    for seed in range(6):
        scene = sample_scene(seed, settings)
        with_them = next(frames(scene))[0].astype(int)
        without = next(frames(replace(scene, occluders=())))[0].astype(int)
        differ = np.abs(with_them - without).max(2) > 8
        inside = np.zeros_like(differ)
        for x0, y0, x1, y1 in scenery(scene):
            inside[max(0, int(y0) - 2) : int(y1) + 3, max(0, int(x0) - 2) : int(x1) + 3] = True
        assert not (differ & ~inside)[6:-6, 6:-6].any()  # slivers at the border get no box
        drawn += int(differ.sum())
    assert drawn > 5000


def test_mined_regions_come_back_from_disk_and_are_mined_once(tmp_path: Path, sam2: Sam2) -> None:
    stages: list[tuple[int, int, str]] = []

    def note(done: int, total: int, stage: str) -> None:
        stages.append((done, total, stage))

    paths = mine(tmp_path, Split.TEST, sam2, scenes=1, progress=note)
    assert mine(tmp_path, Split.TEST, sam2, scenes=1, progress=note) == paths
    assert stages == [(1, 1, "proposing objects")]
    store = RegionStore(paths, N_LABELS)
    assert store.allowed.any(1).all() and store.allowed.shape == (len(store), N_LABELS + 1)
    whole = store.allowed[:, :N_LABELS].any(1) & ~store.allowed[:, N_LABELS]
    assert whole.any() and not whole.all()
    assert store.picture(0).shape == (256, 256, 3)
    assert (store.boxes[:, 2:] > store.boxes[:, :2]).all()
    assert (store.boxes >= 0).all() and (store.boxes <= 256).all()
    with pytest.raises(InputError, match="nothing to mine"):
        mine(tmp_path, Split.TEST, sam2, scenes=0)
