"""A CLIP-family network as fine-tuning needs it: loaded, with the right weights free, written again."""

from __future__ import annotations

import copy
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from seektrack.checkpoints import find, quietly
from seektrack.encoders.adapters import (
    ADAPTERS_FILE,
    Adapted,
    adapter_state,
    insert_adapters,
    without_adapters,
)
from seektrack.encoders.clip import ClipEncoder
from seektrack.encoders.loading import load_encoder
from seektrack.errors import ModelError
from seektrack.files import new_files
from seektrack.training.finetune.recipe import FinetuneRecipe

_IMAGE = re.compile(r"^(vision_model|visual_projection)\.")
_TEXT = re.compile(r"^(text_model|text_projection)\.")
_HEAD = re.compile(r"^(visual_projection|text_projection|vision_model\.head|text_model\.head)\.")
_SCALE = re.compile(r"^logit_(scale|bias)$")
_FREE = {"full": (_IMAGE, _TEXT, _SCALE), "frozen-image": (_TEXT, _SCALE), "frozen-text": (_IMAGE, _SCALE),
         "head": (_HEAD, _SCALE)}  # fmt: skip
_BESIDE = ("preprocessor_config.json", "processor_config.json", "vocabulary.json")
MAX_SCALE = 100.0
Groups = list[tuple[list[int], dict[str, Any]]]
"""Of :meth:`seektrack.encoders.clip.ClipEncoder.image_groups`."""


class Towers:
    """Both towers in float32, with the weights of the recipe's mode free to move.

    Args:
        model: Whatever :func:`seektrack.encoders.load_encoder` takes, of the CLIP family.
        recipe: The mode and its adapters.
        device: Where; the best there is by default.

    Raises:
        ModelError: The model cannot be loaded, is not of the family, or has nothing that would move.
    """

    def __init__(self, model: str | Path, recipe: FinetuneRecipe, *, device: str | None = None) -> None:
        encoder = load_encoder(model, device=device, dtype="float32")
        if not isinstance(encoder, ClipEncoder) or encoder.folder is None:
            raise ModelError(
                f"{model!r} is a {type(encoder).__name__}, not a CLIP-family folder",
                hint="pass pocket, base, large, multilingual, a folder or a hub id",
            )
        self.encoder, self.network = encoder, encoder.network
        self.half = str(getattr(self.network.config, "dtype", "")).endswith("float16")
        self.half = self.half and not str(self.network.config.dtype).endswith("bfloat16")
        self._adapted: Any = None
        self.layers_apart = any(isinstance(m, Adapted) for m in self.network.modules())
        if recipe.mode == "lora":
            self._adapted = _adapt(self.network, recipe, _base_name(str(model), encoder.folder))
        elif recipe.mode == "adapter":
            self.network.requires_grad_(False)
            if self.layers_apart:  # those that the folder has learn on
                for module in self.network.modules():
                    if isinstance(module, Adapted):
                        module.down.requires_grad_(True)
                        module.up.requires_grad_(True)
            else:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(recipe.seed)
                    insert_adapters(self.network, recipe.rank)
            self.layers_apart = True
        else:
            for name, weight in self.network.named_parameters():
                weight.requires_grad_(any(p.search(name) for p in _FREE[recipe.mode]))
        if not self.trainable():
            raise ModelError(f"{model!r} has no weights that recipe {recipe.mode!r} would move")
        if recipe.precision == "bf16" and encoder.device.type == "cpu":
            # The fused attention's backward pass in bfloat16 costs more there than all else together.
            self.network.set_attn_implementation("eager")

    def trainable(self) -> dict[str, nn.Parameter]:
        """The weights that move, by name."""
        return {name: weight for name, weight in self.network.named_parameters() if weight.requires_grad}

    def state(self) -> dict[str, Tensor]:
        """Copies of the weights that move, on the CPU."""
        return {name: weight.detach().cpu().clone() for name, weight in self.trainable().items()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        for name, weight in self.trainable().items():
            weight.copy_(state[name])

    def train(self) -> None:
        """Dropout where weights move, none in a frozen tower."""
        for module in self.network.modules():
            module.training = any(weight.requires_grad for weight in module.parameters())

    def eval(self) -> None:
        """No dropout anywhere."""
        self.network.eval()

    def forward_module(self) -> nn.Module:
        """Both towers as one module: from inputs to unit rows of images, of texts, and the scale."""
        return _Both(self)

    def embed_images(self, images: list[Any]) -> Tensor:
        """Unit embeddings (B, D) of RGB uint8 pictures, with a graph where weights move."""
        return _image_rows(self.network, list(self.encoder.image_groups(images)))

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Unit embeddings (B, D) of texts, likewise."""
        return _unit(self.network.get_text_features(**self.encoder.text_inputs(texts)))

    def scale(self) -> Tensor:
        """What turns cosines into logits."""
        scale: Tensor = self.network.logit_scale.exp().clamp(max=MAX_SCALE)
        return scale.reshape(())

    def save(self, out: Path) -> None:
        """Write a folder like the one loaded; adapters merged, and also alone in ``adapter/``.

        Weights are half precision if they were, else single: bfloat16 would swallow small changes.
        """
        with new_files(out) as temporary:
            if self._adapted is None:
                network = copy.deepcopy(self.network)
            else:
                self._adapted.save_pretrained(temporary / "adapter", save_embedding_layers=False)
                network = copy.deepcopy(self._adapted).merge_and_unload()
            network = network.eval().to("cpu", torch.float16 if self.half else torch.float32)
            if self.layers_apart:
                save_file(adapter_state(network), temporary / ADAPTERS_FILE, metadata={"format": "pt"})
                network = without_adapters(network)
            with quietly():
                network.save_pretrained(temporary)
            self.encoder.tokenizer.save_pretrained(temporary)
            for name in _BESIDE:
                source = (self.encoder.folder or out) / name
                if source.is_file() and source.resolve() != (out / name).resolve():
                    shutil.copyfile(source, temporary / name)


class _Both(nn.Module):
    """One forward pass through everything that moves, as spreading over processes wants it."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.network = towers.network
        self._scale = towers.scale

    def forward(self, images: Groups, texts: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        rows = _image_rows(self.network, images)
        return rows, _unit(self.network.get_text_features(**texts)), self._scale()


def _base_name(model: str, folder: Path) -> str:
    """Where peft finds the untouched model: its folder, or its id on the hub."""
    return find(model, "text").hub_id or str(folder)


def _image_rows(network: Any, groups: Groups) -> Tensor:
    """Unit embeddings (B, D) of pictures grouped by the side they are looked at, in their order."""
    rows = torch.cat([_unit(network.get_image_features(**inputs)) for _, inputs in groups])
    return rows[torch.tensor([i for which, _ in groups for i in which]).argsort()]


def _unit(features: Any) -> Tensor:
    rows = features if isinstance(features, Tensor) else features.pooler_output
    return F.normalize(rows.float(), dim=-1)


def _adapt(network: Any, recipe: FinetuneRecipe, source: str) -> Any:
    """Put adapters into the layers the recipe names, in place; returns peft's wrapper."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ModelError(
            "recipe 'lora' needs the package peft", hint="pip install 'seektrack[train]'"
        ) from error
    # nn.MultiheadAttention reads the weight of its out_proj and never calls it: an adapter there is mute.
    mute = {f"{n}.out_proj" for n, m in network.named_modules() if isinstance(m, nn.MultiheadAttention)}
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in recipe.targets and name not in mute
    ]
    if not layers:
        raise ModelError(
            f"{source!r} has no layers named {', '.join(recipe.targets)}",
            hint="give targets: the last parts of the names of its linear layers",
        )
    settings = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=layers
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        torch.manual_seed(recipe.seed)
        adapted = get_peft_model(network, settings)
    adapted.peft_config["default"].base_model_name_or_path = source
    return adapted
