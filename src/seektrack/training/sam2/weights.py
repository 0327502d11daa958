"""A SAM 2 as fine-tuning needs it: loaded, with the right weights free, written again."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Sam2VideoModel

from seektrack.checkpoints import quietly
from seektrack.errors import InputError, ModelError
from seektrack.files import new_files
from seektrack.segmentation import Sam2, load_sam2
from seektrack.segmentation.paired import SETS
from seektrack.training.datasets import MaskClip
from seektrack.training.sam2.sides import set_side

MODES = ("full", "frozen-image", "head", "lora")
LORA_LAYERS = (
    r"vision_encoder\..*\.attn\.(qkv|proj)|memory_attention\..*_proj|mask_decoder\.transformer\..*attn.*_proj"
)
"""Names of the layers that get an adapter: attention of the encoder, of the memory and of the decoder."""
_FREE = {
    "full": re.compile(r""),
    "frozen-image": re.compile(r"^(?!vision_encoder\.)"),
    "head": re.compile(r"^mask_decoder\."),
}
CLIPS_LOOKED_AT = 24
"""About so many clips say which set of weights is to learn them."""
SMALL = 20_000_000
"""A network with fewer parameters than this bears a much higher learning rate."""
RATES = {"full": (2e-4, 5e-6), "frozen-image": (3e-4, 1e-5), "head": (5e-4, 5e-5), "lora": (1e-3, 1e-4)}
"""Peak learning rates of a small and of a large network."""


class Weights:
    """A network in float32 with the weights of a mode free to move, and their running mean.

    Args:
        model: Whatever :func:`seektrack.segmentation.load_sam2` takes.
        mode: One of ``MODES``. ``full``: everything. ``frozen-image``: all but the image encoder. ``head``:
            the mask decoder. ``lora``: low-rank additions to attention, nothing else (Hu et al.,
            arXiv:2106.09685).
        rank, alpha: Of the adapters: their rank, and their weight ``alpha / rank``.
        decay: Of the running mean.
        seed: Of the adapters' start.
        resolution: Side of the input in pixels; the checkpoint's own when None.
        device: Where; the best there is by default.
        clips: What it is to learn, by which one of two sets of weights is taken.

    Raises:
        InputError: There is no such mode.
        ModelError: The model cannot be loaded, or peft is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        mode: str,
        *,
        rank: int = 8,
        alpha: int = 16,
        decay: float = 0.99,
        seed: int = 0,
        resolution: int | None = None,
        device: str | None = None,
        clips: Sequence[MaskClip] = (),
    ) -> None:
        if mode not in MODES:
            raise InputError(f"unknown recipe {mode!r}", hint=f"choose from {', '.join(MODES)}")
        self.sam2 = set_for(load_sam2(model, resolution=resolution, device=device), clips)
        self.network: Sam2VideoModel = self.sam2.model
        self.half = _is_half(model)
        self.small = sum(p.numel() for p in self.network.parameters()) < SMALL
        self._adapted: Any = None
        if mode == "lora":
            self._adapted = _adapt(self.network, rank, alpha, seed)
        else:
            for name, weight in self.network.named_parameters():
                weight.requires_grad_(bool(_FREE[mode].search(name)))
        self.decay, self.steps = decay, 0
        self.mean = self.state()

    def trainable(self) -> dict[str, nn.Parameter]:
        """The weights that move, by name."""
        return {name: weight for name, weight in self.network.named_parameters() if weight.requires_grad}

    def state(self) -> dict[str, Tensor]:
        """Copies of the weights that move."""
        return {name: weight.detach().clone() for name, weight in self.trainable().items()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        for name, weight in self.trainable().items():
            weight.copy_(state[name])

    @torch.no_grad()
    def moved(self) -> None:
        """A step was taken: let the running mean follow, faster at the start."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, weight in self.trainable().items():
            self.mean[name].lerp_(weight, 1 - decay)

    def fingerprint(self) -> str:
        """A short hash of all weights as they are now."""
        digest = hashlib.sha256()
        for name, value in self.network.state_dict().items():
            digest.update(name.encode() + str(tuple(value.shape)).encode())
            digest.update(value.detach().double().sum().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def train(self) -> None:
        """Dropout where weights move, none elsewhere."""
        for module in self.network.modules():
            module.training = any(weight.requires_grad for weight in module.parameters())

    def as_sam2(self) -> Sam2:
        """The network as the engine takes it: at its own resolution, without dropout."""
        set_side(self.network, self.sam2.resolution).eval()
        return self.sam2

    def save(self, out: Path) -> None:
        """Write an ordinary Hugging Face folder; adapters are merged, and also alone in ``adapter/``.

        Weights are half precision if they were, else single.
        """
        set_side(self.network, self.sam2.resolution)
        with quietly():
            if self._adapted is None:
                network = copy.deepcopy(self.network)
            else:
                self._adapted.save_pretrained(out / "adapter")
                network = copy.deepcopy(self._adapted).merge_and_unload()
            publish(network.to("cpu", torch.float16 if self.half else torch.float32), out)


def set_for(sam2: Sam2, clips: Sequence[MaskClip]) -> Sam2:
    """Of two sets of weights the one that knows most of some clips; that of the drawn world where all tie."""
    if len(sam2.sets) == 1:
        return sam2
    known = []
    for clip in clips[:: max(1, len(clips) // CLIPS_LOOKED_AT)]:
        with clip.open() as source:
            known.append(sam2.for_video(source).weights)
    return sam2.of(max(SETS, key=known.count))


def publish(network: Sam2VideoModel, folder: Path) -> None:
    """Write a network as a Hugging Face folder, each file complete or not there at all."""
    for config in (network.config.mask_decoder_config, network.config.prompt_encoder_config):
        config.dtype = None  # that of the whole counts
    vision = network.config.vision_config
    vision.dtype = vision.backbone_config.dtype = None
    with new_files(folder) as temporary, quietly():
        network.eval().save_pretrained(temporary)


def plain_attention(network: Sam2VideoModel) -> None:
    """Attention written out: the fused one's backward pass in bfloat16 costs more on a CPU than it saves."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of parts that have no attention of the kind
    try:
        network.set_attn_implementation("eager")
    finally:
        logging.set_verbosity(level)


def _is_half(model: str | Path) -> bool:
    """Whether a folder's weights are stored in half precision; the package's own are."""
    if str(model) in ("pocket", *(f"pocket:{name}" for name in SETS)):
        return True
    config = Path(model) / "config.json"
    if not config.is_file():
        return False
    fields = json.loads(config.read_text(encoding="utf-8"))
    return str(fields.get("dtype", fields.get("torch_dtype"))) == "float16"


def _adapt(network: Sam2VideoModel, rank: int, alpha: int, seed: int) -> Any:
    """Put adapters into attention, in place; returns peft's wrapper."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ModelError(
            "recipe 'lora' needs the package peft", hint="pip install 'seektrack[train]'"
        ) from error
    settings = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=LORA_LAYERS)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        torch.manual_seed(seed)
        return get_peft_model(network, settings)
