import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError, ModelError
from seektrack.segmentation import load_sam2
from seektrack.training.sam2 import blend
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.training.sam2.weights import publish


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """The pocket network with every weight one higher, in half precision."""
    folder = tmp_path_factory.mktemp("moved")
    publish(load_sam2("pocket", device="cpu").model.half(), folder)
    weights = load_file(folder / "model.safetensors")
    save_file({k: v + 1 for k, v in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_lie_on_the_way_between_two_networks(moved, tmp_path, share):
    blend("pocket", moved, tmp_path / "out", share=share)
    found, start = load_sam2(str(tmp_path / "out")).model, load_sam2("pocket").model
    for (name, weight), other in zip(found.named_parameters(), start.parameters(), strict=True):
        assert torch.allclose(weight, other + share, atol=4e-3), name


def test_two_that_are_not_built_alike_and_a_share_beyond_them(moved, tmp_path):
    (tmp_path / "other").mkdir()
    publish(build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))), tmp_path / "other")
    with pytest.raises(ModelError, match="not built alike"):
        blend("pocket", tmp_path / "other", tmp_path / "out", share=0.5)
    with pytest.raises(InputError, match="share"):
        blend("pocket", moved, tmp_path / "out", share=1.5)
    with pytest.raises(InputError, match="one of the two"):
        blend("pocket", moved, moved, share=0.5)


def test_the_command_writes_a_network_that_loads(moved, tmp_path):
    out = str(tmp_path / "out")
    told = CliRunner().invoke(app, ["pocket", "blend", "pocket", str(moved), "--share", "0", "--out", out])
    assert told.exit_code == 0 and load_sam2(out).resolution == 256


def test_the_object_score_gets_its_zero_again_and_nothing_else_changes(moved, tmp_path):
    bias = "mask_decoder.pred_obj_score_head.proj_out.bias"
    blend("pocket", moved, tmp_path / "plain", share=0.0)
    moved_by = blend("pocket", moved, tmp_path / "zeroed", share=0.0, calibration=6)
    plain, zeroed = (load_file(tmp_path / n / "model.safetensors") for n in ("plain", "zeroed"))
    assert moved_by and {k for k in plain if not torch.equal(plain[k], zeroed[k])} == {bias}
    assert float(plain[bias] - zeroed[bias]) == pytest.approx(moved_by, abs=4e-3)
    with pytest.raises(InputError, match="calibration"):
        blend("pocket", moved, tmp_path / "out", share=0.5, calibration=-1)
