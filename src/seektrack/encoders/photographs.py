"""A pocket CLIP that knows photographs too: two experts behind one door.

The CLIP learnt a drawn world; beside it in the same folder lies a small network that learnt photographs
(``photographs.safetensors``), the names it can tell (``photographs.json``), and a gate that says which of the
two a picture belongs to. An embedding holds both: the CLIP's, weighted by the gate, then the other's. Texts
are embedded by both. So a cosine is the drawn one for drawings and the other one for photographs, and vectors
can be stored, averaged and compared like any others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from seektrack.encoders.base import Vocabulary, check_batch_size, l2_normalise
from seektrack.encoders.clip import ClipEncoder
from seektrack.encoders.colours import COLOURS, colour_rows
from seektrack.encoders.lexicon import Lexicon
from seektrack.encoders.photo_network import Gate, PhotoNetwork, PhotoSizes
from seektrack.errors import ModelError

WEIGHTS, SETTINGS = "photographs.safetensors", "photographs.json"
EXTRA = 16
"""Numbers of an embedding behind the experts': words nobody knows, then the colours, then zeros."""
SURE = 0.02
"""Below this share an expert is not asked."""
SHARP = 4.0
"""Multiplies the gate's log odds: an expert that half belongs says much that is only noise."""
LATER = 0.5
"""What the second name in a text counts beside the first, the third beside the second."""


class Photographs:
    """What knows photographs.

    Args:
        network: Embeds pictures; holds the vectors of the names.
        gate: Says whether a picture is a drawing.
        settings: The content of ``photographs.json``.
    """

    def __init__(self, network: PhotoNetwork, gate: Gate, settings: dict[str, Any]) -> None:
        self.network, self.gate = network.eval(), gate.eval()
        self.names = {name: i for i, name in enumerate(settings["concepts"])}
        first = len(self.names)
        self.backgrounds = {text: first + i for i, text in enumerate(settings["backgrounds"])}
        self.lexicon = Lexicon(settings["words"], settings["colours"])
        self.labels = tuple(map(str, settings["labels"]))
        self.kinds = {str(name): tuple(above) for name, above in settings["kinds"].items()}
        self.colour_share = float(settings["colour_share"])
        self.scale = float(settings["scale"])
        self.dim = network.tower.sizes.dim + EXTRA
        with torch.no_grad():
            self._rows = network.names().numpy()

    @classmethod
    def load(cls, folder: Path) -> Photographs | None:
        """Read them from a checkpoint's folder; None where it has none.

        Raises:
            ModelError: The files are there and cannot be used.
        """
        if not (folder / SETTINGS).is_file():
            return None
        try:
            settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            network = PhotoNetwork(
                PhotoSizes(**settings["sizes"]),
                concepts=len(settings["concepts"]),
                backgrounds=len(settings["backgrounds"]),
            )
            tensors = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
            gate = Gate()
            own = {name: value for name, value in tensors.items() if not name.startswith("gate.")}
            _fill(network, own)
            _fill(gate, {name[5:]: value for name, value in tensors.items() if name.startswith("gate.")})
            return cls(network, gate, settings)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelError(
                f"cannot read what {folder} knows of photographs: {error}",
                hint=f"{SETTINGS} and {WEIGHTS} belong together; without both it knows none",
            ) from error

    def vocabulary(self, drawn: Vocabulary | None) -> Vocabulary:
        """What the drawn world's encoder knows, and this."""
        own = drawn or Vocabulary((), ())
        return Vocabulary(
            tuple(dict.fromkeys([*own.labels, *self.labels])),
            tuple(dict.fromkeys([*own.background, *self.backgrounds])),
            own.templates,
            own.languages,
            {**own.kinds, **self.kinds},
        )

    @torch.inference_mode()
    def drawn(self, pixels: torch.Tensor) -> NDArray[np.float64]:
        """How sure it is that each normalised picture (B, 3, S, S) is a drawing, (B,)."""
        return np.asarray(torch.sigmoid(SHARP * self.gate(pixels.float())).double().cpu().numpy())

    @torch.inference_mode()
    def embed_images(self, pixels: torch.Tensor) -> NDArray[np.float32]:
        """Unit rows (B, dim) of normalised pictures (B, 3, S, S)."""
        rows = self.network.tower(pixels.float()).cpu().numpy()
        out = np.zeros((len(rows), self.dim), np.float32)
        n = rows.shape[1]
        out[:, :n] = np.sqrt(1 - self.colour_share) * rows
        colours = colour_rows(pixels.float()).cpu().numpy()
        out[:, n + 1 : n + 1 + colours.shape[1]] = np.sqrt(self.colour_share) * colours
        return l2_normalise(out)

    def embed_text(self, text: str) -> NDArray[np.float32]:
        """The unit row (dim,) of a text, by its words."""
        n = self._rows.shape[1]
        out = np.zeros(self.dim, np.float32)
        plain = " ".join(text.lower().split()).rstrip("?!. ")
        if plain in self.backgrounds:
            out[:n] = self._rows[self.backgrounds[plain]]
            return out
        read = self.lexicon.read(text)
        if not read.things and (read.unknown or not read.colours):
            out[n] = 1  # whatever its colour, nobody knows what it is
            return out
        for place, name in enumerate(dict.fromkeys(read.things)):
            out[:n] += LATER**place * self._rows[self.names[name]]
        out[:n] = l2_normalise(out[:n])
        if read.colours:
            coloured = np.zeros_like(out)
            for colour in read.colours:
                coloured[n + 1 + COLOURS.index(colour)] = 1
            share = self.colour_share if read.things else 1.0
            out = np.sqrt(1 - share) * out + np.sqrt(share) * l2_normalise(coloured)
        known = len(read.things) + bool(read.colours)
        strange = len(read.unknown) / (len(read.unknown) + known)
        out = np.sqrt(1 - strange) * out
        out[n] = np.sqrt(strange)
        return l2_normalise(out)


class PhotoClipEncoder(ClipEncoder):
    """A CLIP of the drawn world and what knows photographs, as one `Encoder`.

    ``network``, ``tokenizer`` and the inputs it makes are those of the CLIP.

    Args:
        photographs: What knows photographs.
        clip: As :class:`seektrack.encoders.clip.ClipEncoder`.

    Attributes:
        drawn_dim: Numbers at the front of an embedding that are the CLIP's.
        own_scale: The CLIP's factor from cosines to logits.
    """

    def __init__(self, photographs: Photographs, **clip: Any) -> None:
        super().__init__(**clip)
        self.photographs = photographs
        own = self.vocabulary
        self.vocabulary = photographs.vocabulary(own)
        known = () if own is None else (*own.labels, *own.background)
        self._foreign = {*self.vocabulary.labels, *self.vocabulary.background} - set(known)
        self.own_scale, self.drawn_dim = self.logit_scale, self.dim
        self.logit_scale = float(np.hypot(self.own_scale, photographs.scale))
        self._share = (self.own_scale / self.logit_scale) ** 2
        self.dim = self.drawn_dim + photographs.dim

    def embed_images(self, images: Any, *, batch_size: int = 32) -> NDArray[np.float32]:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        check_batch_size(batch_size)
        out = np.zeros((len(images), self.dim), dtype=np.float32)
        for which, inputs in self.image_groups(images, batch_size=batch_size):
            out[which] = self._both(inputs)
        return out

    def embed_with_layers(
        self, images: Any, *, batch_size: int = 32
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`embed_images`, and what the layers of the CLIP made of each picture; see there."""
        layers = super().embed_with_layers(images, batch_size=batch_size)[1]
        return self.embed_images(images, batch_size=batch_size), layers

    def _vectors(self, inputs: dict[str, Any], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._both(inputs, rows)

    def _both(self, inputs: dict[str, Any], known: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Embeddings of a group of pictures; ``known`` are the CLIP's rows where they are there already."""
        pixels = inputs["pixel_values"]
        drawn = self.photographs.drawn(pixels)
        drawn = np.where(drawn < SURE, 0.0, np.where(drawn > 1 - SURE, 1.0, drawn))
        out = np.zeros((len(drawn), self.dim), np.float32)
        asked = np.flatnonzero(drawn > 0)
        if len(asked):
            rows = known[asked] if known is not None else self._drawn_rows(inputs, asked)
            out[asked, : self.drawn_dim] = np.sqrt(drawn[asked])[:, None] * rows
        asked = np.flatnonzero(drawn < 1)
        if len(asked):
            rows = self.photographs.embed_images(pixels[torch.from_numpy(asked)])
            out[asked, self.drawn_dim :] = np.sqrt(1 - drawn[asked])[:, None] * rows
        return out

    def _drawn_rows(self, inputs: dict[str, Any], which: NDArray[np.intp]) -> NDArray[np.float32]:
        some = {**inputs, "pixel_values": inputs["pixel_values"][torch.from_numpy(which)]}
        with torch.inference_mode():
            return self._unit_rows(self._model.get_image_features(**some))

    def _text_batch(self, texts: Any) -> NDArray[np.float32]:
        rows = super()._text_batch(texts)
        if not hasattr(self, "photographs"):  # asked by the CLIP's own constructor
            return rows
        others = np.sqrt(1 - self._share) * np.stack([self.photographs.embed_text(t) for t in texts])
        rows = np.sqrt(self._share) * rows
        # Hundreds of words the drawn world never heard would together take belief from what it knows.
        foreign = np.array([text in self._foreign for text in texts])
        rows[foreign] = 0
        strange = others.shape[1] - EXTRA
        others[foreign, strange] = np.sqrt(others[foreign, strange] ** 2 + self._share)
        return np.concatenate([rows, others], axis=1)


def _fill(module: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Load all weights; counters of batches, which inference does not need, may lack."""
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking or unexpected:
        raise ValueError(f"weights lack {lacking[:3]} and have {unexpected[:3]} too many")
