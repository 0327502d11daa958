"""Learning from what people corrected: results and sessions for a segmenter and for an encoder."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seektrack.cli import main
from seektrack.errors import InputError
from seektrack.outputs import load_tracks, save_tracks
from seektrack.training.datasets import read_tracks
from seektrack.training.datasets.corrected import corrected_masks, read_corrected
from seektrack.training.finetune import FinetuneRecipe, finetune_clip, read_pairs
from seektrack.training.finetune.data import load_picture
from seektrack.training.sam2 import Sam2Finetune, tune_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.training.sam2.sources import read_clips
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

SCENES = SceneSettings(height=64, width=96, n_frames=4, actors=(1, 2), things=(0, 0))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos with a result each, as a tracker put right would leave them."""
    from seektrack.world.layouts import write_layout

    folder = tmp_path_factory.mktemp("results") / "set"
    scenes = [sample_scene(seed, SCENES) for seed in seeds(Split.TEST, 4, start=60)]
    write_layout(scenes, folder, layout="mp4")
    (folder / "captions.csv").unlink()
    return folder


def test_a_result_says_what_every_frame_shows(results: Path) -> None:
    clips = read_clips(results)
    assert len(clips) == 4 and not clips.left_out
    seed = seeds(Split.TEST, 4, start=60)[0]
    truth = render(sample_scene(seed, SCENES))
    clip = pickle.loads(pickle.dumps(clips[0]))
    for t, (frame, known) in enumerate(clip.frames()):
        assert known is not None and frame.hw == (64, 96)
        for obj_id, mask in known.masks.items():
            np.testing.assert_array_equal(mask.to_array(), truth.ids[t] == obj_id)
    assert clip.annotation(99) is None
    (one,) = read_clips(sorted(results.glob("*.json"))[0])
    assert one.categories == clip.categories


def test_objects_are_cut_out_and_called_by_their_names(results: Path) -> None:
    pairs = read_pairs(results)
    labels = {t.label for file in results.glob("*.json") for t in load_tracks(file)}
    assert {pair.texts[0] for pair in pairs} <= labels
    assert all(load_picture(pair.image).shape == (224, 224, 3) for pair in pairs[:3])
    assert pairs[0].image.whole().shape == (64, 96, 3)


def test_what_cannot_be_learnt_from_is_named(results: Path, tmp_path: Path) -> None:
    tracks = load_tracks(next(results.glob("*.json")))
    save_tracks(tracks, tmp_path / "gone.json", "json")
    content = json.loads((tmp_path / "gone.json").read_text())
    content["video"]["path"] = "nowhere/gone.mp4"
    (tmp_path / "gone.json").write_text(json.dumps(content))
    (tmp_path / "broken.json").write_text('{"format": "seektrack.tracks", "version": 1}')
    with pytest.raises(InputError, match="2 left out"):
        read_corrected(tmp_path)
    video = next(results.glob("*.mp4"))
    content["video"]["path"] = str(video)
    content["tracks"] = []
    (tmp_path / "gone.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="a result without objects"):
        read_corrected(tmp_path / "gone.json")


def test_boxes_without_masks_are_void_for_a_segmenter(results: Path, tmp_path: Path) -> None:
    file = next(results.glob("*.json"))
    content = json.loads(file.read_text())
    content["video"]["path"] = str(file.with_suffix(".mp4"))
    for o in content["tracks"][0]["observations"]:
        o["mask"] = None
    (tmp_path / "a.json").write_text(json.dumps(content))
    if len(content["tracks"]) == 1:
        with pytest.raises(InputError, match="boxes alone"):
            corrected_masks(tmp_path)
        return
    known = corrected_masks(tmp_path)[0].annotation(0)
    assert known is not None and content["tracks"][0]["obj_id"] not in known.masks and known.void is not None


def test_a_session_put_right_is_learnt_from(results: Path, tmp_path: Path) -> None:
    from seektrack.pipeline import Correction, start_session

    file = next(results.glob("*.json"))
    tracks = load_tracks(file)
    with start_session(file.with_suffix(".mp4"), tracks=tracks, path=tmp_path / "a.session") as session:
        session.rename(tracks.tracks[0].obj_id, "a teapot")
        (one,) = read_corrected(tmp_path / "a.session")[0]
        assert one.sure is None  # nothing was put right: all of it is taken for the truth
        track = tracks.tracks[0]
        shown = next(o for o in track.observations if o.visible and o.mask is not None)
        session.correct(Correction(shown.frame_index, track.obj_id, mask=shown.mask))
    (one,) = read_corrected(tmp_path / "a.session")[0]
    assert one.sure == {track.obj_id: frozenset({shown.frame_index})}
    assert read_clips(tmp_path)[0].sure == one.sure
    for named in (tmp_path, tmp_path / "a.session"):
        (ways,) = read_tracks(named)
        assert [t.obj_id for t in ways.tracks] == [t.obj_id for t in one.tracks.tracks]
    assert one.video.name == file.with_suffix(".mp4").name
    assert "a teapot" in {pair.texts[0] for pair in read_pairs(tmp_path)}
    clip = read_clips(tmp_path)[0]
    # Of what was put right by hand the network's other frames are no truth; of other objects they are.
    for frame, known in clip.frames():
        told = known is not None and track.obj_id in known.masks
        assert told == (frame.index == shown.frame_index)
        others = {t.obj_id for t, o in tracks.at(frame.index) if o.visible and o.mask} - {track.obj_id}
        assert others == (set(known.masks) - {track.obj_id} if known is not None else set())


def test_a_segmenter_learns_from_results_and_tells_what_changed(results: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).save_pretrained(tmp_path / "start")
    recipe = Sam2Finetune(
        steps=3, frames=2, clips=1, objects=2, held_out=0.3, held_out_frames=3, measurements=2, warmup=1,
        learning_rate=3e-3,
    )  # fmt: skip
    out = tmp_path / "out"
    figures = tune_sam2(recipe, results, out, model=tmp_path / "start", device="cpu")
    assert figures["steps"] == 3 and figures["left_out"] == 0
    report, card = (out / "report/report.md").read_text(), (out / "README.md").read_text()
    assert "| JF |" in report and f"base_model: {json.dumps(str(tmp_path / 'start'))}" in card
    assert str(results) in card and "pocket+" in card
    shown = figures["better"] + figures["worse"]
    drawn = list((out / "report").glob("*.jpg"))
    assert len(drawn) == min(4, figures["better"]) + min(4, figures["worse"]) <= shown
    assert all(Image.open(file).height == 256 for file in drawn)


def test_an_encoder_tells_what_changed_and_knows_what_it_was_shown(results: Path, tmp_path: Path) -> None:
    from seektrack.encoders import load_encoder

    out = tmp_path / "out"
    recipe = FinetuneRecipe(mode="head", batch=8, held_out=0.45, steps=4, learning_rate=1e-3)
    figures = finetune_clip(recipe, results, out, device="cpu")
    assert {"r1_before", "r1", "better", "worse", "domain", "calibrated"} <= set(figures)
    assert (
        "| r1 |" in (out / "report/report.md").read_text() and "## Recipe" in (out / "README.md").read_text()
    )
    encoder = load_encoder(out, device="cpu")
    assert (encoder.calibration is not None) == figures["calibrated"]
    assert (encoder.domain is not None) == figures["domain"]


def test_the_commands_take_results(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["train", "clip", "--data", str(results), "--out", str(tmp_path / "o"), "--recipe", "head",
              "--epochs", "1", "--batch", "4", "--json"])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert not done.value.code and found["pairs"] > 4 and Path(found["report"]).is_file()
