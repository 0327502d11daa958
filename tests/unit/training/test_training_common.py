from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from seektrack.errors import ModelError
from seektrack.training.common import Budget, CsvLog, Curve, cosine, load_checkpoint, save_checkpoint, warmed


def test_learning_rate_rises_then_falls_to_its_floor() -> None:
    assert [warmed(step, 4) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert cosine(0.0) == 1.0
    assert cosine(0.5, floor=0.2) == pytest.approx(0.6)
    assert cosine(1.0, floor=0.2) == cosine(7.0, floor=0.2) == pytest.approx(0.2)
    curve = [cosine(i / 10) for i in range(11)]
    assert curve == sorted(curve, reverse=True)


def test_budget_counts_the_time_of_earlier_runs() -> None:
    budget = Budget(minutes=1.0, spent_s=45.0)
    assert 45.0 <= budget.used_s < 50.0
    assert 0.75 <= budget.progress < 0.84


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "checkpoint.pt"
    assert load_checkpoint(path) is None
    save_checkpoint(path, steps=3, weights={"w": torch.arange(3.0)}, note="x")
    state = load_checkpoint(path)
    assert state is not None
    assert (state["steps"], state["note"]) == (3, "x")
    assert torch.equal(state["weights"]["w"], torch.arange(3.0))
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("/nonexistent/sprung"),))


@pytest.mark.parametrize("content", [b"no checkpoint", pickle.dumps(_Trap())])
def test_a_file_that_is_no_checkpoint_is_refused_and_not_run(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="no readable checkpoint"):
        load_checkpoint(path)


def test_the_log_goes_on_where_it_stopped_and_keeps_its_columns(tmp_path: Path) -> None:
    CsvLog(tmp_path / "curve.csv").write({"step": 1, "loss": 2.5})
    CsvLog(tmp_path / "curve.csv").write({"loss": 2.0, "step": 2, "new": 7})
    assert CsvLog(tmp_path / "curve.csv").rows() == [
        {"step": "1", "loss": "2.5"},
        {"step": "2", "loss": "2.0"},
    ]


def test_a_curve_is_in_tensorboard_too_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = tmp_path / "training" / "curve.csv"
    curve = Curve(path)
    for step in (1, 2, 3):
        curve.write({"step": step, "loss": 4.0 - step, "note": "text", "r1": "" if step == 1 else 0.5})
    curve.close()
    going_on = Curve(path, step=2)
    going_on.write({"step": 3, "loss": 0.25, "note": "text", "r1": 0.75})
    going_on.close()

    def scalars(name: str) -> list[tuple[int, float]]:
        events = EventAccumulator(str(path.parent / "tensorboard")).Reload()
        return [(e.step, e.value) for e in events.Scalars(name)]

    assert scalars("loss") == [(1, 3.0), (2, 2.0), (3, 0.25)]
    assert scalars("r1") == [(2, 0.5), (3, 0.75)]
    assert [row["step"] for row in Curve(path, step=3).rows()] == ["1", "2", "3", "3"]
    anew = Curve(path)
    assert anew.rows() == [] and not anew.events.exists()
