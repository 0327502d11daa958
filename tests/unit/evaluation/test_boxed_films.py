"""`eval tracking FOLDER` and `eval vos FOLDER`: sequences with boxes, films with masks, of every layout."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError
from seektrack.evaluation.real import RealSettings, evaluate_real
from seektrack.evaluation.real.boxed import film_conditions
from seektrack.metrics import over_time
from seektrack.training.datasets import kitti_tracking, mot_challenge, ua_detrac

H, W, N = 64, 96, 6
GREY, RED = (110, 110, 110), (210, 30, 30)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def boxes() -> list[tuple[int, int, int, int]]:
    """A red square of 20 pixels that walks to the right: left, top, right, bottom."""
    return [(10 + 4 * t, 20, 30 + 4 * t, 40) for t in range(N)]


def write_pictures(folder: Path, name: str, first: int) -> None:
    folder.mkdir(parents=True)
    for t, (x0, y0, x1, y1) in enumerate(boxes()):
        picture = np.full((H, W, 3), GREY, np.uint8)
        picture[y0:y1, x0:x1] = RED
        cv2.imwrite(str(folder / name.format(t + first)), picture[..., ::-1])


def write_mot(root: Path) -> None:
    write_pictures(root / "A" / "img1", "{:06d}.png", 1)
    info = f"imDir=img1\nframeRate=10\nseqLength={N}\nimWidth={W}\nimHeight={H}\nimExt=.png"
    (root / "A" / "seqinfo.ini").write_text(f"[Sequence]\nname=A\n{info}\n")
    rows = [
        f"{t + 1},7,{x0 + 1},{y0 + 1},{x1 - x0},{y1 - y0},1,1,1" for t, (x0, y0, x1, y1) in enumerate(boxes())
    ]
    (root / "A" / "gt").mkdir()
    (root / "A" / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    (root / "A" / "det").mkdir()
    seen = [row.replace(",7,", ",-1,").replace(",1,1,1", ",0.9") for row in rows]
    (root / "A" / "det" / "det.txt").write_text("\n".join(seen) + "\n")


def write_kitti(root: Path) -> None:
    write_pictures(root / "image_02" / "0000", "{:06d}.png", 0)
    (root / "label_02").mkdir()
    rows = [
        f"{t} 7 Car 0 {t % 2} 0 {x0} {y0} {x1} {y1} 1 1 1 0 0 0 0"
        for t, (x0, y0, x1, y1) in enumerate(boxes())
    ]
    rows += ["2 -1 DontCare -1 -1 -10 5 5 9 9 -1 -1 -1 0 0 0 0"]
    (root / "label_02" / "0000.txt").write_text("\n".join(rows) + "\n")


def write_detrac(root: Path) -> None:
    write_pictures(root / "pictures" / "MVI_1", "img{:05d}.jpg", 1)
    sequence = ET.Element("sequence", name="MVI_1")
    for t, (x0, y0, x1, y1) in enumerate(boxes()):
        frame = ET.SubElement(sequence, "frame", num=str(t + 1), density="1")
        target = ET.SubElement(ET.SubElement(frame, "target_list"), "target", id="7")
        ET.SubElement(target, "box", left=str(x0), top=str(y0), width=str(x1 - x0), height=str(y1 - y0))
        ET.SubElement(target, "attribute", vehicle_type="van")
        covered = ET.SubElement(ET.SubElement(target, "occlusion"), "region_overlap")
        covered.attrib |= {
            "occlusion_id": "-1",
            "left": str(x0),
            "top": str(y0),
            "width": "10",
            "height": "20",
        }
    (root / "truth").mkdir()
    ET.ElementTree(sequence).write(root / "truth" / "MVI_1.xml")


WRITERS = {"mot": write_mot, "kitti": write_kitti, "detrac": write_detrac}
READERS = {"mot": mot_challenge, "kitti": kitti_tracking, "detrac": ua_detrac}
SEEN = {"mot": [1.0] * N, "kitti": [1.0, 2 / 3] * (N // 2), "detrac": [0.5] * N}
LABELS = {"mot": "pedestrian", "kitti": "car", "detrac": "van"}


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_reads_the_same_boxes(layout, tmp_path):
    WRITERS[layout](tmp_path)
    (clip,) = READERS[layout](tmp_path)
    (track,) = clip.tracks
    assert (track.obj_id, track.label) == (7, LABELS[layout])
    assert [o.box for o in track.observations] == [tuple(map(float, box)) for box in boxes()]
    assert [o.score for o in track.observations] == pytest.approx(SEEN[layout])
    with clip.open() as source:
        assert [frame.time_s for frame in source] == pytest.approx(list(clip.tracks.frame_times.values()))


@pytest.mark.parametrize("layout", WRITERS)
def test_a_square_is_followed_from_its_first_box(layout, tmp_path):
    WRITERS[layout](tmp_path)
    ((measured,),) = evaluate_real(tmp_path, RealSettings(ways=("boxes",)), only=["boxed films"]).values()
    assert measured.figures["IDF1_boxes"] > 0.9 and measured.figures["MOTA_boxes"] > 0.8
    assert measured.figures["HOTA_boxes"] > 0.7 and measured.figures["films"] == 1
    assert {"condition static camera", "condition fast"} <= set(measured.items)


def test_given_detections_keep_one_identity_on_the_command_line(tmp_path):
    write_mot(tmp_path)
    asked = ["eval", "tracking", str(tmp_path), "--way", "detections", "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    ((told,),) = json.loads(result.stdout).values()
    figures = told["figures"]
    assert (figures["IDF1_detections"], figures["switches_detections"]) == (1.0, 0)
    short = CliRunner().invoke(app, [*asked, "--frames", "3", "--limit", "1"])
    assert json.loads(short.stdout).values()
    for options in (["--condition", "plain"], ["--way", "masks"], ["--runtime", "torch"]):
        refused = CliRunner().invoke(app, ["eval", "tracking", str(tmp_path), *options])
        assert isinstance(refused.exception, InputError)
    assert isinstance(CliRunner().invoke(app, ["eval", "tracking", "--limit", "1"]).exception, InputError)


def test_films_with_masks_are_told_over_time(tmp_path):
    write_pictures(tmp_path / "square", "{:05d}.jpg", 0)
    for t, (x0, y0, x1, y1) in enumerate(boxes()):
        mask = np.zeros((H, W), np.uint8)
        mask[y0:y1, x0:x1] = 255
        cv2.imwrite(str(tmp_path / "square" / f"{t:05d}.png"), mask)
    result = CliRunner().invoke(app, ["eval", "vos", str(tmp_path), "--prompts", "box", "--json"])
    assert result.exit_code == 0, result.output
    ((told,),) = json.loads(result.stdout).values()
    figures = told["figures"]
    assert figures["J_box"] > 0.8 and figures["consistency_box"] > 0.9 and figures["lost_box"] == 0
    assert abs(figures["drift_box"]) < 0.1 and figures["frames_per_s"] > 0


def square(x: int) -> np.ndarray:
    mask = np.zeros((H, W), bool)
    mask[20:40, x : x + 20] = True
    return mask


def test_flicker_drift_and_loss_are_told_apart():
    truth = [square(10 + t) for t in range(12)]
    right = over_time(truth, truth)
    assert (right.consistency, right.drift, right.lost) == (1.0, 0.0, 0.0)
    none = np.zeros((H, W), bool)
    flickers = over_time(truth, [m if t % 2 else none for t, m in enumerate(truth)])
    assert flickers.lost == 0.5 and flickers.consistency < 0.2
    drifts = over_time(truth, [square(10 + 2 * t) for t in range(12)])
    assert drifts.drift == pytest.approx((10 - 1) / 20) and drifts.lost == 0
    with pytest.raises(InputError, match="12 true masks but 1"):
        over_time(truth, truth[:1])


def test_conditions_follow_the_truth_and_the_picture(tmp_path):
    write_kitti(tmp_path)
    (clip,) = kitti_tracking(tmp_path)
    assert film_conditions(clip, clip.tracks) == ("static camera", "fast")


@pytest.mark.parametrize(
    ("layout", "path", "text", "message"),
    [
        ("kitti", "label_02/0000.txt", "0 1 Car x", r"0000\.txt line 1 is no row of KITTI tracking"),
        ("detrac", "truth/MVI_1.xml", "<sequence><frame/></sequence>", "no annotation of UA-DETRAC"),
        ("detrac", "truth/MVI_1.xml", "<!DOCTYPE a><sequence/>", "defines entities"),
    ],
)
def test_what_cannot_be_read_is_named(layout, path, text, message, tmp_path):
    WRITERS[layout](tmp_path)
    (tmp_path / path).write_text(text)
    with pytest.raises(InputError, match=message):
        list(READERS[layout](tmp_path))
