"""Graphs are run against torch before they are believed; what loses too much stays in float."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from seektrack.checkpoints.graphs import OPSET, Session, read_graphs
from seektrack.cli import app
from seektrack.compression import export_model
from seektrack.compression.export import Written, write_graphs
from seektrack.compression.parts import GraphPart
from seektrack.errors import InputError, ModelError

SAID = Written("trajectory", "test", "0" * 32, {})


class Line(nn.Module):
    """A layer whose answer depends on something a graph cannot see."""

    def __init__(self, spread: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(64, 64, bias=False)
        with torch.no_grad():
            self.layer.weight *= torch.logspace(0, np.log10(spread), 64)[None]
        self.shift = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x)) + self.shift


def part(module: Line, values: Tensor | None = None) -> GraphPart:
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(1)) if values is None else values
    return GraphPart("line", module, {"x": x}, ("y",), {"x": {0: "rows"}}, lambda: [{"x": x[:1]}])


def test_what_is_written_is_read_and_answers_alike(tmp_path: Path) -> None:
    module = Line()
    written = write_graphs([part(module)], tmp_path, SAID)
    session = Session(read_graphs(tmp_path), "line")
    x = np.random.default_rng(2).normal(size=(5, 64)).astype(np.float32)
    np.testing.assert_allclose(session(x)[0], module(torch.from_numpy(x)).detach().numpy(), atol=1e-5)
    assert written.opset == OPSET and written.files["line"].error < 1e-5


def test_a_graph_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    module = Line()
    made = part(module)

    def others() -> list[dict[str, Tensor]]:
        module.shift = 1.0  # from here on torch says something else than when the graph was written
        return [dict(made.inputs)]

    changed = GraphPart("line", module, made.inputs, ("y",), made.dynamic, others)
    with pytest.raises(ModelError, match="answers otherwise than torch"):
        write_graphs([changed], tmp_path, SAID)
    assert not (tmp_path / "onnx.json").exists()


def test_int8_is_smaller_and_near_and_what_loses_stays_float(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    kept = write_graphs([part(Line())], good, SAID, precision="int8").files["line"]
    assert kept.precision == "int8" and 0 < kept.error <= 0.05
    # One number of a row is ten thousand times the others: eight bits for the row say nothing of the rest.
    values = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    values[:, 0] = 1e5
    lost = Line()
    with torch.no_grad():
        lost.layer.weight[:, 0] = 0
    left = write_graphs([part(lost, values)], bad, SAID, precision="int8").files["line"]
    assert left.precision == "fp32" and "off" in left.why and left.error < 1e-4


def test_what_cannot_be_run_smaller_stays_float(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, to: Path, *_: object) -> bool:
        to.write_bytes(b"no graph")
        return True

    monkeypatch.setattr("seektrack.compression.export.make_smaller", broken)
    left = write_graphs([part(Line())], tmp_path, SAID, precision="int8").files["line"]
    assert left.precision == "fp32" and "int8 cannot be run" in left.why
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.onnx", "onnx.json"]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs") / "transformer"
    done = CliRunner().invoke(app, ["models", "export", "transformer", "--to", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["networks"][0]["graphs"]["trajectory"]["precision"] == "fp32"
    return folder


def test_a_predictor_of_any_number_of_objects(predictor: Path) -> None:
    from seektrack.checkpoints import packaged_folder
    from seektrack.tracking.predict_network import load_trajectory

    session = Session(read_graphs(predictor, kind="trajectory"), "trajectory")
    model = load_trajectory(packaged_folder("trajectory/transformer"))
    for count in (1, 2, 9):
        steps = np.random.default_rng(count).normal(size=(count, model.sizes.past, 9)).astype(np.float32)
        steps[..., 4] = 1
        with torch.inference_mode():
            wanted = model(torch.from_numpy(steps))
        for want, got in zip(wanted, session(steps), strict=True):
            np.testing.assert_allclose(got, want.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"precision": "int4"}, "no precision 'int4'"),
        ({"pictures": [np.zeros((8, 8, 3), np.uint8)]}, "int8 only"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        export_model("lstm", to=tmp_path, **given)  # type: ignore[arg-type]


def test_graphs_are_not_exported_again(predictor: Path, tmp_path: Path) -> None:
    config = json.loads((predictor / "config.json").read_text())
    (predictor / "config.json").write_text(json.dumps({**config, "model_type": "clip"}))
    try:
        with pytest.raises(ModelError, match="ONNX graphs already"):
            export_model(predictor, to=tmp_path)
    finally:
        (predictor / "config.json").write_text(json.dumps(config))


def test_the_command_says_what_it_needs(tmp_path: Path) -> None:
    run = CliRunner().invoke
    for argv, said in (
        (["pocket"], "--to FOLDER or --beside"),
        (["pocket", "--to", str(tmp_path), "--calibrate", "x.mp4"], "int8"),
        (["pocket", "--beside", "--precision", "int8"], "fp32"),
    ):
        done = run(app, ["models", "export", *argv])
        assert isinstance(done.exception, InputError) and said in str(done.exception)


def test_a_stack_of_weights_stays_float_and_the_rest_becomes_int8(tmp_path: Path) -> None:
    class Stacked(Line):
        def __init__(self) -> None:
            super().__init__()
            self.stack = nn.Parameter(torch.randn(2, 64, 8))

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[None] @ self.stack

    found = write_graphs([part(Stacked())], tmp_path, SAID, precision="int8").files["line"]
    assert found.precision == "int8" and not found.why


def test_static_int8_is_judged_by_inputs_as_they_come_in_use(tmp_path: Path) -> None:
    torch.manual_seed(2)
    usual = [{"x": torch.randn(3, 64).numpy()} for _ in range(8)]
    odd = torch.randn(3, 64)
    odd[:, 0] = 1e5  # of the example alone; with a range for it, eight bits would tell nothing else
    lost = Line()
    with torch.no_grad():
        lost.layer.weight[:, 0] = 0
    found = write_graphs(
        [part(lost, odd)], tmp_path, SAID, precision="int8", calibration={"line": usual}
    ).files["line"]
    assert found.precision == "int8" and found.error < 0.05
    session = Session(read_graphs(tmp_path), "line")
    x = torch.randn(5, 64)
    wanted = lost(x).detach().numpy()
    assert np.sqrt(((session(x.numpy())[0] - wanted) ** 2).mean()) < 0.05 * np.sqrt((wanted**2).mean())


def test_every_part_of_a_segmenter_is_seen_at_work() -> None:
    from seektrack.checkpoints.graphs import Graphs
    from seektrack.compression.recorded import OBJECTS, recorded
    from seektrack.compression.sam2_parts import sam2_parts, sam2_settings
    from seektrack.segmentation import load_sam2

    sam2 = load_sam2("pocket", device="cpu", runtime="torch", weights="drawn", resolution=64)
    parts = sam2_parts(sam2.model)
    graphs = Graphs(Path(), "sam2", "pocket", "0" * 32, OPSET, "fp32", sam2_settings(sam2))
    pictures = [np.full((40, 60, 3), 90, np.uint8) for _ in range(3)]
    for t, picture in enumerate(pictures):
        picture[10:30, 10 + 4 * t : 30 + 4 * t] = (220, 60, 40)
    given = recorded(sam2, graphs, parts, [*pictures[:2], pictures[2][:, ::2]])
    assert set(given) == {one.name for one in parts}
    assert len(given["image_encoder"]) == 3 and len(given["memory_attention"]) == 2
    assert len(given["memory_attention"][-1]["memories"]) == OBJECTS
    box, click, mask = (given[n][0] for n in ("mask_decoder", "mask_decoder", "mask_shrinker"))
    assert box["points"].shape == click["points"].shape and 0 < mask["mask"].mean() < 1
