"""The pocket CLIP and what knows photographs, computed by torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from seektrack.encoders.base import PictureView, check_batch_size
from seektrack.encoders.clip import ClipEncoder
from seektrack.encoders.photo_network import Gate, PhotoNetwork, PhotoSizes
from seektrack.encoders.photographs import (
    BATCH,
    WEIGHTS,
    BothExperts,
    Photographs,
    margins_of,
    read_settings,
    unreadable,
)
from seektrack.encoders.taught import Taught, read_taught

Rows = NDArray[np.float32]


class PhotoNetworks:
    """The networks that know photographs, as they lie in a checkpoint's folder.

    Args:
        folder: With ``photographs.json`` and ``photographs.safetensors``.

    Attributes:
        settings: The content of the first.
        network, gate: The second.

    Raises:
        ModelError: The files are there and cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.settings = read_settings(folder)
        try:
            self.network = PhotoNetwork(
                PhotoSizes(**self.settings["sizes"]),
                concepts=len(self.settings["concepts"]),
                backgrounds=len(self.settings["backgrounds"]),
            )
            tensors = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
            self.gate = Gate()
            own = {name: value for name, value in tensors.items() if not name.startswith("gate.")}
            _fill(self.network, own)
            _fill(self.gate, {name[5:]: value for name, value in tensors.items() if name.startswith("gate.")})
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise unreadable(folder, error) from error
        self.network.eval()
        self.gate.eval()

    def photographs(self, folder: Path, taught: Taught | None = None) -> Photographs:
        """What knows photographs by them; the folder is named where its settings cannot be used.

        Raises:
            ModelError: The settings lack something.
        """
        with torch.inference_mode():
            rows = self.network.names().numpy()
        try:
            return Photographs(
                self.settings,
                rows,
                tower=_asked(self.network.tower.embed),
                gate=_asked(self.gate),
                taught=taught,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(folder, error) from error


class PhotoClipEncoder(ClipEncoder):
    """A CLIP of the drawn world and what knows photographs, as one `Encoder`.

    ``network``, ``tokenizer`` and the inputs it makes are those of the CLIP.

    Args:
        networks: What knows photographs.
        clip: As :class:`seektrack.encoders.clip.ClipEncoder`; ``folder`` is needed.

    Attributes:
        experts: Both, and how they are joined.
    """

    def __init__(self, networks: PhotoNetworks, *, folder: Path, **clip: Any) -> None:
        super().__init__(folder=folder, **clip)
        self.networks = networks
        taught = read_taught(folder, weights=self.fingerprint, dim=networks.network.tower.sizes.dim)
        self.experts = BothExperts(
            networks.photographs(folder, taught),
            own=self.vocabulary,
            own_scale=self.logit_scale,
            own_dim=self.dim,
        )
        self.vocabulary = self.experts.vocabulary
        self.logit_scale, self.dim = self.experts.logit_scale, self.experts.dim
        self.words, self.shares_from = self.experts.photographs.words, self.experts.own_dim
        self.texts_fingerprint = self.fingerprint if taught is None else f"{self.fingerprint} {taught.digest}"

    def embed_images(self, images: Any, *, batch_size: int = BATCH) -> Rows:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        return self._embed(images, batch_size, 0.0)

    def view(self, picture: NDArray[np.uint8]) -> PictureView:
        """A picture, which tells better than its parts whether they are drawings."""
        odds = self._odds(picture)
        return PictureView(lambda crops: self._embed(crops, BATCH, odds), margins_of(odds))

    def colours_of(self, text: str) -> tuple[str, ...]:
        """The colours a text asks for."""
        return self.experts.photographs.lexicon.read(text).colours

    def embed_contrast(self, texts: list[str], colours: tuple[str, ...]) -> Rows:
        """Embed texts as a question meets them, see `seektrack.encoders.embed_contrast`."""
        return self.experts.texts(texts, super()._text_batch, beside=colours)

    def _odds(self, picture: NDArray[np.uint8]) -> float:
        ((_, inputs),) = self.image_groups([picture])
        return float(self.experts.photographs.odds([picture], _numbers(inputs["pixel_values"]))[0])

    def _embed(self, images: Any, batch_size: int, whole: float) -> Rows:
        check_batch_size(batch_size)
        out = np.zeros((len(images), self.dim), dtype=np.float32)
        for which, inputs in self.image_groups(images, batch_size=batch_size):

            def drawn_rows(some: NDArray[np.intp], inputs: dict[str, Any] = inputs) -> Rows:
                asked = {**inputs, "pixel_values": inputs["pixel_values"][torch.from_numpy(some)]}
                with self._at_work():
                    return self._unit_rows(self._model.get_image_features(**asked))

            shown = [images[i] for i in which]
            out[which] = self.experts.images(shown, _numbers(inputs["pixel_values"]), drawn_rows, whole=whole)
        return out

    def _vectors(self, images: list[NDArray[np.uint8]], inputs: dict[str, Any], rows: Rows) -> Rows:
        return self.experts.images(images, _numbers(inputs["pixel_values"]), lambda some: rows[some])

    def _text_batch(self, texts: Any) -> Rows:
        if not hasattr(self, "experts"):  # the CLIP's own constructor asks before there is another expert
            return super()._text_batch(texts)
        return self.experts.texts(texts, super()._text_batch)


def _numbers(pixels: torch.Tensor) -> Rows:
    return np.asarray(pixels.float().cpu().numpy(), np.float32)


def _asked(network: Any) -> Any:
    def run(pixels: Rows) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(np.ascontiguousarray(pixels))).numpy())

    return run


def _fill(module: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Load all weights; counters of batches, which inference does not need, may lack."""
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking or unexpected:
        raise ValueError(f"weights lack {lacking[:3]} and have {unexpected[:3]} too many")
