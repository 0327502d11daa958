"""Results on disk: what is read back is what was found."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack.errors import InputError, OutputError, VideoError
from seektrack.retrieval import Chain, save_csv, save_key_frames, save_sheet
from seektrack.types import Hit, Moment
from seektrack.video import VideoWriter


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Ten frames in half a second, the i-th of brightness 20 · i."""
    with VideoWriter(tmp_path / "a, b.mp4", width=64, height=48, fps=20, crf=4) as writer:
        for i in range(10):
            writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    return tmp_path / "a, b.mp4"


def hit(video: Path, frame: int, box: tuple[float, float, float, float] | None = None) -> Hit:
    return Hit(str(video), frame, frame / 20, 0.3, 0.9, box)


def moment(video: Path, frame: int) -> Moment:
    return Moment(str(video), frame / 20, frame / 20 + 0.1, hit(video, frame), 0.9)


def test_key_frames_are_the_frames_found_in_order(video: Path, tmp_path: Path) -> None:
    files = save_key_frames([moment(video, 7), moment(video, 2)], tmp_path / "new" / "frames")
    assert [f.name for f in files] == ["001-a_b-0.350s.jpg", "002-a_b-0.100s.jpg"]
    shown = [np.asarray(Image.open(f)) for f in files]
    assert [picture.shape for picture in shown] == [(48, 64, 3)] * 2
    assert [round(float(picture.mean())) for picture in shown] == pytest.approx([140, 40], abs=4)
    assert sorted(p.name for p in (tmp_path / "new" / "frames").iterdir()) == sorted(f.name for f in files)


def test_a_sheet_frames_what_was_found(video: Path, tmp_path: Path) -> None:
    save_sheet([hit(video, 0, (10, 10, 40, 40)), hit(video, 0)], tmp_path / "sheet.jpg")
    sheet = np.asarray(Image.open(tmp_path / "sheet.jpg")).astype(int)
    yellow = (sheet[..., 0] > 180) & (sheet[..., 1] > 140) & (sheet[..., 2] < 100)
    width = sheet.shape[1]
    assert yellow[:, : width // 2].sum() > 200
    assert yellow[:, width // 2 :].sum() == 0
    with pytest.raises(InputError, match="contact sheet needs images"):
        save_sheet([], tmp_path / "none.jpg")


def test_csv_of_hits_moments_and_chains_reads_back(video: Path, tmp_path: Path) -> None:
    def read(name: str) -> list[dict[str, str]]:
        with (tmp_path / name).open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    save_csv([hit(video, 3, (1, 2, 3, 4)), hit(video, 4)], tmp_path / "hits.csv")
    assert [(r["video"], r["frame_index"], r["x1"]) for r in read("hits.csv")] == [
        (str(video), "3", "3"),
        (str(video), "4", ""),
    ]
    save_csv([moment(video, 6)], tmp_path / "moments.csv")
    assert [(r["start_s"], r["key_time_s"]) for r in read("moments.csv")] == [("0.3", "0.3")]
    chain = Chain.of((moment(video, 2), moment(video, 6)), 0.8)
    save_csv([chain, chain], tmp_path / "chains.csv")
    rows = [(r["chain"], r["step"], r["start_s"], r["video"]) for r in read("chains.csv")]
    assert rows == [(n, s, t, str(video)) for n in "12" for s, t in (("1", "0.1"), ("2", "0.3"))]


def test_what_cannot_be_saved_is_said(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        save_csv([hit(video, 1)], tmp_path / "file" / "hits.csv")
    with pytest.raises(OutputError, match="cannot write"):
        save_key_frames([hit(video, 1)], tmp_path / "file")
    video.unlink()
    with pytest.raises(VideoError, match="no such video"):
        save_key_frames([hit(video, 1)], tmp_path / "frames")
