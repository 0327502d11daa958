"""Clips and texts in one space: what moves where, who comes and goes, and in which order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack import checkpoints
from seektrack.encoders.base import TEMPORAL, l2_normalise
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.shots import CutFinder, Shot
from seektrack.encoders.temporal_network import TemporalModel, TemporalSizes
from seektrack.encoders.tokens import tokens_of
from seektrack.errors import InputError, ModelError
from seektrack.files import new_files

if TYPE_CHECKING:
    from seektrack.types import Frame

Image = NDArray[np.uint8]
MAX_LOGIT_SCALE = 100.0


@dataclass(frozen=True, eq=False)
class ClipWindow:
    """One stretch of a video and its embedding.

    Attributes:
        start_s, end_s: Time of its first and last frame, seconds.
        vector: float32 (D,), unit length.
    """

    start_s: float
    end_s: float
    vector: NDArray[np.float32]


class TemporalEncoder:
    """Embeds clips and texts in one space, as an `Encoder` does pictures; a picture counts as a still clip.

    Args:
        model: The networks.
        tokenizer: Of the text tower.
        name: What the user asked for.
        fingerprint: Hash of everything that changes the embeddings.
        device: Where the model runs.
        dtype: Precision it runs in; embeddings come out as float32 all the same.
        folder: Where its files lie.

    Attributes:
        sizes: Of the network.
        n_frames: T, frames it looks at in a clip, however many the clip has.
        dim: D, length of an embedding.
        image_size: Side in pixels of the square a frame is brought to.
        logit_scale: Factor that turns cosines into the logits the model was trained with.
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
        self.name, self.fingerprint, self.folder = name, fingerprint, folder
        self.device, self.dtype = device, dtype
        self.sizes = model.sizes
        self._model = model.to(device=device, dtype=dtype).eval()
        self._tokenizer = tokenizer
        self.settings = ImageSettings.for_size(model.sizes.image_size)
        self.n_frames, self.dim = model.sizes.frames, model.sizes.dim
        self.image_size = model.sizes.image_size
        scale = math.exp(float(model.logit_scale.detach().float().cpu()))
        self.logit_scale = min(scale, MAX_LOGIT_SCALE)

    def embed_clips(
        self, clips: Sequence[Sequence[Image] | Image], *, batch_size: int = 8
    ) -> NDArray[np.float32]:
        """Embed clips as float32 (N, D) rows of unit length.

        Args:
            clips: Each a sequence of RGB uint8 (H, W, 3) frames in order of time, or uint8 (T, H, W, 3);
                `n_frames` of them, spread evenly, are looked at.
            batch_size: Clips computed at once.

        Raises:
            InputError: A clip has no frames, or a frame is not uint8 (H, W, 3).
        """
        _check_batch_size(batch_size)
        rows = []
        for i in range(0, len(clips), batch_size):
            chosen = [[clip[t] for t in self._spread(len(clip))] for clip in clips[i : i + batch_size]]
            features = self.embed_frames([frame for clip in chosen for frame in clip], batch_size=32)
            rows.append(
                self.embed_features(features.reshape(len(chosen), self.n_frames, *features.shape[1:]))
            )
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def embed_images(self, images: Sequence[Image], *, batch_size: int = 32) -> NDArray[np.float32]:
        """Embed RGB uint8 (H, W, 3) pictures, as clips in which nothing moves: float32 (N, D)."""
        return self.embed_clips([[image] for image in images], batch_size=batch_size)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        _check_batch_size(batch_size)
        rows = []
        for i in range(0, len(texts), batch_size):
            with torch.inference_mode():
                found = self._model.embed_tokens(self.text_inputs(texts[i : i + batch_size]))
            rows.append(self._unit_rows(found))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

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

    def embed_frames(self, images: Sequence[Image], *, batch_size: int = 32) -> NDArray[np.float32]:
        """What single frames show where: float32 (N, G, G, C), to be reused by every clip a frame is in."""
        _check_batch_size(batch_size)
        sizes = self.sizes
        rows = [np.zeros((0, sizes.grid, sizes.grid, sizes.channels), np.float32)]
        for i in range(0, len(images), batch_size):
            pixels = np.stack([clip_transform(f, self.settings) for f in images[i : i + batch_size]])
            with torch.inference_mode():
                found = self._model.frames(torch.from_numpy(pixels).to(self.device, self.dtype))
            rows.append(found.float().cpu().numpy())
        return np.concatenate(rows)

    def embed_features(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embed clips given as what `embed_frames` said of their frames, (N, T, G, G, C): float32 (N, D).

        Raises:
            InputError: T is not `n_frames`.
        """
        if features.ndim != 5 or features.shape[1] != self.n_frames:
            raise InputError(
                f"features of clips must be (N, {self.n_frames}, G, G, C), got {features.shape}",
                hint="choose that many frames of each clip",
            )
        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
            return self._unit_rows(self._model.time(given.to(self.device, self.dtype)))

    def embed_video(
        self, frames: Iterable[Frame], *, window_s: float = 3.0, stride_s: float = 1.0
    ) -> Iterator[ClipWindow]:
        """Embed every stretch of a video while it is read; each frame passes the image tower at most once.

        No stretch reaches over a cut. The last one of a shot ends with it; a shot shorter than a stretch is
        one by itself.

        Args:
            frames: In order of time, such as a video source.
            window_s: Length of a stretch in seconds.
            stride_s: From one stretch to the next, seconds.

        Raises:
            InputError: The window or the stride is not positive.
        """
        if window_s <= 0 or stride_s <= 0:
            raise InputError(
                f"window_s and stride_s must be positive, got {window_s} and {stride_s}",
                hint="such as window_s=3, stride_s=1",
            )
        every = window_s / (2 * self.n_frames)
        shot = Shot(window_s - every, stride_s)
        cuts = CutFinder()
        taken = -math.inf
        for frame in frames:
            now = frame.time_s
            if now - taken < every - 1e-6:
                continue
            taken = now
            if cuts(frame.image):
                if last := shot.last():
                    yield self._window(last)
                shot = Shot(window_s - every, stride_s)
            if full := shot.add(now, self.embed_frames([frame.image])[0]):
                yield self._window(full)
        if last := shot.last():
            yield self._window(last)

    def _window(self, held: Sequence[tuple[float, NDArray[np.float32]]]) -> ClipWindow:
        features = np.stack([held[i][1] for i in self._spread(len(held))])
        return ClipWindow(held[0][0], held[-1][0], self.embed_features(features[None])[0])

    def _spread(self, count: int) -> list[int]:
        if count < 1:
            raise InputError("a clip has no frames", hint="give at least one frame of each clip")
        spread: list[int] = np.linspace(0, count - 1, self.n_frames).round().astype(int).tolist()
        return spread

    def _unit_rows(self, found: torch.Tensor) -> NDArray[np.float32]:
        rows = found.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise ModelError(
                f"model {self.name!r} gives values that are not numbers in {self.dtype} on {self.device}",
                hint="load it with dtype='float32'",
            )
        return l2_normalise(rows)

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


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
