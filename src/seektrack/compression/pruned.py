"""Which layers of a SAM 2 and of a CLIP-family encoder can be pruned, and the smaller checkpoints written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from seektrack import checkpoints
from seektrack.checkpoints.fingerprints import folder_fingerprint
from seektrack.compression.pruning import Stack, smaller
from seektrack.errors import InputError, ModelError
from seektrack.files import check_folder, new_files

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2

Pictures = Sequence[NDArray[np.uint8]]
Part = Literal["text", "mask"]
_BESIDE = (
    "preprocessor_config.json",
    "processor_config.json",
    "vocabulary.json",
    "photographs.json",
    "photographs.safetensors",
)
"""Files of an encoder that do not depend on its towers' weights."""


@dataclass(frozen=True)
class Pruned:
    """What was taken out.

    Attributes:
        folder: Where the smaller checkpoint lies.
        parameters: Before and after.
        blocks: Names of the blocks that were dropped.
    """

    folder: Path
    parameters: tuple[int, int]
    blocks: tuple[str, ...]


def prune(
    model: str | Path, part: Part, *, to: str | Path, share: float = 0.3, blocks: int = 0, pictures: Pictures
) -> Pruned:
    """Write a smaller checkpoint of a SAM 2 or a CLIP-family encoder; a short training then repairs it.

    Args:
        model: A name, a folder or a hub id.
        part: Which network it names: ``mask``, a SAM 2, or ``text``, an encoder.
        to: Folder for the smaller checkpoint.
        share: Of the hidden channels of feed-forward layers that go, in [0, 0.9].
        blocks: Blocks of the image encoder that go, those that change least.
        pictures: RGB uint8 (H, W, 3), as they come in use; by them channels and blocks are judged.

    Raises:
        InputError: The share or the number of blocks is out of range, or there are no pictures.
        ModelError: The model is unknown, or built in a way that is not known here.
        OutputError: The folder cannot be written.
    """
    if not 0 <= share <= 0.9 or blocks < 0 or not len(pictures):
        raise InputError(
            f"cannot prune a share of {share:g} and {blocks} blocks by {len(pictures)} pictures",
            hint="a share of 0 to 0.9, 0 or more blocks, at least one picture",
        )
    check_folder(Path(to))
    made = _sam2 if part == "mask" else _clip
    return made(str(model), Path(to), share, blocks, pictures)


def _few(had: int, share: float) -> int:
    """Channels left of so many, in eights, none fewer than asked for."""
    return min(had, 8 * math.ceil(had * (1 - share) / 8 - 1e-9))


def _sam2(name: str, to: Path, share: float, blocks: int, pictures: Pictures) -> Pruned:
    from seektrack.segmentation import load_sam2, paired

    sam2 = load_sam2(name, device="cpu", runtime="torch")
    made = [_smaller_sam2(one, share, blocks, pictures) for one in sam2.sets]
    with new_files(to) as temporary, checkpoints.quietly():
        for (network, _), place in zip(made, ("", paired.SECOND), strict=False):
            network.to(_dtype(name, "mask")).save_pretrained(temporary / place)
        if sam2.gate is not None:
            sam2.gate.save(temporary / paired.GATE)
    counts = sum(_count(one.model) for one in sam2.sets), sum(_count(network) for network, _ in made)
    return Pruned(to, counts, tuple(block for _, gone in made for block in gone))


def _smaller_sam2(sam2: Sam2, share: float, blocks: int, pictures: Pictures) -> tuple[Any, tuple[str, ...]]:
    """One set of weights with fewer channels and blocks, and the names of the blocks that went."""
    model = sam2.model
    backbone = model.config.vision_config.backbone_config
    ratio = math.ceil(8 * float(backbone.mlp_ratio) * (1 - share) - 1e-9) / 8
    starts = np.cumsum([0, *backbone.blocks_per_stage[:-1]]).tolist()
    droppable = [i for i in range(sum(backbone.blocks_per_stage)) if i not in starts]

    def shorten(config: Any, left: Sequence[int]) -> None:
        held = config.vision_config.backbone_config
        stages = [int(np.searchsorted(starts, i, side="right")) - 1 for i in left]
        held.blocks_per_stage = [stages.count(s) for s in range(len(starts))]
        held.global_attention_blocks = [
            n for n, i in enumerate(left) if i in backbone.global_attention_blocks
        ]

    def few(had: int, dim: int) -> int:
        return _few(had, share)

    def set_to(owner: str, key: str) -> Callable[[Any], None]:
        def narrow(config: Any) -> None:
            held = getattr(config, owner) if owner else config
            setattr(held, key, _few(getattr(held, key), share))

        return narrow

    def set_ratio(config: Any) -> None:
        config.vision_config.backbone_config.mlp_ratio = ratio

    stacks = [
        Stack(
            "vision_encoder.backbone.blocks.", "mlp.proj_in", "mlp.proj_out",
            lambda had, dim: int(dim * ratio), set_ratio, droppable, shorten,
        ),
        Stack(
            "mask_decoder.transformer.layers.", "mlp.proj_in", "mlp.proj_out",
            few, set_to("mask_decoder_config", "mlp_dim"),
        ),
        Stack(
            "memory_attention.layers.", "linear1", "linear2",
            few, set_to("", "memory_attention_feed_forward_hidden_size"),
        ),
        Stack(
            "memory_encoder.memory_fuser.layers.", "pointwise_conv1", "pointwise_conv2",
            few, set_to("", "memory_fuser_intermediate_dim"),
        ),
    ]  # fmt: skip

    def use() -> None:
        for picture in pictures:
            _exercise(sam2, picture)

    return smaller(model, stacks, use, blocks)


def _exercise(sam2: Sam2, picture: NDArray[np.uint8]) -> None:
    """Point at nine places of a picture, remember what is there, and look for it once more."""
    from seektrack.segmentation import network

    model = sam2.model
    features = network.encode(model, sam2.preprocess(picture))
    places = (np.indices((3, 3)).reshape(2, 9).T[:, None] + 0.5) * sam2.resolution / 3
    points, labels = torch.from_numpy(places).float(), torch.ones((9, 1), dtype=torch.int32)
    start = network.without_memory(model, features)
    decoded = network.decode(model, features, start, points=points, labels=labels)
    chosen = network.choose(model, decoded, multimask=True)
    there = torch.ones((9, 1), dtype=torch.bool)
    memory = network.remember(model, features.top, network.memory_mask(model, chosen.logits), there)
    pointer = network.object_pointer(model, chosen.token, there)
    ago = torch.zeros(1, dtype=torch.long)
    seen = network.condition(
        model, features, memories=memory[:, None], offsets=ago, pointers=pointer[:, None], pointer_offsets=ago
    )
    network.decode(model, features, seen)


def _clip(name: str, to: Path, share: float, blocks: int, pictures: Pictures) -> Pruned:
    from seektrack.encoders import adapters, load_encoder
    from seektrack.encoders.clip import ClipEncoder
    from seektrack.encoders.photo_clip import PhotoClipEncoder

    encoder = load_encoder(name, device="cpu", dtype="float32", runtime="torch")
    if not isinstance(encoder, ClipEncoder):
        raise ModelError(f"{name!r} is no encoder of the CLIP family", hint="prune a CLIP or a SAM 2")
    model = encoder.network
    network: Any = model
    bottlenecks = [m for m in model.modules() if isinstance(m, adapters.Adapted)]

    def make(config: Any) -> nn.Module:
        made: nn.Module = type(model)(config)
        if bottlenecks:
            adapters.insert_adapters(made, bottlenecks[0].down.out_features)
        return made

    second = "mlp.fc2.layer" if bottlenecks else "mlp.fc2"

    def stack(tower: str, *, shorter: bool) -> Stack:
        key = f"{tower}_config"
        held = getattr(network.config, key)

        def few(had: int, dim: int) -> int:
            return _few(had, share)

        def narrow(config: Any) -> None:
            getattr(config, key).intermediate_size = _few(held.intermediate_size, share)

        def shorten(config: Any, left: Sequence[int]) -> None:
            getattr(config, key).num_hidden_layers = len(left)

        return Stack(
            f"{tower}_model.encoder.layers.", "mlp.fc1", second, few, narrow,
            range(1, held.num_hidden_layers) if shorter else (), shorten,
        )  # fmt: skip

    known = () if encoder.vocabulary is None else encoder.vocabulary.labels
    texts = list(known) or ["a photo of a person", "a red car on the street", "two dogs"]

    def use() -> None:
        for picture in pictures:
            network.get_image_features(**encoder.image_inputs([picture], encoder.settings))
        encoder.embed_texts(texts)

    stacks = [stack("vision", shorter=True), stack("text", shorter=False)]
    made, dropped = smaller(model, stacks, use, blocks, make)
    counts = _count(model), _count(made)
    with new_files(to) as temporary, checkpoints.quietly():
        made.to(_dtype(name, "text"))
        if bottlenecks:
            save_file(adapters.adapter_state(made), temporary / adapters.ADAPTERS_FILE, {"format": "pt"})
        adapters.without_adapters(made).save_pretrained(temporary)
        encoder.tokenizer.save_pretrained(temporary)
        for file in _BESIDE:
            if encoder.folder is not None and (encoder.folder / file).is_file():
                shutil.copyfile(encoder.folder / file, temporary / file)
        if isinstance(encoder, PhotoClipEncoder) and (taught := encoder.experts.photographs.taught):
            # Their vectors lie in a space that pruning leaves as it is.
            replace(taught, weights=folder_fingerprint(temporary)).save(temporary)
    return Pruned(to, counts, dropped)


def _dtype(name: str, part: Part) -> torch.dtype:
    """What a checkpoint's weights are kept in."""
    half = checkpoints.read_config(checkpoints.find(name, part).folder).get("dtype") == "float16"
    return torch.float16 if half else torch.float32


def _count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())
