"""Encoders and predictors as graphs: the towers of a CLIP family, of a temporal encoder, trajectories."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seektrack.compression.parts import GraphPart
from seektrack.encoders.clip import LAYERS, SIGLIP_TEXT_LENGTH, ClipEncoder
from seektrack.encoders.photo_clip import PhotoClipEncoder
from seektrack.errors import ModelError

if TYPE_CHECKING:
    from seektrack.encoders.temporal import TemporalEncoder
    from seektrack.tracking.predict_network import TrajectoryModel

_WORDS = ("a", "a red car", "a photo of two dogs playing on the beach at night, and a boat behind them")
TOKENIZER_SAMPLES = (*_WORDS, "", "Ein rotes Auto!", "très près — 42 ½ % 🙂", "word " * 200)
"""Texts both readers must turn into the same numbers."""


class VisionTower(nn.Module):
    """Pictures to embeddings, and what the layers before the last made of them."""

    def __init__(self, model: nn.Module, *, interpolate: bool) -> None:
        super().__init__()
        self.model, self.interpolate = model, interpolate

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pictures (B, 3, S, S) to (B, D), not of unit length, and (B, F)."""
        more = {"interpolate_pos_encoding": True} if self.interpolate else {}
        out = self.model.get_image_features(pixel_values=pixels, output_hidden_states=True, **more)  # type: ignore[operator]
        hidden = out.hidden_states
        chosen = [hidden[round(depth * (len(hidden) - 1))][:, 1:] for depth in LAYERS]
        layers = [part for h in chosen for part in (h.mean(dim=1), h.std(dim=1, unbiased=False))]
        return out.pooler_output, torch.cat(layers, dim=1)


class TextTower(nn.Module):
    """Tokens to embeddings."""

    def __init__(self, model: nn.Module, *, masked: bool) -> None:
        super().__init__()
        self.model, self.masked = model, masked

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids (B, L) and which count, (B, L), to (B, D), not of unit length."""
        given = {"input_ids": ids, "attention_mask": mask}
        if not self.masked:
            given.pop("attention_mask")
        out: Tensor = self.model.get_text_features(**given).pooler_output  # type: ignore[operator]
        return out if self.masked else out + 0 * mask[:, :1]


def clip_parts(encoder: ClipEncoder) -> list[GraphPart]:
    """The two towers; a third graph where whole frames are looked at on a finer side.

    Raises:
        ModelError: The encoder looks at pictures in a way no graph does.
    """
    model = encoder.network.float()
    family = str(model.config.model_type)
    if family == "siglip2":
        raise ModelError(
            f"{encoder.name!r} looks at pictures in as many patches as their shape asks for (SigLIP 2), "
            "which cannot be written as ONNX",
            hint="use it with torch, or export another family",
        )
    parts = [_vision("vision", model, encoder.image_size, interpolate=False)]
    if encoder.fine_size > encoder.image_size:
        parts.append(_vision("vision_fine", model, encoder.fine_size, interpolate=True))
    masked = not family.startswith("siglip")

    def tokens(texts: tuple[str, ...]) -> dict[str, Tensor]:
        found = encoder.text_inputs(texts)
        ids = found["input_ids"]
        return {"ids": ids, "mask": found.get("attention_mask", torch.ones_like(ids))}

    axes = {0: "texts", 1: "words"} if masked else {0: "texts"}
    parts.append(
        GraphPart(
            "text",
            TextTower(model, masked=masked),
            tokens(_WORDS[:2]),
            ("vectors",),
            {"ids": axes, "mask": axes},
            lambda: [tokens(_WORDS), tokens(_WORDS[:1])],
        )
    )
    return [*parts, *(_photographs(encoder) if isinstance(encoder, PhotoClipEncoder) else [])]


class _View(nn.Module):
    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, view: Tensor) -> Tensor:
        """Views (B, 3, V, V) to unit rows (B, D)."""
        rows: Tensor = self.tower.embed(view)  # type: ignore[operator]
        return rows


def _photographs(encoder: PhotoClipEncoder) -> list[GraphPart]:
    """What knows photographs, and the gate; both take pictures of any side."""
    draw, networks = torch.Generator().manual_seed(0), encoder.networks
    side, any_side = encoder.image_size, {0: "pictures", 2: "height", 3: "width"}
    view = round(side / networks.network.tower.sizes.grain)

    def pictures(count: int, size: int) -> dict[str, Tensor]:
        return {"pixels": torch.randn((count, 3, size, size), generator=draw)}

    return [
        GraphPart(
            "photographs",
            _View(networks.network.tower),
            pictures(2, view),
            ("vectors",),
            {"pixels": any_side},
            lambda: [pictures(1, 2 * view), pictures(3, view)],
        ),
        GraphPart(
            "gate",
            networks.gate,
            pictures(2, side),
            ("odds",),
            {"pixels": any_side},
            lambda: [pictures(1, 2 * side), pictures(3, side)],
        ),
    ]


def _vision(name: str, model: nn.Module, side: int, *, interpolate: bool) -> GraphPart:
    draw = torch.Generator().manual_seed(0)

    def pictures(count: int) -> dict[str, Tensor]:
        return {"pixels": torch.randn((count, 3, side, side), generator=draw)}

    return GraphPart(
        name,
        VisionTower(model, interpolate=interpolate),
        pictures(2),
        ("vectors", "layers"),
        {"pixels": {0: "pictures"}},
        lambda: [pictures(1), pictures(3)],
    )


def clip_settings(encoder: ClipEncoder) -> dict[str, Any]:
    """What the user of the graphs must know beside them."""
    config = encoder.network.config
    family = str(config.model_type)
    siglip = family.startswith("siglip")
    positions = int(config.text_config.max_position_embeddings)
    length = (
        min(positions, SIGLIP_TEXT_LENGTH)
        if siglip
        else min(positions - (2 if family == "altclip" else 0), int(encoder.tokenizer.model_max_length))
    )
    languages = encoder.languages
    own = encoder.experts if isinstance(encoder, PhotoClipEncoder) else None
    return {
        "family": family,
        "dim": encoder.dim if own is None else own.own_dim,
        "logit_scale": encoder.logit_scale if own is None else own.own_scale,
        "image": asdict(encoder.settings),
        "fine_size": encoder.fine_size if encoder.fine_size > encoder.image_size else 0,
        "languages": None if languages is None else list(languages),
        "text": text_settings(encoder.tokenizer, length=length, padded=siglip),
    }


def text_settings(tokenizer: Any, *, length: int, padded: bool = False) -> dict[str, Any]:
    """How texts become tokens: at most how many, and what fills the rest."""
    return {
        "length": length,
        "padded": padded,
        "pad_id": int(tokenizer.pad_token_id or 0),
        "pad_token": str(tokenizer.pad_token or ""),
    }


class _TemporalText(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.model.embed_tokens({"input_ids": ids, "attention_mask": mask})  # type: ignore[operator]
        return out


def temporal_parts(encoder: TemporalEncoder) -> list[GraphPart]:
    """Frames to features, features of a clip to its vector, texts to theirs."""
    model: Any = encoder.network.float()
    sizes = model.sizes
    draw = torch.Generator().manual_seed(0)

    def pictures(count: int) -> dict[str, Tensor]:
        return {"pixels": torch.randn((count, 3, sizes.image_size, sizes.image_size), generator=draw)}

    def clips(count: int) -> dict[str, Tensor]:
        shape = (count, sizes.frames, sizes.grid, sizes.grid, sizes.channels)
        return {"features": torch.randn(shape, generator=draw)}

    def tokens(texts: tuple[str, ...]) -> dict[str, Tensor]:
        found = encoder.text_inputs(texts)
        return {"ids": found["input_ids"], "mask": found["attention_mask"]}

    words = {0: "texts", 1: "words"}
    return [
        GraphPart(
            "frames",
            model.frames,
            pictures(2),
            ("features",),
            {"pixels": {0: "pictures"}},
            lambda: [pictures(1), pictures(3)],
        ),
        GraphPart(
            "time",
            model.time,
            clips(2),
            ("vectors",),
            {"features": {0: "clips"}},
            lambda: [clips(1), clips(3)],
        ),
        GraphPart(
            "text",
            _TemporalText(model),
            tokens(_WORDS[:2]),
            ("vectors",),
            {"ids": words, "mask": words},
            lambda: [tokens(_WORDS), tokens(_WORDS[:1])],
        ),
    ]


def temporal_settings(encoder: TemporalEncoder) -> dict[str, Any]:
    """What the user of the graphs must know beside them."""
    length = int(encoder.network.text.config.max_position_embeddings)
    return {
        "sizes": encoder.sizes.to_dict(),
        "logit_scale": encoder.logit_scale,
        "text": text_settings(encoder.tokenizer, length=length),
    }


def trajectory_parts(model: TrajectoryModel) -> list[GraphPart]:
    """The past of objects to where they will be."""
    draw = torch.Generator().manual_seed(0)

    def pasts(count: int) -> dict[str, Tensor]:
        steps = torch.randn((count, model.sizes.past, 9), generator=draw)
        steps[..., 4] = (steps[..., 4] > 0).float()
        steps[:, -1, 4] = 1.0
        return {"steps": steps}

    return [
        GraphPart(
            "trajectory",
            model,
            pasts(3),
            ("centre", "spread"),
            {"steps": {0: "objects"}},
            lambda: [pasts(1), pasts(5)],
        )
    ]
