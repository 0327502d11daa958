from __future__ import annotations

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.evaluation.colour_truth import ColourRange, ColourTruth

CUP = (200, 30, 50)
STARTS = {1: 10, 2: 70, 3: 130}


def scene(places: dict[int, int]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Red boxes at those places from the left, later ones in front, on grey with something orange."""
    image = np.full((80, 180, 3), 120, np.uint8)
    image[60:70] = (230, 140, 20)
    image[75, 100] = CUP
    masks = {}
    for thing, x in places.items():
        mask = np.zeros(image.shape[:2], bool)
        mask[20:50, x : x + 24] = True
        image[mask] = CUP
        masks[thing] = mask
    return image, masks


def test_things_are_cut_out_and_told_apart_by_their_order() -> None:
    first, masks = scene(STARTS)
    truth = ColourTruth(first, {0: (1, 2, 3), 5: (2, 1, 3)})
    known = truth(first, 0)
    assert all((known.apart[n] == masks[n]).all() for n in STARTS)
    assert (known.union == masks[1] | masks[2] | masks[3]).all()
    swapped, masks = scene({1: 70, 2: 12, 3: 131})
    for index in (5, 99):
        known = truth(swapped, index)
        assert all((known.apart[n] == masks[n]).all() for n in STARTS)
    assert (truth(swapped, 4).apart[1] == masks[2]).all()


@pytest.mark.parametrize("places", [{1: 60, 2: 70, 3: 130}, {1: 10, 2: 70}, {1: 46, 2: 70, 3: 130}])
def test_only_the_union_is_known_where_they_touch_or_one_is_gone(places: dict[int, int]) -> None:
    truth = ColourTruth(scene(STARTS)[0], {0: (1, 2, 3)})
    image, masks = scene(places)
    known = truth(image, 3)
    assert not known.apart
    assert (known.union == np.any(list(masks.values()), axis=0)).all()


def test_the_range_goes_round_the_circle_of_hues() -> None:
    patches = np.zeros((10, 60, 3), np.uint8)
    for i, rgb in enumerate([(220, 20, 40), (220, 40, 20), (220, 20, 160), (220, 160, 20), (70, 60, 60)]):
        patches[:, 12 * i : 12 * i + 12] = rgb
    found = ColourRange()(patches)[5].reshape(5, 12).mean(1)
    assert found.tolist() == [1, 1, 0, 0, 0]


def test_what_cannot_be_told_is_refused() -> None:
    image, _ = scene(STARTS)
    for orders in ({0: (1, 2), 4: (1, 3)}, {1: (1, 2, 3)}, {0: (1, 2, 3, 4)}):
        with pytest.raises(InputError):
            ColourTruth(image, orders)
