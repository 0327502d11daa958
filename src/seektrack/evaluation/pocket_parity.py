"""The pocket networks through transformers' own classes, to be held against the product's figures.

The folders are ordinary ones: nothing here goes through the encoders of `seektrack.encoders` or the engine of
`seektrack.segmentation`. Without torchvision transformers has no image processor for SAM 2, so its resizing
and normalising are written out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from seektrack.checkpoints import load_config, load_network, load_other, load_tokenizer, packaged_folder
from seektrack.encoders.loading import read_vocabulary
from seektrack.segmentation.loading import set_resolution
from seektrack.types import Prompt

Image = NDArray[np.uint8]
THROUGH = ("seektrack", "transformers")
"""Ways from pixels to answers."""

AGREES = 0.005
"""Figures of the two ways lie no further apart."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def checkpoint(folder: str | Path, part: str) -> Path:
    """The folder ``pocket`` stands for, as ``clip`` or ``sam2``; any other folder is itself."""
    return packaged_folder(part) if str(folder) == "pocket" else Path(folder)


class TransformersClip:
    """``CLIPModel`` and ``CLIPProcessor`` with the members of a `seektrack.encoders.Encoder`.

    Args:
        folder: As ``save_pretrained`` writes it, or ``pocket``.
    """

    def __init__(self, folder: str | Path = "pocket") -> None:
        from transformers import AutoTokenizer, CLIPModel, CLIPProcessor
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        source = checkpoint(folder, "clip")
        self._model: Any = load_network(CLIPModel, source, str(folder), dtype=torch.float32)
        pictures = load_other(CLIPImageProcessorPil, source, str(folder))
        tokenizer = load_tokenizer(AutoTokenizer, source, str(folder))
        self._processor: Any = CLIPProcessor(pictures, tokenizer)
        self.name, self.fingerprint = f"{folder} in transformers", f"{source} in transformers"
        self.vocabulary = read_vocabulary(source)
        self.dim = int(self._model.config.projection_dim)
        self.image_size = int(self._model.config.vision_config.image_size)
        self.fine_size = int(getattr(self._model.config.vision_config, "fine_size", 0) or 0)
        self.logit_scale = min(math.exp(float(self._model.logit_scale.detach())), 100.0)

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image], *, batch_size: int = 32) -> NDArray[np.float32]:
        """Unit rows (N, D) of RGB uint8 (H, W, 3) pictures; larger ones at the model's finer side, if any."""
        finer = {"shortest_edge": self.fine_size}, {"height": self.fine_size, "width": self.fine_size}
        rows = np.zeros((len(images), self.dim), np.float32)
        large = [bool(self.fine_size) and min(image.shape[:2]) >= self.fine_size for image in images]
        for fine in (False, True):
            which = np.flatnonzero(np.array(large, bool) == fine)
            for some in np.split(which, range(batch_size, len(which), batch_size)) if len(which) else ():
                sides = {"size": finer[0], "crop_size": finer[1]} if fine else {}
                pictures = [images[i] for i in some]
                inputs = self._processor(images=pictures, return_tensors="pt", **sides)
                found = self._model.get_image_features(**inputs, interpolate_pos_encoding=fine).pooler_output
                rows[some] = self._unit([found])
        return rows

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Unit rows (N, D) of texts."""
        most = int(self._model.config.text_config.max_position_embeddings)
        rows = []
        for i in range(0, len(texts), batch_size):
            chosen = list(texts[i : i + batch_size])
            inputs = self._processor(
                text=chosen, padding=True, truncation=True, max_length=most, return_tensors="pt"
            )
            rows.append(self._model.get_text_features(**inputs).pooler_output)
        return self._unit(rows)

    def _unit(self, rows: list[Tensor]) -> NDArray[np.float32]:
        if not rows:
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(F.normalize(torch.cat(rows), dim=-1).numpy(), np.float32)


class TransformersSam2:
    """``Sam2VideoModel`` and its ``Sam2VideoInferenceSession`` as a follower of prompts.

    Args:
        folder: As ``save_pretrained`` writes it, or ``pocket``.
        resolution: Side of the square input; the checkpoint's own when None.
    """

    def __init__(self, folder: str | Path = "pocket", *, resolution: int | None = None) -> None:
        from transformers import Sam2VideoConfig, Sam2VideoModel

        source = checkpoint(folder, "sam2")
        config = load_config(Sam2VideoConfig, source, str(folder))
        if resolution is not None:
            set_resolution(config, resolution)
        self._model: Any = load_network(
            Sam2VideoModel, source, str(folder), config=config, dtype=torch.float32
        )
        self.side = int(config.image_size)

    def pixels(self, frames: Sequence[Image] | Image) -> Tensor:
        """What the network takes, float (T, 3, S, S)."""
        stacked = torch.from_numpy(np.stack(list(frames))).permute(0, 3, 1, 2)
        size = (self.side, self.side)
        if stacked.shape[-2:] != size:
            stacked = F.interpolate(stacked, size, mode="bilinear", align_corners=False, antialias=True)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (_MEAN, _STD))
        return (stacked.float() / 255 - mean) / std

    def __call__(
        self, frames: Sequence[Image] | Image, prompts: Sequence[Prompt]
    ) -> Iterator[dict[int, tuple[NDArray[np.bool_], float]]]:
        """Masks of every prompted object in source pixels and beliefs that it is there, one answer a frame.

        Args:
            frames: RGB uint8 (H, W, 3), all of one size.
            prompts: For the first frame: boxes, points or both, or masks of the frames' size.
        """
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        height, width = frames[0].shape[:2]
        session = Sam2VideoInferenceSession(
            video=self.pixels(frames), video_height=height, video_width=width, dtype=torch.float32
        )
        scale = torch.tensor([self.side / width, self.side / height])
        for prompt in prompts:
            if prompt.mask is not None:
                whole = torch.from_numpy(prompt.mask.to_array()).float()[None, None]
                mask = F.interpolate(whole, (self.side, self.side), mode="bilinear", antialias=True)
                session.add_mask_inputs(session.obj_id_to_idx(prompt.obj_id), 0, (mask >= 0.5).float())
                continue
            corners = [] if prompt.box is None else [prompt.box[:2], prompt.box[2:]]
            labels = [] if prompt.box is None else [2, 3]
            if prompt.points is not None and prompt.point_labels is not None:
                corners += prompt.points.tolist()
                labels += prompt.point_labels.tolist()
            points = torch.tensor(corners, dtype=torch.float32) * scale
            given = {"point_coords": points[None, None], "point_labels": torch.tensor(labels)[None, None]}
            session.add_point_inputs(session.obj_id_to_idx(prompt.obj_id), 0, given)
        session.obj_with_new_inputs = [prompt.obj_id for prompt in prompts]
        for t in range(len(frames)):
            out = self._model(session, frame_idx=t)
            full = F.interpolate(out.pred_masks, (height, width), mode="bilinear", align_corners=False)
            masks = (full[:, 0] > 0).numpy()
            beliefs = out.object_score_logits.flatten().sigmoid().tolist()
            yield dict(zip(out.object_ids, zip(masks, beliefs, strict=True), strict=True))


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any, float]]:
    """Figures that both have, by name: ours, theirs, and by how much ours is larger."""
    out = {}
    for name, value in ours.items():
        other = theirs.get(name)
        if isinstance(value, int | float) and isinstance(other, int | float):
            out[name] = (value, other, float(value) - float(other))
    return out
