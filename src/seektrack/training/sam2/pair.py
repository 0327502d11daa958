"""A checkpoint of two sets of weights, put together of two networks of one build."""

from __future__ import annotations

from pathlib import Path

from seektrack.checkpoints import packaged_folder
from seektrack.errors import ModelError
from seektrack.segmentation import load_sam2
from seektrack.segmentation.gate import Gate
from seektrack.segmentation.paired import GATE, SECOND, SETS
from seektrack.training.sam2.weights import publish


def pair(
    drawn: str | Path,
    photographs: str | Path,
    out: str | Path,
    *,
    gate: Gate | None = None,
    resolution: int | None = None,
) -> Path:
    """Write a checkpoint of two sets of weights, in half precision: for each video the better one is taken.

    Args:
        drawn, photographs: What :func:`seektrack.segmentation.load_sam2` takes; of a checkpoint that has two
            sets the one of that name.
        out: Folder of the result, which may be one of theirs; graphs that lie there are to be written again.
        gate: Chooses between the two; the packaged one's if not given.
        resolution: Side of the square in which photographs are seen, in pixels; that of ``photographs`` if
            not given.

    Returns:
        ``out``.

    Raises:
        ModelError: A network cannot be loaded, they are not built alike, or the resolution does not fit.
    """
    out, given = Path(out), zip((drawn, photographs), SETS, (None, resolution), strict=True)
    chosen = gate or Gate.load(packaged_folder("sam2"))
    first, second = (
        load_sam2(one, device="cpu", runtime="torch", weights=name, resolution=side).model
        for one, name, side in given
    )
    shapes = [{name: weight.shape for name, weight in one.state_dict().items()} for one in (first, second)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"{drawn} and {photographs} are not built alike", hint="pair a network with what grew from it"
        )
    (out / SECOND).mkdir(parents=True, exist_ok=True)
    publish(first.half(), out)
    publish(second.half(), out / SECOND)
    chosen.save(out / GATE)
    return out
