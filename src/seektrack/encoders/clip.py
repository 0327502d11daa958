"""The CLIP family as encoders: one class over the transformers models.

CLIP, SigLIP, SigLIP 2, MetaCLIP 2, Chinese-CLIP and AltCLIP share two methods, ``get_image_features`` and
``get_text_features``; what differs (text padding, patches of variable number) is handled here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.encoders.base import Vocabulary, check_batch_size, l2_normalise
from seektrack.encoders.calibration import Calibration
from seektrack.encoders.domain import Domain
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.tokens import tokens_of
from seektrack.errors import ModelError, SeekTrackError

SIGLIP_TEXT_LENGTH = 64
MAX_LOGIT_SCALE = 100.0
_MANY_LANGUAGES = 100_000
"""Word pieces above which a text tower was taught many languages: CLIP and SigLIP have at most 50,000."""
LAYERS = (0.4, 0.8)
"""Layers that tell what a picture is like, as parts of the depth."""


class ClipEncoder:
    """A CLIP-family model as an `Encoder`.

    Args:
        name: What the user asked for.
        model: A transformers model with ``get_image_features`` and ``get_text_features``.
        tokenizer: Its tokenizer.
        settings: Image preprocessing.
        fingerprint: Hash of everything that changes the embeddings.
        vocabulary: What a small-world model knows, or None.
        device: Where the model runs.
        dtype: Precision it runs in; embeddings come out as float32 all the same.
        folder: Where its files lie, for those who write another like it.
        domain: What its training pictures were like, or None where nobody measured it.
        calibration: What its scores mean, or None where nobody measured it.
    """

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        tokenizer: Any,
        settings: ImageSettings,
        fingerprint: str,
        vocabulary: Vocabulary | None = None,
        device: torch.device,
        dtype: torch.dtype,
        folder: Path | None = None,
        domain: Domain | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.name = name
        self.domain = domain
        self.calibration = calibration
        self.folder = folder
        self.fingerprint = fingerprint
        self.vocabulary = vocabulary
        self.settings = settings
        self.device = device
        self.dtype = dtype
        self._model: Any = model.to(device=device, dtype=dtype).eval()
        self._tokenizer = tokenizer
        self._family: str = self._model.config.model_type
        self._patches = _naflex_processor(self._model.config, settings) if self._family == "siglip2" else None
        self.logit_scale = min(
            math.exp(float(self._model.logit_scale.detach().float().cpu())), MAX_LOGIT_SCALE
        )
        self.image_size = settings.size
        self.fine_size = int(getattr(self._model.config.vision_config, "fine_size", 0) or 0)
        self._fine = settings.at(self.fine_size) if self.fine_size > settings.size else None
        self.dim = int(self.embed_texts(["a"]).shape[1])

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Codes of the languages its texts may be in; None when it was taught many."""
        if self.vocabulary is not None:
            return self.vocabulary.languages
        if self._family == "chinese_clip":
            return ("zh", "en")
        text = getattr(self._model.config, "text_config", self._model.config)
        return None if int(getattr(text, "vocab_size", 0) or 0) > _MANY_LANGUAGES else ("en",)

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length.

        A model that was trained at a second, finer side (``vision_config.fine_size``) looks there at pictures
        whose shorter side has that many pixels: whole frames, but not crops made for its first side.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        check_batch_size(batch_size)
        out = np.zeros((len(images), self.dim), dtype=np.float32)
        for which, inputs in self.image_groups(images, batch_size=batch_size):
            with self._at_work():
                out[which] = self._unit_rows(self._model.get_image_features(**inputs))
        return out

    def embed_with_layers(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`embed_images`, and what the layers before the last made of each picture, in one pass.

        Returns:
            Embeddings (N, D), and (N, F): of `LAYERS`, the mean and the spread over the patches.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        check_batch_size(batch_size)
        order: list[int] = []
        vectors, layers = [np.zeros((0, self.dim), np.float32)], [np.zeros((0, 0), np.float32)]
        for which, inputs in self.image_groups(images, batch_size=batch_size):
            with self._at_work():
                out = self._model.get_image_features(**inputs, output_hidden_states=True)
                hidden = out.hidden_states
                chosen = [hidden[round(depth * (len(hidden) - 1))][:, 1:].float() for depth in LAYERS]
                parts = [part for h in chosen for part in (h.mean(dim=1), h.std(dim=1, unbiased=False))]
                layers.append(torch.cat(parts, dim=1).cpu().numpy())
            shown = [images[i] for i in which]
            vectors.append(self._vectors(shown, inputs, self._unit_rows(out)))
            order += which
        if not order:
            return vectors[0], layers[0]
        back = np.argsort(order)
        return np.concatenate(vectors[1:])[back], np.concatenate(layers[1:])[back]

    def _vectors(
        self, images: list[NDArray[np.uint8]], inputs: dict[str, Any], rows: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Embeddings of pictures whose unit rows the network gave."""
        return rows

    def image_groups(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int | None = None
    ) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Pictures by the side they are looked at: their numbers, and what ``get_image_features`` takes.

        Args:
            images: RGB uint8 (H, W, 3), of any sizes.
            batch_size: Most pictures of a group.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        sides = [min(np.shape(image)[:2], default=0) for image in images]
        for fine in (False, True):
            which = [
                i for i, s in enumerate(sides) if (self._fine is not None and s >= self.fine_size) == fine
            ]
            step = batch_size or max(1, len(which))
            for some in (which[i : i + step] for i in range(0, len(which), step)):
                inputs = self.image_inputs([images[i] for i in some], self._fine if fine else None)
                yield some, {**inputs, "interpolate_pos_encoding": True} if fine else dict(inputs)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        check_batch_size(batch_size)
        rows = [self._text_batch(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    @property
    def network(self) -> Any:
        """The transformers model, to be trained or exported."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self._tokenizer

    def image_inputs(
        self, images: Sequence[NDArray[np.uint8]], settings: ImageSettings | None = None
    ) -> dict[str, torch.Tensor]:
        """What ``network.get_image_features`` takes for RGB uint8 (H, W, 3) images, on the model's device.

        Args:
            images: Pictures of any sizes.
            settings: Preprocessing; the model's own when None.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        if self._patches is not None:
            inputs = dict(self._patches(images=list(images), return_tensors="pt"))
        else:
            stacked = np.stack([clip_transform(image, settings or self.settings) for image in images])
            inputs = {"pixel_values": torch.from_numpy(stacked)}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.dtype)
        return {k: v.to(self.device) for k, v in inputs.items()}

    def text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """What ``network.get_text_features`` takes, on the model's device; a text too long is cut."""
        siglip = self._family.startswith("siglip")
        inputs = tokens_of(
            self._tokenizer,
            list(texts),
            padding="max_length" if siglip else True,
            truncation=True,
            max_length=self._text_length(),
            return_tensors="pt",
        )
        known, largest = int(self._model.config.text_config.vocab_size), int(inputs["input_ids"].max())
        if largest >= known:
            raise ModelError(
                f"the tokenizer of {self.name!r} gives word {largest}, its network knows {known}",
                hint="the files of the model do not belong together; fetch it anew",
            )
        keys = ("input_ids",) if siglip else ("input_ids", "attention_mask")
        return {k: inputs[k].to(self.device) for k in keys}

    def _text_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._at_work():
            return self._unit_rows(self._model.get_text_features(**self.text_inputs(texts)))

    def _text_length(self) -> int:
        positions = int(self._model.config.text_config.max_position_embeddings)
        if self._family.startswith("siglip"):
            return min(positions, SIGLIP_TEXT_LENGTH)
        # RoBERTa's positions start behind the padding index, so its last two rows are never reached.
        reader = str(getattr(self._model.config.text_config, "model_type", ""))
        positions -= 2 if self._family == "altclip" or "roberta" in reader or reader == "camembert" else 0
        return min(positions, int(self._tokenizer.model_max_length))

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Run the network; what does not fit together in it is the model's fault.

        Raises:
            ModelError: Its parts do not fit its pictures, its texts or each other.
        """
        with torch.inference_mode():
            try:
                yield
            except (SeekTrackError, MemoryError):
                raise
            except Exception as error:  # tokenizers and networks raise whatever their settings lead to
                said = str(error) or type(error).__name__
                if isinstance(error, RuntimeError) and not re.search("shape|size|dimension", said):
                    raise  # such as too little memory
                raise ModelError(
                    f"the files of the model {self.name!r} do not fit together: {said.splitlines()[0][:200]}",
                    hint="fetch it anew",
                ) from error

    def _unit_rows(self, out: Any) -> NDArray[np.float32]:
        features = out if isinstance(out, torch.Tensor) else out.pooler_output
        rows = features.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise ModelError(
                f"model {self.name!r} gives values that are not numbers in {self.dtype} on {self.device}",
                hint="load it with dtype='float32'",
            )
        return l2_normalise(rows)

    def __repr__(self) -> str:
        return f"ClipEncoder({self.name!r}, {self._family}, dim={self.dim}, device={self.device})"


def _naflex_processor(config: Any, settings: ImageSettings) -> Any:
    """SigLIP 2 NaFlex keeps the aspect ratio and takes a variable number of patches."""
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    patch = int(config.vision_config.patch_size)
    return Siglip2ImageProcessorPil(patch_size=patch, max_num_patches=(settings.size // patch) ** 2)
