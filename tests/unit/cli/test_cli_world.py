"""``seektrack world render``: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seektrack.cli import main
from seektrack.training.datasets import coco_captions, davis, msr_vtt
from seektrack.world import HELD_OUT, SceneSettings, Split, sample_scene, seeds

SMALL = ("--size", "96x64", "--frames", "2", "--scenes", "2", "--quiet")


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["world", "render", *args])
    return int(ended.value.code or 0)


def test_scenes_are_those_of_the_split_and_what_is_read_is_what_was_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ("--layout", "davis", "--split", "validation", "--start", "3", "--objects", "2", *SMALL)
    assert run(str(out), *args, "--style", "rich", "--categories", "umbrella,snail") == 0
    read = davis(out, split="val")
    wanted = seeds(Split.VALIDATION, 2, start=3)
    assert list(read.keys) == [f"{seed:09d}" for seed in wanted]
    settings = SceneSettings(
        style="rich", height=64, width=96, n_frames=2, actors=(2, 2), categories=("umbrella", "snail")
    )
    for clip, seed in zip(read, wanted, strict=True):
        assert clip.open().info.hw == (64, 96) and clip.open().len_frames() == 2
        cast = {a.obj_id: f"{a.colour} {a.category}" for a in sample_scene(seed, settings).actors}
        assert all(name.split(" ", 1)[1] == cast[i] for i, name in clip.categories.items())
        assert all(name.split()[-1] in HELD_OUT for name in clip.categories.values())


def test_picture_layouts_draw_one_frame_and_speak_the_languages_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert (
        run(str(out), "--layout", "coco", "--size", "64", "--scenes", "2", "--language", "en, de", "--json")
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["scenes"], told["frames"], told["layout"], told["split"]) == (2, 2, "coco", "train")
    read = coco_captions(out / "annotations/captions_train2017.json", out / "train2017")
    assert len(read) == 2
    assert any(text.startswith(("ein ", "eine ")) for item in read for text in item.texts)


def test_it_says_how_to_read_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(str(out), "--layout", "msr-vtt", "--split", "validation", *SMALL[:-1]) == 0
    said = capsys.readouterr().out
    assert "2 scenes, 4 pictures" in said
    call = said.splitlines()[-1].strip()
    assert len(eval(call, {"msr_vtt": msr_vtt})) == 2


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (("--layout", "imagenet"), 2, "no layout 'imagenet'"),
        (("--split", "mine"), 2, "no split 'mine'"),
        (("--size", "big"), 2, "--size cannot be 'big'"),
        (("--size", "32"), 2, "at least 64x64"),
        (("--objects", "5-2"), 2, "--objects cannot be '5-2'"),
        (("--style", "oil"), 2, "no style 'oil'"),
        (("--categories", "unicorn"), 2, "cannot draw unicorn"),
        (("--language", "it"), 2, "does not speak 'it'"),
        (("--language", ","), 2, "at least one language"),
        (("--fps", "nan"), 2, "--fps cannot be nan"),
        (("--start", "99999999", "--scenes", "2"), 2, "leave the split"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    args: tuple[str, ...], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(tmp_path / "out"), *args) == status
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and "hint: " in error
    assert not any(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run(str(tmp_path), *SMALL) == 7
    assert "it holds something already" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_the_help_lists_every_layout(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    from seektrack.cli import app
    from seektrack.world.layouts import LAYOUTS

    command = typer.main.get_command(app).commands["world"].commands["render"]
    (option,) = (p for p in command.params if p.name == "layout")
    assert all(name in option.help for name in LAYOUTS)
