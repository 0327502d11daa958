"""The benchmark measures what is there, and says why where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError
from seektrack.evaluation.bench import BenchSettings, Row, follow_rows, search_rows, whole_rows, write_bench


def test_following_is_timed_beside_the_reference_and_agrees_with_it() -> None:
    parts: dict[str, dict[str, float]] = {}
    settings = BenchSettings(objects=(2,), resolutions=(64,), runtimes=("torch", "onnx"), rounds=2)
    rows = {row.runtime: row for row in follow_rows(settings, parts=parts)}
    assert "are for 256 pixels" in rows["onnx"].why and rows["onnx"].per_second is None
    ours, theirs = rows["torch"], rows["transformers"]
    assert ours.agreement is not None and ours.agreement > 0.95 and theirs.agreement == 1
    assert ours.ratio is not None and ours.ratio > 0 and theirs.ratio == 1
    assert ours.p50_ms is not None and ours.p95_ms is not None and 0 < ours.p50_ms <= ours.p95_ms
    assert ours.memory_mb is not None and ours.memory_mb > 50
    (spent,) = parts.values()
    assert sum(spent.values()) == pytest.approx(ours.p50_ms, rel=1.0) and "image encoder" in spent


def test_questions_and_pictures_are_timed_by_each_runtime() -> None:
    rows = list(search_rows(BenchSettings(rounds=2, runtimes=("torch", "onnx", "onnx:tensorrt")), cold=False))
    assert [row.stage for row in rows] == ["text", "pictures"] * 3
    assert all(row.per_second for row in rows[:4]) and rows[3].agreement is not None
    assert rows[3].agreement >= 0.9999
    assert all("not on this machine" in row.why for row in rows[4:])


def test_a_film_goes_the_whole_way_by_each_runtime() -> None:
    rows = list(whole_rows(BenchSettings(rounds=2, runtimes=("onnx", "onnx:tensorrt"))))
    assert [row.stage for row in rows] == ["index", "ask", "track"] * 2
    assert all(row.per_second and row.p50_ms for row in rows[:3]) and rows[2].objects >= 1
    assert all("not on this machine" in row.why and row.per_second is None for row in rows[3:])


def test_what_is_written(tmp_path: Path) -> None:
    rows = [
        Row(stage="follow", runtime="torch", resolution=256, objects=4).timed([0.1, 0.3, 0.2]),
        Row(stage="follow", runtime="onnx", why="there are no graphs"),
    ]
    assert (rows[0].per_second, rows[0].p50_ms, rows[0].p95_ms) == (5.0, 200.0, 300.0)
    files = write_bench(rows, tmp_path / "new" / "bench")
    assert [path.name for path in files] == ["bench.json", "bench.md", "bench.png"]
    held = json.loads(files[0].read_text())
    assert held["rows"][0]["p50_ms"] == 200.0 and "seektrack" in held["machine"]
    page = files[1].read_text()
    assert "| 256 | 4 | 5 | 200 | 300 |" in page and "there are no graphs" in page
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_a_stage_without_its_input_is_no_pass(tmp_path: Path) -> None:
    argv = ["bench", "--quick", "--stage", "search", "--runtime", "onnx:tensorrt", "--json"]
    done = CliRunner().invoke(app, [*argv, "--out", str(tmp_path)])
    assert done.exit_code == 4
    assert all(row["why"] for row in json.loads(done.stdout)["rows"])


def test_settings_that_cannot_be() -> None:
    with pytest.raises(InputError, match="1 to 64"):
        BenchSettings(objects=(0,))
