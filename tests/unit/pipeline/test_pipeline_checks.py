"""What is refused before anything is computed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.pipeline.checks import check_shown
from seektrack.video import VideoWriter, open_video
from seektrack.video.filtered import FilteredSource


@pytest.fixture
def film(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "film.mp4", width=32, height=32, fps=10) as writer:
        for i in range(30):
            writer.write(np.full((32, 32, 3), 8 * i, np.uint8), Fraction(i, 10))
    return tmp_path / "film.mp4"


@pytest.mark.parametrize("part", [{"start_s": 2.95}, {"start_s": 1.01, "end_s": 1.09}])
def test_a_part_in_which_no_picture_begins_says_where_the_last_one_does(film: Path, part) -> None:
    for source in (open_video(film, **part), FilteredSource(open_video(film, **part), lambda image: image)):
        with pytest.raises(
            InputError, match=r"no picture of .*film\.mp4 begins from .*last begins at 2\.900 s"
        ):
            check_shown(source)


def test_every_part_with_a_picture_is_shown(film: Path) -> None:
    for part in ({}, {"start_s": 2.9}, {"start_s": 1.0, "end_s": 1.05}, {"end_s": 0.01}):
        check_shown(open_video(film, **part))
    check_shown(open_video(np.zeros((1, 8, 8, 3), np.uint8)))
