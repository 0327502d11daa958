import numpy as np
import pytest

from seektrack import Prompt, segment_frame
from seektrack.errors import ModelError
from seektrack.pipeline.models import Models

BOX = Prompt(1, 0, box=(24.0, 20.0, 76.0, 70.0))


def film():
    """A bright disc on grey; uint8 (1, 96, 128, 3)."""
    ys, xs = np.mgrid[:96, :128]
    picture = np.full((96, 128, 3), 90, np.uint8)
    picture[(xs - 50) ** 2 + (ys - 45) ** 2 < 22**2] = (220, 40, 30)
    return picture[None]


def test_on_a_cpu_graphs_compute_where_nothing_else_is_asked_for(monkeypatch):
    monkeypatch.setattr("seektrack.pipeline.models.picks_cpu", lambda: True)
    assert Models("pocket").sam2.runtime == Models("pocket", device="cpu").sam2.runtime == "onnx"
    assert Models("pocket", runtime="torch").sam2.runtime == "torch"
    assert Models("pocket", resolution=256).sam2.runtime == "torch"
    monkeypatch.setattr("seektrack.pipeline.models.picks_cpu", lambda: False)
    assert Models("pocket").sam2.runtime == "torch"
    assert Models("pocket", device="cpu").sam2.runtime == "onnx"


def test_a_precision_of_torch_is_computed_by_torch(monkeypatch):
    monkeypatch.setattr("seektrack.pipeline.models.picks_cpu", lambda: True)
    both = Models("pocket").sam2
    for one in (both, *both.sets):
        other = one.at("bf16")
        assert (other.runtime, other.precision, other.weights) == ("torch", "bf16", one.weights)
        assert one.at("fp32") is one
    with pytest.raises(ModelError, match="compute in what they were written in"):
        Models("pocket", runtime="onnx").sam2.at("bf16")


def test_a_mask_on_one_frame_is_the_same_by_either_runtime():
    by_torch, by_graphs = (
        segment_frame(film(), [BOX], model=Models("pocket", runtime=runtime))[1]
        for runtime in ("torch", "onnx")
    )
    one, other = by_torch.mask.to_array(), by_graphs.mask.to_array()
    assert one.sum() > 1000
    assert (one & other).sum() / (one | other).sum() > 0.99
    assert by_graphs.score == pytest.approx(by_torch.score, abs=1e-3)
