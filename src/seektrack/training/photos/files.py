"""What was learnt, as files: alone while training, then beside a checkpoint's own."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from seektrack.checkpoints.fingerprints import DOMAIN_FILE
from seektrack.checkpoints.graphs import NOTE
from seektrack.encoders.calibration import CALIBRATION_FILE
from seektrack.encoders.colours import COLOURS
from seektrack.encoders.photo_network import Gate, PhotoNetwork, PhotoSizes
from seektrack.encoders.photographs import SETTINGS, WEIGHTS
from seektrack.training.clip.names import CATEGORY_NAMES, N_PLAIN
from seektrack.training.clip.words import SHADES
from seektrack.training.photos.names import Concepts
from seektrack.world.languages import FOREIGN, dative, translate

BACKGROUND_TEXTS = (
    "an empty street", "the sky", "grass", "nothing", "a picture with no object", "texture", "a wall",
    "the ground",
)  # fmt: skip
"""What the vectors of pictures without a name are called."""
_ARTICLES = frozenset({"einem", "einer"})
NETWORK = "network.safetensors"


def save_network(network: PhotoNetwork, out: Path) -> None:
    """Write a network in training, in fp32."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(_weights(network), out / NETWORK)


def load_network(out: Path, sizes: PhotoSizes, concepts: Concepts) -> PhotoNetwork:
    """Read it back."""
    network = PhotoNetwork(sizes, concepts=len(concepts.rows), backgrounds=len(BACKGROUND_TEXTS))
    network.load_state_dict(load_file(out / NETWORK), strict=False)
    return network.eval()


def save_checkpoint_folder(
    network: PhotoNetwork,
    gate: Gate,
    concepts: Concepts,
    *,
    base: Path,
    out: Path,
    scale: float,
    colour_share: float,
    reserve: float = 0.0,
) -> None:
    """Write a whole checkpoint: a pocket CLIP's files, and beside them what knows photographs, in fp16.

    Args:
        network, gate: What was learnt.
        concepts: What can be named.
        base: Folder of the CLIP of the drawn world.
        out: Where.
        scale: From cosines to logits, for photographs.
        colour_share: Part of an embedding's length that tells colours.
        reserve: Log odds by which pictures without a name are preferred.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in base.iterdir():
        if (
            path.is_file()
            and path.name not in (WEIGHTS, SETTINGS, DOMAIN_FILE, CALIBRATION_FILE, NOTE)
            and path.suffix != ".onnx"  # graphs of the base would answer without what was learnt
            and path.resolve() != (out / path.name).resolve()
        ):
            shutil.copyfile(path, out / path.name)
    tensors = _weights(network) | {f"gate.{name}": value for name, value in _weights(gate).items()}
    save_file({name: value.half() for name, value in tensors.items()}, out / WEIGHTS)
    content = {
        "sizes": dataclasses.asdict(network.tower.sizes),
        "scale": round(_widened(scale / math.sqrt(1 - colour_share), reserve), 4),
        "reserve": reserve,
        "mirrored": True,
        "colour_share": colour_share,
        "concepts": [row.name for row in concepts.rows],
        "backgrounds": list(BACKGROUND_TEXTS),
        "colours": colour_words(),
        "words": concepts.words(),
        "labels": named_labels(concepts),
        "kinds": {row.name: list(row.parents) for row in concepts.rows if row.parents},
    }
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (out / SETTINGS).write_text(text, encoding="utf-8")


def _widened(scale: float, reserve: float) -> float:
    """The scale that leaves the logits of names as they are beside a reserve.

    Of an embedding's squared length ``reserve / scale`` is the reserve's.
    """
    return (reserve + math.sqrt(reserve**2 + 4 * scale**2)) / 2


def named_labels(concepts: Concepts) -> list[str]:
    """``a bee`` for every concept that classes show, without those the drawn world names in colours."""
    drawn = set(CATEGORY_NAMES[:N_PLAIN])
    names = [row.name for row in concepts.rows if row.classes and row.name not in drawn]
    return [f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in names]


def colour_words() -> dict[str, str]:
    """The nine colours by word: English with its shades, and every form of the three other languages."""
    out = {colour: colour for colour in COLOURS}
    out |= {shade: colour for colour in COLOURS for shade in SHADES[colour]}
    for language in FOREIGN:
        for colour in COLOURS:
            for category in ("car", "dog", "bicycle"):
                plain = translate(category, None, language).lower().split()
                coloured = translate(category, colour, language).lower().split()
                for word in [
                    *coloured,
                    *(dative(category, colour).lower().split() if language == "de" else []),
                ]:
                    if word not in plain and word not in _ARTICLES:
                        out.setdefault(word, colour)
    return out


def _weights(module: nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().float().contiguous()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }
