"""Clips and texts in one space: what moves where, who comes and goes, and in which order."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from seektrack import checkpoints
from seektrack.encoders.base import TEMPORAL
from seektrack.encoders.temporal_clips import Floats, TemporalClips
from seektrack.encoders.temporal_network import TemporalModel
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.encoders.tokens import tokens_of
from seektrack.errors import ModelError
from seektrack.files import new_files

MAX_LOGIT_SCALE = 100.0


class TemporalEncoder(TemporalClips):
    """The temporal encoder computed by torch.

    Args:
        model: The networks.
        tokenizer: Of the text tower.
        name: What the user asked for.
        fingerprint: Hash of everything that changes the embeddings.
        device: Where the model runs.
        dtype: Precision it runs in; embeddings come out as float32 all the same.
        folder: Where its files lie.
    """

    def __init__(
        self,
        model: TemporalModel,
        tokenizer: Any,
        *,
        name: str,
        fingerprint: str,
        device: torch.device,
        dtype: torch.dtype,
        folder: Path | None = None,
    ) -> None:
        scale = min(math.exp(float(model.logit_scale.detach().float().cpu())), MAX_LOGIT_SCALE)
        super().__init__(model.sizes, name=name, fingerprint=fingerprint, logit_scale=scale, folder=folder)
        self.device, self.dtype = device, dtype
        self._model = model.to(device=device, dtype=dtype).eval()
        self._tokenizer = tokenizer

    @property
    def network(self) -> TemporalModel:
        """The networks, to be trained or exported."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """Of the text tower."""
        return self._tokenizer

    def text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """What ``network.embed_tokens`` takes, on the model's device; a text too long is cut."""
        longest = int(self._model.text.config.max_position_embeddings)
        tokens = tokens_of(
            self._tokenizer,
            list(texts),
            padding=True,
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        )
        return {k: tokens[k].to(self.device) for k in ("input_ids", "attention_mask")}

    @torch.inference_mode()
    def _frames(self, pixels: Floats) -> Floats:
        return self._array(self._model.frames(self._tensor(pixels)))

    @torch.inference_mode()
    def _time(self, features: Floats) -> Floats:
        return self._array(self._model.time(self._tensor(features)))

    @torch.inference_mode()
    def _texts(self, texts: Sequence[str]) -> Floats:
        return self._array(self._model.embed_tokens(self.text_inputs(texts)))

    def _tensor(self, values: Floats) -> torch.Tensor:
        return torch.from_numpy(values).to(self.device, self.dtype)

    def _array(self, found: torch.Tensor) -> Floats:
        held: Floats = found.float().cpu().numpy()
        return held

    def __repr__(self) -> str:
        return (
            f"TemporalEncoder({self.name!r}, n_frames={self.n_frames}, dim={self.dim}, device={self.device})"
        )


def load_temporal(
    folder: Path, *, name: str, device: str | None = None, dtype: str | None = None
) -> TemporalEncoder:
    """Load what :func:`save_temporal` wrote.

    Args:
        folder: With config.json, model.safetensors and a tokenizer.
        name: What to call it.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``…; chosen automatically by default.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; by default float16 on CUDA, else float32.

    Raises:
        ModelError: Files are missing or do not fit together.
    """
    from transformers import CLIPTextConfig, CLIPTokenizer

    where = checkpoints.pick_device(device)
    precision = checkpoints.pick_dtype(dtype, where)
    tokenizer = checkpoints.load_tokenizer(CLIPTokenizer, folder, name)
    weights = checkpoints.load_weights(folder, name)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        sizes = TemporalSizes.from_dict(config)
        model = TemporalModel(sizes, CLIPTextConfig(**config["text_config"]))
        model.load_state_dict(weights)
    except ModelError:
        raise
    except Exception as error:  # safetensors, torch and transformers raise types of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{folder} cannot be loaded as a temporal encoder: {reason}",
            hint="write the folder again with seektrack pocket temporal",
        ) from error
    return TemporalEncoder(
        model,
        tokenizer,
        name=name,
        fingerprint=checkpoints.folder_fingerprint(folder),
        device=where,
        dtype=precision,
        folder=folder,
    )


def save_temporal(model: TemporalModel, tokenizer: Any, folder: Path) -> None:
    """Write a folder that :func:`load_temporal` reads: config.json, fp16 safetensors, tokenizer."""
    from safetensors.torch import save_file

    text = model.text.config.to_diff_dict()
    config = {"model_type": TEMPORAL, **model.sizes.to_dict(), "text_config": text}
    weights = {
        k: v.detach().half().contiguous() for k, v in model.state_dict().items() if v.is_floating_point()
    }
    with new_files(folder) as temporary:
        (temporary / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        save_file(weights, temporary / "model.safetensors", metadata={"format": "pt"})
        tokenizer.save_pretrained(temporary)
