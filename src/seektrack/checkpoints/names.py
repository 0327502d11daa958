"""Names of models: the one table of what is built in, how large it is and what it knows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

Part = Literal["text", "mask", "sound", "translation", "boxes", "depth"]
"""What a network is for: to find by words, to segment and follow, to hear, to translate, to detect."""
TRAJECTORY = "seektrack_trajectory"
"""What the folder of a predictor of hidden objects' places says it is (``model_type``)."""


@dataclass(frozen=True)
class Packaged:
    """A network inside the package.

    Attributes:
        name: What ``--model`` takes.
        part: What it is for.
        directory: Its folder below ``pretrained/``.
        knows: What it was trained to understand.
    """

    name: str
    part: Part
    directory: str
    knows: str

    @property
    def folder(self) -> Path:
        """Where it lies in this installation."""
        return packaged_folder(self.directory)


@dataclass(frozen=True)
class Published:
    """A network on the hub that has a short name.

    Attributes:
        name: What ``--model`` takes.
        part: What it is for.
        hub_id: ``owner/name`` on the hub.
        mib: About how much is fetched, in MiB.
        knows: What it was trained to understand.
    """

    name: str
    part: Part
    hub_id: str
    mib: int
    knows: str


@dataclass(frozen=True)
class Preset:
    """What one name stands for where two networks work together.

    Attributes:
        clip, sam2: Names of the encoder and of the segmenter.
        resolution: Side of the square the segmenter sees, in pixels; the checkpoint's own when None.
        propagation: How masks get from frame to frame, unless one says otherwise.
    """

    clip: str
    sam2: str
    resolution: int | None = None
    propagation: str = "memory"


PACKAGED = (
    Packaged(
        "pocket",
        "text",
        "clip",
        "the procedural world: 12 categories × 9 colours; ordinary footage only by luck",
    ),
    Packaged(
        "temporal",
        "text",
        "temporal",
        "the same world in clips: what moves, comes and goes, in which order; not for search",
    ),
    Packaged(
        "pocket",
        "mask",
        "sam2",
        "the procedural world, and outlines of ordinary things: two sets of weights, the better one a video",
    ),
    Packaged("pocket:drawn", "mask", "sam2", "of the two sets the one of the procedural world alone"),
    Packaged(
        "pocket:photographs", "mask", "sam2/photographs", "of the two sets the one of ordinary footage alone"
    ),
)

PUBLISHED = (
    Published("light", "text", "openai/clip-vit-base-patch32", 580, "ordinary footage, for laptops"),
    Published("base", "text", "openai/clip-vit-base-patch16", 574, "ordinary footage, a good balance"),
    Published(
        "large",
        "text",
        "openai/clip-vit-large-patch14-336",
        1637,
        "ordinary footage, the best published; wants a GPU",
    ),
    Published(
        "multilingual",
        "text",
        "facebook/metaclip-2-worldwide-s16",
        1500,
        "ordinary footage, text in many languages",
    ),
    Published(
        "tiny",
        "mask",
        "facebook/sam2.1-hiera-tiny",
        149,
        "ordinary footage, the smallest published segmenter",
    ),
    Published("small", "mask", "facebook/sam2.1-hiera-small", 176, "ordinary footage, a little better"),
    Published("base", "mask", "facebook/sam2.1-hiera-base-plus", 308, "ordinary footage, a good balance"),
    Published(
        "large",
        "mask",
        "facebook/sam2.1-hiera-large",
        857,
        "ordinary footage, the best published; wants a GPU",
    ),
)
"""Sizes are those of the weights, from the published numbers of parameters, and of the tokenizer."""

PRESETS = {
    "pocket": Preset("pocket", "pocket"),
    "light": Preset("light", "tiny", resolution=512, propagation="hybrid"),
    "tiny": Preset("base", "tiny"),
    "small": Preset("base", "small"),
    "base": Preset("base", "base"),
    "large": Preset("large", "large"),
    "multilingual": Preset("multilingual", "base"),
}
"""Names that stand for an encoder and a segmenter."""


def packaged_folder(directory: str) -> Path:
    """A folder below ``pretrained/`` of this installation, such as ``clip`` or ``trajectory/lstm``."""
    return Path(str(resources.files("seektrack") / "pretrained" / directory))


def packaged(name: str, part: Part) -> Packaged | None:
    """The packaged network of this name and part."""
    return next((p for p in PACKAGED if (p.name, p.part) == (name, part)), None)


def published(name: str, part: Part) -> Published | None:
    """The published network of this short name, or of this hub id, and part."""
    return next((p for p in PUBLISHED if p.part == part and name in (p.name, p.hub_id)), None)


def names_of(part: Part) -> list[str]:
    """Built-in names of networks of one part, those in the package first; `temporal` is for motion."""
    return [entry.name for entry in (*PACKAGED, *PUBLISHED) if entry.part == part]


def choices(name: str, part: Part, *, more: tuple[str, ...] = ()) -> str:
    """The way out of a name that is none: what is near it, what there is, and what else one can pass."""
    known = [n for n in (*names_of(part), *more) if n not in (name, "temporal")]
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    if part in ("sound", "translation", "boxes", "depth"):
        return f"{meant}pass a checkpoint folder such as ./my-model, or a hub id"
    return (
        f"{meant}built-in names: {', '.join(known)}; or pass a checkpoint folder such as ./my-model, "
        "or a hub id"
    )
