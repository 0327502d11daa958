"""Sound and texts in one space: CLAP as an encoder that hears instead of sees.

Nothing in the library or the search knows of sound: a tower that embeds stretches of sound and texts is
registered like any other encoder, and moments come out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack import checkpoints
from seektrack.encoders.base import Encoder, Vocabulary, l2_normalise
from seektrack.encoders.registry import register_encoder
from seektrack.encoders.tokens import tokens_of
from seektrack.errors import InputError, ModelError

_THINGS = """
speech|a man speaking|a woman speaking|children playing|laughter|applause|a crowd|footsteps|music|singing|
a guitar|a piano|drums|a dog barking|a cat meowing|birds singing|a rooster|a horse|an engine|
a car passing by|a car horn|a train|an airplane|a helicopter|a siren|a bell|an alarm clock|a telephone|
typing|a door|glass breaking|rain|wind|thunder|waves|running water|fire|an explosion|gunshots|
a chainsaw|a vacuum cleaner
"""
SOUNDS = tuple(f"the sound of {name.strip()}" for name in _THINGS.replace("\n", "").split("|"))
SILENCE = ("silence", "background noise", "hum", "static")


@runtime_checkable
class SoundEncoder(Encoder, Protocol):
    """An encoder that hears; `embed_images` of one raises InputError.

    Attributes:
        sample_rate: Samples a second it takes.
    """

    @property
    def sample_rate(self) -> int: ...  # noqa: D102

    def embed_sounds(
        self, sounds: Sequence[NDArray[np.float32]], *, batch_size: int = 8
    ) -> NDArray[np.float32]:
        """Embed mono sounds, float32 (S,) each, as float32 (N, D) rows of unit length."""
        ...


class ClapEncoder:
    """CLAP through transformers, see `SoundEncoder`.

    Args:
        name: What the user asked for.
        model: ``ClapModel``.
        extractor: ``ClapFeatureExtractor``.
        tokenizer: Its tokenizer.
        fingerprint: Hash of everything that changes the embeddings.
        device: Where the model runs.
    """

    vocabulary = Vocabulary(labels=SOUNDS, background=SILENCE, templates=("{}", "the sound of {}"))

    def __init__(
        self, *, name: str, model: Any, extractor: Any, tokenizer: Any, fingerprint: str, device: torch.device
    ) -> None:
        self.name, self.fingerprint, self.device = name, fingerprint, device
        self._model: Any = model.to(device).eval()
        self._extractor, self._tokenizer = extractor, tokenizer
        self.sample_rate = int(extractor.sampling_rate)
        self.dim = int(model.config.projection_dim)
        self.logit_scale = min(math.exp(float(model.logit_scale_a.detach().cpu())), 100.0)
        self.image_size = 0

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        """Raise InputError: it hears, it does not see."""
        raise InputError(
            f"the model {self.name!r} hears and does not see", hint="search pictures with a CLIP model"
        )

    def embed_sounds(
        self, sounds: Sequence[NDArray[np.float32]], *, batch_size: int = 8
    ) -> NDArray[np.float32]:
        """Embed mono sounds at `sample_rate`, float32 (S,) each, as float32 (N, D) rows of unit length."""
        rows = []
        for start in range(0, len(sounds), batch_size):
            batch = [np.asarray(s, dtype=np.float32) for s in sounds[start : start + batch_size]]
            inputs = self._extractor(batch, sampling_rate=self.sample_rate, return_tensors="pt")
            inputs = {k: torch.as_tensor(v).to(self.device) for k, v in inputs.items()}
            rows.append(self._rows(self._model.get_audio_features, inputs))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        rows = []
        # RoBERTa's positions start behind the padding index, so its last two rows are never reached.
        longest = int(self._model.config.text_config.max_position_embeddings) - 2
        for start in range(0, len(texts), batch_size):
            inputs = tokens_of(
                self._tokenizer,
                list(texts[start : start + batch_size]),
                padding=True,
                truncation=True,
                max_length=min(longest, 77),
                return_tensors="pt",
            )
            kept = {k: inputs[k].to(self.device) for k in ("input_ids", "attention_mask")}
            rows.append(self._rows(self._model.get_text_features, kept))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def _rows(self, embed: Any, inputs: dict[str, Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out = embed(**inputs)
        features = out if isinstance(out, torch.Tensor) else out.pooler_output
        rows = features.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise ModelError(f"model {self.name!r} gives values that are not numbers", hint="is it damaged?")
        return l2_normalise(rows)


def register_clap(name: str, source: str | Path) -> None:
    """Make a CLAP available to `load_encoder` and every ``--model`` option by name.

    Args:
        name: Of your choice.
        source: A checkpoint folder or a hub id, such as ``laion/clap-htsat-unfused``.

    Raises:
        InputError: The name is taken by a built-in model.
    """

    def make(*, device: str | None, dtype: str | None) -> Encoder:
        return load_clap(source, name=name, device=device)

    register_encoder(name)(make)


def load_clap(source: str | Path, *, name: str, device: str | None = None) -> ClapEncoder:
    """Load a CLAP from a checkpoint folder or by hub id.

    Raises:
        ModelError: It is incomplete, or not on this machine and not to be had.
    """
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    where = checkpoints.pick_device(device)
    folder = checkpoints.obtain(checkpoints.find(source, "sound"))
    return ClapEncoder(
        name=name,
        model=checkpoints.load_network(ClapModel, folder, name),
        extractor=checkpoints.load_other(ClapFeatureExtractor, folder, name),
        tokenizer=checkpoints.load_tokenizer(AutoTokenizer, folder, name),
        fingerprint=checkpoints.folder_fingerprint(folder),
        device=where,
    )
