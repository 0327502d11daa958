from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.outputs.detected import read_detections
from seektrack.types import Mask, VideoInfo

VIDEO = VideoInfo("film.mp4", 100, 80, Fraction(10))


def test_mot_detections_by_frame_from_0(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("1,-1,11,21,30,40,0.9,-1,-1,-1\n1,-1,51,21,30,40,0.5\n3,-1,91,71,30,40,0.7,-1,-1,-1\n")
    found = read_detections(path, VIDEO)
    assert {f: [d.box for d in ds] for f, ds in found.items()} == {
        0: [(10, 20, 40, 60), (50, 20, 80, 60)],
        2: [(90, 70, 100, 80)],
    }
    assert [d.score for d in found[0]] == [0.9, 0.5]
    assert all(d.obj_id is None for d in found[0])


def test_confidences_outside_0_to_1_are_put_on_it(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("1,-1,11,21,30,40,-0.5\n1,-1,51,21,30,40,1.5\n2,-1,51,21,30,40,0.5\n")
    found = read_detections(path, VIDEO)
    assert [d.score for ds in found.values() for d in ds] == [0.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,-1,11,21,30", "line 2.*6 to 10 columns"),
        ("0,-1,11,21,30,40,1", "line 2.*frame 0"),
        ("1,-1,11,21,x,40,1", "line 2: column 5"),
        ("1,-1,11,21,-30,40,1", "line 2.*width"),
        ("1,-1,11,21,0,40,1", "line 2: the box has no area"),
        ("1,-1,nan,21,30,40,1", "line 2: column 3"),
    ],
)
def test_a_bad_row_is_refused_by_its_number(row, says, tmp_path):
    path = tmp_path / "det.txt"
    path.write_text(f"1,-1,11,21,30,40,1\n{row}\n")
    with pytest.raises(InputError, match=says) as caught:
        read_detections(path, VIDEO)
    assert str(path) in caught.value.message


def test_coco_results_and_documents(tmp_path):
    pixels = np.zeros((80, 100), dtype=bool)
    pixels[10:20, 10:30] = True
    rows = [
        {"image_id": 0, "category_id": 3, "bbox": [10, 20, 30, 40], "score": 0.8},
        {"image_id": 4, "category_id": 3, "segmentation": Mask.from_array(pixels).to_coco(), "score": 0.6},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows))
    found = read_detections(path, VIDEO)
    assert found[0][0].box == (10, 20, 40, 60) and found[0][0].label == "category 3"
    assert found[4][0].box == (10, 10, 30, 20) and found[4][0].mask == Mask.from_array(pixels)
    images = [{"id": i, "file_name": f"frame_{i:06d}.jpg", "width": 100, "height": 80} for i in (0, 4)]
    document = {"images": images, "categories": [{"id": 3, "name": "car"}], "annotations": rows}
    path.write_text(json.dumps(document))
    assert read_detections(path, VIDEO)[4][0].label == "car"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"image_id": 0, "score": 1}, r"\[1\] has neither a bbox nor a segmentation"),
        ({"image_id": -1, "bbox": [1, 2, 3, 4]}, r"\[1\].image_id"),
        ({"image_id": 0, "bbox": [1, 2, 3]}, r"\[1\].bbox: a box has four numbers"),
        ({"image_id": 0, "bbox": [1, 2, 3, 4], "score": "high"}, r"\[1\].score"),
        (7, r"\[1\] must be an object"),
    ],
)
def test_a_bad_coco_row_is_refused_by_its_number(row, says, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"image_id": 0, "bbox": [1, 2, 3, 4]}, row]))
    with pytest.raises(InputError, match=says):
        read_detections(path, VIDEO)


def test_files_without_detections(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("\n")
    with pytest.raises(InputError, match="holds no detection"):
        read_detections(path, VIDEO)
    with pytest.raises(InputError, match="no such file"):
        read_detections(tmp_path / "none.txt", VIDEO)
