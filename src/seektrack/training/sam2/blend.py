"""A network between two of one build: what training on new footage gained, and less of what it cost."""

from __future__ import annotations

from pathlib import Path

import torch

from seektrack.errors import InputError, ModelError
from seektrack.segmentation import load_sam2
from seektrack.training.sam2.calibrate import calibrate_score
from seektrack.training.sam2.weights import publish


@torch.no_grad()
def blend(
    first: str | Path, second: str | Path, out: str | Path, *, share: float, calibration: int = 0
) -> float:
    """Write the network whose weights lie between those of two, in half precision.

    Of a network and what further training made of it, the straight way between them often keeps what the one
    knew at little cost to what the other learnt: Wortsman et al., Robust Fine-Tuning of Zero-Shot Models,
    arXiv:2109.01903.

    Args:
        first, second: What :func:`seektrack.segmentation.load_sam2` takes.
        out: Folder of the result, neither of the two; made if missing.
        share: Of ``second``, from 0, which is ``first``, to 1.
        calibration: Held-out drawn clips by which the object score gets its zero again, as after a training:
            between two networks it is where neither had it. 0 leaves it there.

    Returns:
        By how much the object score's zero moved, a logit.

    Raises:
        InputError: ``share`` or ``calibration`` is out of range, or ``out`` is one of the two.
        ModelError: A network cannot be loaded, or they are not built alike.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share {share} is not from 0 to 1", hint="0 is the first network, 1 the second")
    if calibration < 0:
        raise InputError(f"calibration {calibration} is below 0", hint="24 drawn clips do; 0 for none")
    out = Path(out)
    for given in (first, second):
        if Path(given).is_dir() and Path(given).resolve() == out.resolve():
            raise InputError(f"{out} is one of the two networks", hint="write the result to another folder")
    network, other = (load_sam2(given, device="cpu").model for given in (first, second))
    ours, theirs = network.state_dict(), other.state_dict()
    if {n: w.shape for n, w in ours.items()} != {n: w.shape for n, w in theirs.items()}:
        raise ModelError(
            f"{first} and {second} are not built alike", hint="blend a network with what grew from it"
        )
    for name, weight in ours.items():
        if weight.is_floating_point():
            weight.lerp_(theirs[name].to(weight.dtype), share)
    shift = 0.0
    if calibration:
        shift = calibrate_score(network, resolution=int(network.image_size), scenes=calibration)
    out.mkdir(parents=True, exist_ok=True)
    publish(network.half(), out)
    return shift
