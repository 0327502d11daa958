from __future__ import annotations

import numpy as np
import pytest

from seektrack import PromptError
from seektrack.cli.prompts import parse_prompts


def test_points_without_an_id_are_one_object_and_keep_their_labels():
    (prompt,) = parse_prompts(["120,80@3", "131.5,95,0@3"], [])
    assert (prompt.obj_id, prompt.frame_index, prompt.box) == (0, 3, None)
    np.testing.assert_array_equal(prompt.points, [[120, 80], [131.5, 95]])
    np.testing.assert_array_equal(prompt.point_labels, [1, 0])


def test_points_of_one_object_on_two_frames_are_two_prompts():
    first, second = parse_prompts(["1,2@7", "3,4@0"], [])
    assert (first.obj_id, second.obj_id) == (0, 0)
    assert (first.frame_index, second.frame_index) == (0, 7)


def test_each_box_without_an_id_is_an_object_of_its_own():
    prompts = parse_prompts([], ["0,0,10,10@0", "20,20,30,40@0"])
    assert [p.obj_id for p in prompts] == [0, 1]
    assert prompts[1].box == (20, 20, 30, 40)
    assert prompts[1].points is None


def test_given_ids_join_a_box_with_its_points_and_are_not_reused():
    prompts = parse_prompts(["5,5@0#1", "50,50@0"], ["0,0,10,10@0#1", "20,20,30,40@0"])
    assert {p.obj_id: (p.box, p.points is not None) for p in prompts} == {
        0: (None, True),
        1: ((0, 0, 10, 10), True),
        2: ((20, 20, 30, 40), False),
    }


@pytest.mark.parametrize(
    "points, boxes",
    [
        (["120,80"], []),
        (["120@0"], []),
        (["a,b@0"], []),
        (["1,2,3,4@0"], []),
        (["nan,2@0"], []),
        (["1,2@-1"], []),
        (["1,2,2@0"], []),
        ([], ["0,0,10@0"]),
        ([], ["10,0,10,5@0"]),
        ([], ["0,0,1,1@0#4", "0,0,2,2@0#4"]),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(points: list[str], boxes: list[str]):
    with pytest.raises(PromptError) as caught:
        parse_prompts(points, boxes)
    assert (points + boxes)[-1] in caught.value.message
