"""The main job, by command line and API, with the checkpoints that ship and footage whose truth is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from seektrack import Library, Mask, Prompt, Tracks, search_and_track, track_objects
from seektrack.cli import main
from seektrack.evaluation.demo import demo_settings
from seektrack.evaluation.footage import Footage, write_footage
from seektrack.evaluation.measures import track_scores
from seektrack.outputs import load_tracks
from seektrack.pipeline.models import Models
from seektrack.video import open_video
from seektrack.world import Split, seeds

ASKED, ABSENT = "a red car", "a purple boat"


def status_of(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> list[Footage]:
    """Three street videos of a second and a half; the first one shows a red car."""
    folder = tmp_path_factory.mktemp("footage")
    casts = [(("car", "red"),), (("dog", "yellow"),), (("robot", "blue"),)]
    return write_footage(folder, seeds(Split.TEST, 3, start=5000), demo_settings(12), casts=casts)


@pytest.fixture(scope="module")
def library(footage: list[Footage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "lib"
    videos = footage[0].path.parent
    assert status_of("index", videos, "--library", path, "--sampling", "fps=2", "--quiet") == 0
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = status_of(*args)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_search_puts_the_right_video_first(library: Path, capsys: pytest.CaptureFixture[str]):
    status, out, _ = run(capsys, "search", ASKED, "--library", library, "--json")
    assert status == 0
    assert Path(json.loads(out)[0]["video"]).name == "street-000.mp4"


def test_a_search_is_shown_on_a_page_of_its_own(library: Path, tmp_path: Path):
    page = tmp_path / "found.html"
    assert status_of("search", ASKED, "--library", library, "--report", page, "--quiet") == 0
    text = page.read_text(encoding="utf-8")
    assert "thing: car, red" in text and "street-000.mp4" in text and "data:image/jpeg" in text
    assert status_of("search", ABSENT, "--library", library, "--report", page, "--quiet") == 6
    assert "Nothing matches" in page.read_text(encoding="utf-8")


def test_a_query_nothing_answers_finds_nothing(library: Path, capsys: pytest.CaptureFixture[str]):
    status, out, err = run(capsys, "search", ABSENT, "--library", library)
    assert (status, out) == (6, "")
    assert "nothing" in err and ABSENT in err


def test_track_by_text_finds_cuts_out_and_follows(
    footage: list[Footage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page = tmp_path / "page.html"
    asked = ("--text", ASKED, "--out", tmp_path, "--report", page, "--quiet")
    status, _, _ = run(capsys, "track", footage[0].path, *asked)
    assert status == 0
    text = page.read_text(encoding="utf-8")
    assert "data:video/mp4" in text and "a red car 1" in text and 'href="tracks.json"' in text
    page.unlink()
    found = load_tracks(tmp_path / "tracks.json", "json")
    scores = track_scores(footage[0].showing(ASKED), found)
    assert scores.identity.idf1 >= 0.6
    assert scores.mean_iou >= 0.6
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "tracks.json",
        "tracks.csv",
        "tracks.mot.txt",
        "tracks.mot.labels.txt",
        "tracks.coco.json",
        "overlay.mp4",
    }
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert sum(1 for _ in video.decode(stream)) == 12


def test_track_by_a_box_and_by_a_mask_follow_the_object_pointed_at(footage: list[Footage]):
    truth = footage[0].showing(ASKED)
    first = truth.tracks[0].observations[0]
    assert first.mask is not None
    for prompt in (
        Prompt(7, first.frame_index, box=first.box),
        Prompt(7, first.frame_index, mask=Mask(first.mask.size, first.mask.counts)),
    ):
        tracks = track_objects(footage[0].path, prompts=[prompt])
        assert [t.obj_id for t in tracks] == [7]
        assert track_scores(truth, tracks).mean_iou >= 0.6


def test_frames_are_filtered_for_the_eyes_and_not_in_the_overlay(footage: list[Footage], tmp_path: Path):
    first = footage[0].showing(ASKED).tracks[0].observations[0]
    prompts = [Prompt(1, first.frame_index, box=first.box)]

    def follow(name: str, filters: str | None) -> tuple[Tracks, np.ndarray]:
        out = tmp_path / name
        tracks = track_objects(footage[0].path, prompts=prompts, filters=filters, out=out, formats=("json",))
        return tracks, open_video(out / "overlay.mp4").frame_at(5).image.astype(float)

    (plain, shown), (blurred, shown_blurred) = follow("plain", None), follow("blurred", "gaussian=5")
    masks = [[o.mask.counts for o in t.tracks[0].observations if o.mask] for t in (plain, blurred)]
    assert masks[0] != masks[1]
    far = np.abs(shown - shown_blurred).mean(-1)
    assert np.median(far) < 2, "the overlay shows the video as it is"


def test_prompts_that_find_nothing_cost_a_frame_and_not_the_video(footage: list[Footage], tmp_path: Path):
    """With the overlay too, which shows what was looked at."""
    models = Models("pocket", device="cpu", runtime="torch")
    with torch.no_grad():
        models.sam2.model.mask_decoder.pred_obj_score_head.proj_out.bias -= 100
    prompt = Prompt(1, 2, box=(40, 40, 90, 90))
    tracks = track_objects(footage[0].path, prompts=[prompt], model=models, out=tmp_path)
    assert len(tracks) == 0 and max(tracks.frame_times) == 2
    assert open_video(tmp_path / "overlay.mp4").len_frames() == 3


def test_search_and_track_goes_from_a_library_to_tracks(
    library: Path, footage: list[Footage], tmp_path: Path
):
    with Library(library) as opened:
        results = search_and_track(opened, ASKED, top=1, out=tmp_path, formats=("mot",))
        assert search_and_track(opened, ABSENT, top=1) == []
    (result,) = results
    assert Path(result.video).name == "street-000.mp4"
    assert set(result.files) == {"mot", "overlay"}
    assert all(path.exists() for path in result.files.values())
    assert track_scores(footage[0].showing(ASKED), result.tracks).identity.idf1 >= 0.6


def test_indexing_again_skips_and_a_changed_file_is_read_anew(footage: list[Footage], tmp_path: Path):
    video = tmp_path / "street.mp4"
    shutil.copy(footage[0].path, video)
    with Library(tmp_path / "lib") as library:
        assert library.index(video, sampling="fps=1", regions="tiles").indexed == 1
        assert library.index(video, sampling="fps=1", regions="tiles").skipped == 1
        shutil.copy(footage[1].path, video)
        assert library.index(video, sampling="fps=1", regions="tiles").indexed == 1
        assert library.index(video, sampling="fps=1", regions="none").indexed == 1
        assert len(library.videos()) == 1


class TestErrors:
    """One clear line, the right exit status, and what was saved stays."""

    def check(self, result: tuple[int, str, str], status: int, *words: str) -> None:
        got, _, err = result
        lines = [line for line in err.splitlines() if line.strip()]
        assert got == status, err
        assert lines[0].startswith("error:")
        assert len(lines) <= 2 and all(line.startswith(("error:", "hint:")) for line in lines), err
        for word in words:
            assert word in err

    def test_missing_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        gone = tmp_path / "gone.mp4"
        self.check(run(capsys, "track", gone, "--text", ASKED, "--out", tmp_path / "o", "-q"), 3, "gone.mp4")
        self.check(run(capsys, "index", gone, "--library", tmp_path / "l", "-q"), 3, "gone.mp4")

    def test_not_a_video(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        text = tmp_path / "text.mp4"
        text.write_text("this is not a video")
        self.check(run(capsys, "track", text, "--text", ASKED, "--out", tmp_path / "o", "-q"), 3, "text.mp4")

    def test_one_bad_file_does_not_stop_the_rest(
        self, footage: list[Footage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        videos = tmp_path / "videos"
        videos.mkdir()
        (videos / "a-broken.mp4").write_text("no")
        shutil.copy(footage[0].path, videos / "b-good.mp4")
        status, out, _ = run(
            capsys, "index", videos, "--library", tmp_path / "l", "--regions", "none", "--json"
        )
        report = json.loads(out)
        assert status == 11
        assert (report["indexed"], len(report["failed"])) == (1, 1)
        assert "a-broken.mp4" in report["failed"][0][0]

    @pytest.mark.parametrize("text", ["", "   ", "?!"])
    def test_empty_query(self, library: Path, text: str, capsys: pytest.CaptureFixture[str]):
        self.check(run(capsys, "search", text, "--library", library), 2)

    def test_unknown_model(self, footage: list[Footage], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        self.check(
            run(
                capsys,
                "track",
                footage[0].path,
                "--text",
                ASKED,
                "--model",
                "no/such",
                "--out",
                tmp_path,
                "-q",
            ),
            4,
            "no/such",
            "pocket",
        )

    def test_no_library(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        self.check(run(capsys, "search", ASKED, "--library", tmp_path / "none"), 5, "none")

    def test_a_library_of_another_model(
        self, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        from safetensors.torch import load_file, save_file

        from seektrack.checkpoints import packaged_folder

        other = tmp_path / "other-clip"
        shutil.copytree(packaged_folder("clip"), other)
        weights = load_file(other / "model.safetensors")
        weights["logit_scale"] += 1
        save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
        result = run(capsys, "search", ASKED, "--library", library, "--model", other)
        self.check(result, 5, "--reindex", "seektrack index")

    def test_nothing_to_follow(
        self, footage: list[Footage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        self.check(
            run(capsys, "track", footage[0].path, "--text", ABSENT, "--out", tmp_path, "-q"), 6, ABSENT
        )

    def test_unwritable_output(
        self, footage: list[Footage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        blocked = tmp_path / "file"
        blocked.write_text("mine")
        self.check(
            run(capsys, "track", footage[0].path, "--text", ASKED, "--out", blocked / "out", "-q"), 7, "file"
        )
        assert blocked.read_text() == "mine"
