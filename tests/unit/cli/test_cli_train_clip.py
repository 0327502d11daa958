"""What the options of ``train clip`` and ``pocket clip`` become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seektrack.cli import main
from seektrack.errors import InputError
from seektrack.training import clip, finetune, scale
from seektrack.training.clip import mix_recipe
from seektrack.training.datasets import LeftOuts
from seektrack.training.finetune import FinetuneRecipe, PairSet


def run(*arguments: str, group: str = "train") -> int:
    with pytest.raises(SystemExit) as done:
        main([group, "clip", "--out", "runs/x", "--quiet", *arguments])
    return int(done.value.code or 0)


def test_every_choice_of_a_fine_tuning_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def capture(recipe: FinetuneRecipe, data: str, out: Path, **options: Any) -> dict[str, Any]:
        seen.update(recipe=recipe, data=data, out=out, **options)
        return {}

    monkeypatch.setattr(finetune, "finetune_clip", capture)
    monkeypatch.setattr(finetune, "read_pairs", lambda data, split: PairSet([], LeftOuts([])))
    options = (
        "--data pictures --model base --recipe lora --epochs 3 --batch 12 --learning-rate 0.01 --rank 4"
        " --alignment 0.3 --image-to-text 0.2 --text-to-image 0.8 --balance --no-augment --precision bf16"
        " --held-out 0.3 --patience 2 --seed 9 --device cpu --max-minutes 7 --fresh"
    )
    assert run(*options.split()) == 0
    assert seen["recipe"] == FinetuneRecipe(
        mode="lora",
        epochs=3,
        batch=12,
        learning_rate=0.01,
        rank=4,
        alignment=0.3,
        image_to_text=0.2,
        text_to_image=0.8,
        balance=True,
        augment=False,
        precision="bf16",
        held_out=0.3,
        patience=2,
        seed=9,
    )
    assert (seen["data"], seen["out"], seen["model"]) == ([], Path("runs/x"), "base")
    assert (seen["max_minutes"], seen["resume"], seen["device"]) == (7, False, "cpu")


def test_several_processes_are_given_the_same_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], int]] = []
    status = 0

    def start(arguments: list[str], processes: int) -> int:
        calls.append((list(arguments), processes))
        return status

    monkeypatch.setattr(scale, "launch", start)
    given = "--data pictures --batch 8 --balance --minutes 5"
    assert run(*given.split(), "--processes", "2") == 0
    ((arguments, processes),) = calls
    assert processes == 2
    assert arguments[:3] == ["seektrack", "train", "clip"]
    expected = "--out runs/x --quiet --data pictures --batch 8 --balance --max-minutes 5.0"
    assert sorted(arguments[3:]) == sorted(expected.split())
    status = 3
    assert run(*given.split(), "--processes", "2") != 0


def test_a_style_and_a_start_reach_the_pocket_training(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def capture(recipe: Any, out: Path, **options: Any) -> dict[str, Any]:
        seen.update(recipe=recipe, **options)
        return {}

    monkeypatch.setattr(clip, "train_clip", capture)
    given = "--style mix --init pocket --proposal-minutes 0 --max-minutes 9"
    assert run(*given.split(), group="pocket") == 0
    assert (seen["recipe"], seen["init"], seen["max_minutes"]) == (mix_recipe(), "pocket", 9)


@pytest.mark.parametrize(
    ("group", "arguments", "message"),
    [
        ("pocket", "--style poor", "plain, mix, rich"),
        ("pocket", "--processes 2", "No such option: --processes"),
        ("train", "--data x --init pocket", "No such option: --init"),
        ("train", "--data x --precision int4", "fp32, bf16, fp16"),
    ],
)
def test_what_does_not_go_together_is_refused(
    group: str, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments.split(), group=group) == InputError.exit_code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "said"),
    [
        ("train clip --style mix -o out", "there is no --data"),
        ("train sam2 --recipe real --init pocket -o out", "there is no --data"),
        ("train photos --names names -o out", "train photos is called pocket photos now"),
        ("train temporal -o out", "there is no --data"),
        ("train trajectory --model lstm -o out", "there is no --data"),
    ],
)
def test_an_old_spelling_is_answered_with_the_new_one(
    old: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(old.split())
    error, hint = capsys.readouterr().err.splitlines()
    assert done.value.code == InputError.exit_code
    assert said in error and hint.endswith(f"seektrack {old.replace('train', 'pocket', 1)}")
