"""What of a model becomes graphs: its parts, what the note tells of them, and what lies beside."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seektrack import checkpoints
from seektrack.checkpoints.fingerprints import folder_fingerprint
from seektrack.checkpoints.graphs import OPSET, Graphs
from seektrack.compression import export
from seektrack.compression.parts import GraphPart
from seektrack.encoders import photographs
from seektrack.errors import ModelError
from seektrack.segmentation import paired
from seektrack.types import Progress

if TYPE_CHECKING:
    from seektrack.encoders.clip import ClipEncoder
    from seektrack.encoders.temporal import TemporalEncoder

Pictures = Sequence[NDArray[np.uint8]]

PREDICTORS = ("lstm", "transformer")
"""Trajectory predictors that come with the package."""
_BESIDE = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "vocabulary.json",
    "calibration.json",
    "domain.safetensors",
    "photographs.json",
    "photographs.safetensors",
    "names.safetensors",
)
"""Files of an encoder that its graphs need too, as they are."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network to be written: its parts, what the note tells, and a writer of what lies beside."""

    parts: list[GraphPart]
    said: export.Written
    beside: Callable[[Path], None]
    calibrate: Callable[[Pictures], Mapping[str, list[dict[str, NDArray[Any]]]]] | None = None


def of_sam2(name: str, resolution: int | None, progress: Progress | None) -> Network:
    """One set of weights of a SAM 2."""
    from seektrack.compression.recorded import recorded
    from seektrack.compression.sam2_parts import sam2_parts, sam2_settings
    from seektrack.segmentation import load_sam2

    first = paired.SETS[0]
    sam2 = load_sam2(name, device="cpu", resolution=resolution, weights=first, progress=progress)
    source = checkpoints.find(name, "mask").folder
    settings = {**sam2_settings(sam2), "source": folder_fingerprint(source) if source else ""}
    alone = name == f"pocket:{first}" or not paired.is_pair(source)
    beside = ("config.json",) if alone else ("config.json", paired.GATE)
    said = export.Written("sam2", name, sam2.fingerprint, settings)
    parts = sam2_parts(sam2.model)
    graphs = Graphs(Path(), "sam2", name, said.fingerprint, OPSET, "fp32", settings)
    return Network(
        parts,
        said,
        lambda folder: _copy(source, folder, beside),
        lambda pictures: recorded(sam2, graphs, parts, pictures),
    )


def of_encoder(name: str, progress: Progress | None) -> Network:
    """An encoder of the CLIP family, or a temporal one.

    Raises:
        ModelError: It is neither, or its texts cannot be read without transformers.
    """
    from seektrack.compression import clip_parts
    from seektrack.encoders import load_encoder
    from seektrack.encoders.clip import ClipEncoder
    from seektrack.encoders.temporal import TemporalEncoder

    encoder = load_encoder(name, device="cpu", dtype="float32", progress=progress)
    if isinstance(encoder, TemporalEncoder):
        settings = clip_parts.temporal_settings(encoder)
        parts = clip_parts.temporal_parts(encoder)
        said = export.Written("temporal", name, encoder.fingerprint, settings)
        return Network(parts, said, lambda folder: _with_tokenizer(encoder, folder, settings["text"]))
    if not isinstance(encoder, ClipEncoder):
        raise ModelError(
            f"{name!r} is no encoder of the CLIP family, nor a temporal one", hint="use it with torch"
        )
    settings = clip_parts.clip_settings(encoder)
    said = export.Written("clip", name, encoder.fingerprint, settings)
    return Network(
        clip_parts.clip_parts(encoder),
        said,
        lambda folder: _with_tokenizer(encoder, folder, settings["text"]),
        lambda pictures: _clip_inputs(encoder, pictures),
    )


def of_trajectory(name: str) -> Network:
    """A trajectory predictor."""
    from seektrack.compression.clip_parts import trajectory_parts
    from seektrack.tracking.predict_network import load_trajectory

    folder = checkpoints.packaged_folder(f"trajectory/{name}") if name in PREDICTORS else Path(name)
    model = load_trajectory(folder)
    said = export.Written("trajectory", name, folder_fingerprint(folder), {})
    return Network(trajectory_parts(model), said, lambda into: _copy(folder, into, ("config.json",)))


def _copy(source: Path | None, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if source is not None and (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _with_tokenizer(
    encoder: ClipEncoder | TemporalEncoder, folder: Path, settings: Mapping[str, Any]
) -> None:
    """An encoder's files, and its tokenizer in the one form that is read without transformers.

    Raises:
        ModelError: There is no such form, or it reads a text otherwise.
    """
    from seektrack.compression.clip_parts import TOKENIZER_SAMPLES
    from seektrack.encoders.text_reader import TextReader

    _copy(encoder.folder, folder, _BESIDE)
    photographs.keep_rows(folder)
    encoder.tokenizer.save_pretrained(folder)
    reader = TextReader.load(folder, settings)
    for text in TOKENIZER_SAMPLES:
        inputs = encoder.text_inputs([text])
        ids, mask = reader([text])
        same = np.array_equal(ids, inputs["input_ids"].numpy())
        if "attention_mask" in inputs:
            same &= np.array_equal(mask, inputs["attention_mask"].numpy())
        if not same:
            raise ModelError(
                f"without transformers the tokenizer of {encoder.name!r} reads {text[:30]!r} otherwise",
                hint="use it with torch",
            )


def _clip_inputs(encoder: ClipEncoder, pictures: Pictures) -> dict[str, list[dict[str, NDArray[Any]]]]:
    """What the vision graphs see of pictures."""
    from seektrack.encoders.photo_clip import PhotoClipEncoder
    from seektrack.encoders.preprocess import averaged

    found: dict[str, list[dict[str, NDArray[Any]]]] = {}
    sides = {encoder.image_size: "vision", encoder.fine_size: "vision_fine"}
    for side, part in sides.items():
        settings = encoder.settings.at(side) if side else encoder.settings
        if side:
            seen = [encoder.image_inputs([picture], settings)["pixel_values"] for picture in pictures]
            found[part] = [{"pixels": pixels.float().numpy()} for pixels in seen]
    if isinstance(encoder, PhotoClipEncoder):
        grain = encoder.networks.network.tower.sizes.grain
        views = [
            averaged(one["pixels"], max(8, round(one["pixels"].shape[-1] / grain))) for one in found["vision"]
        ]
        found["photographs"] = [{"pixels": view} for view in views]
    return found
