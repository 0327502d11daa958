"""Readers of videos with boxes, over tiny files made here; the truth is what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seektrack.training.datasets import BoxClip, Dataset, mot_challenge, world_boxes
from seektrack.training.datasets.boxes import CLASSES
from seektrack.world import SceneSettings, Split, seeds

SEQINFO = "[Sequence]\nname=A\nimDir=img1\nframeRate=14\nseqLength=3\nimWidth=8\nimHeight=6\nimExt=.png\n"
ROWS = [
    "2,5,3,2,2,3,1,1,0.25",
    "1,5,2,2,2,3,1,1,1",
    "1,9,1,1,8,6,0,1,1",
    "3,6,1,1,4,4,1,3,1",
    "1,4,1,1,2,2,1,1,1",
]


def write_sequence(root: Path, kit: Any) -> Dataset[BoxClip]:
    kit.write_pictures(root / "A/img1", [f"{t:06d}.png" for t in (1, 2, 3)])
    (root / "A/gt").mkdir()
    (root / "A/gt/gt.txt").write_text("\n".join(ROWS) + "\n")
    (root / "A/seqinfo.ini").write_text(SEQINFO)
    return mot_challenge(root)


def world(_: Path, __: Any) -> Dataset[BoxClip]:
    small = SceneSettings(height=64, width=80, n_frames=4, actors=(2, 4), things=(1, 1))
    return world_boxes(seeds(Split.TEST, 3, start=40), small)


@pytest.mark.parametrize("write", [write_sequence, world])
def test_videos_come_with_their_boxes(
    write: Callable[[Path, Any], Dataset[BoxClip]], tmp_path: Path, kit: Any
) -> None:
    data = write(tmp_path, kit)
    kit.check_sequence(data)
    for clip in data:
        video = clip.open()
        assert video.info.hw == clip.tracks.video.hw
        assert dict(enumerate(map(float, video.times()))) == clip.tracks.frame_times
        assert len(clip.tracks) > 0
        for track in clip.tracks:
            indices = [o.frame_index for o in track.observations]
            assert indices == sorted(set(indices)) and len(indices) > 0
            for o in track.observations:
                assert o.time_s == clip.tracks.frame_times[o.frame_index]
                assert o.box[0] < o.box[2] and o.box[1] < o.box[3]
                assert 0 <= o.score <= 1


def test_mot_boxes_classes_and_visibility(tmp_path: Path, kit: Any) -> None:
    (clip,) = write_sequence(tmp_path, kit)
    assert [t.obj_id for t in clip.tracks] == [4, 5]
    first, second = clip.tracks.tracks[1].observations
    assert (first.frame_index, first.box, first.score) == (0, (1, 1, 3, 4), 1.0)
    assert (second.frame_index, second.box, second.score) == (1, (2, 1, 4, 4), 0.25)
    for classes in ((1, 3), None):
        (both,) = mot_challenge(tmp_path, classes=classes)
        assert {t.obj_id: t.label for t in both.tracks} == {4: "pedestrian", 5: "pedestrian", 6: "car"}


def test_classes_are_called_what_the_list_beside_the_boxes_says(tmp_path: Path, kit: Any) -> None:
    write_sequence(tmp_path, kit)
    (tmp_path / "A/gt/labels.txt").write_text("snail\nteapot\n")
    (clip,) = mot_challenge(tmp_path, classes=None)
    assert {t.obj_id: t.label for t in clip.tracks} == {4: "snail", 5: "snail", 6: "class 3"}
    from seektrack.outputs import load_tracks

    boxes = [[o.box for o in t.observations] for t in clip.tracks]
    assert boxes == [[o.box for o in t.observations] for t in load_tracks(tmp_path / "A/gt/gt.txt", "mot")]
    assert boxes[1][0] == (2, 2, 4, 5)  # as written: CVAT counts pixels from 0


def test_mot_agrees_with_the_reader_of_results(tmp_path: Path, kit: Any) -> None:
    from seektrack.outputs import load_tracks

    write_sequence(tmp_path, kit)
    (clip,) = mot_challenge(tmp_path, classes=range(1, len(CLASSES) + 1))
    other = load_tracks(tmp_path / "A/gt/gt.txt", "mot")

    def told(tracks: Any) -> list[tuple[object, ...]]:
        return [(t.obj_id, t.label, o.frame_index, o.time_s, o.box) for t in tracks for o in t.observations]

    assert told(clip.tracks) == told(other)
    assert (clip.tracks.video.hw, clip.tracks.video.fps) == (other.video.hw, other.video.fps)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("A/gt/gt.txt", None, r"no ground truth: .*gt\.txt"),
        ("A/gt/gt.txt", "1,2,3,4,5,6\n1,2,x", r"gt\.txt line 2 is not a row of boxes: '1,2,x'"),
        ("A/seqinfo.ini", "[Sequence]\nframeRate=0", "is no sequence description"),
        ("A/seqinfo.ini", None, "no sequence at all in .*it has none"),
    ],
)
def test_malformed_input_ends_in_one_clear_error(
    path: str, change: str | None, message: str, tmp_path: Path, kit: Any
) -> None:
    write_sequence(tmp_path, kit)
    kit.damage(tmp_path / path, change)
    kit.check_refused(lambda: mot_challenge(tmp_path), message)
