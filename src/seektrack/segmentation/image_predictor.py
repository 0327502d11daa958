"""Masks on single pictures, with the method names of the reference's ``SAM2ImagePredictor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, PromptError
from seektrack.segmentation.arrays import floats
from seektrack.segmentation.features import Array, ImageFeatures
from seektrack.segmentation.loading import load_sam2
from seektrack.segmentation.masks import upsample
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.postprocess import fill_holes, remove_specks
from seektrack.segmentation.prompts import BOX_CORNER_LABELS

Masks = tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]
"""Masks (C, H, W), predicted overlaps (C,), low-resolution logits (C, h, h); for N prompts (N, C, ...)."""


class ImagePredictor:
    """Asks for masks on a picture it has been given.

    A script written for the reference's ``SAM2ImagePredictor`` (facebookresearch/sam2) runs with this one.
    Low-resolution logits have a quarter of the network's resolution, 256 for the published checkpoints.

    Args:
        sam2: The network.
        mask_threshold: Logit above which a pixel is inside.
        max_hole_area: Largest hole filled, in source pixels.
        max_sprinkle_area: Largest separate piece removed, in source pixels.
    """

    def __init__(
        self,
        sam2: Sam2,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
    ) -> None:
        self.sam2 = sam2
        self.mask_threshold = mask_threshold
        self.max_hole_area = max_hole_area
        self.max_sprinkle_area = max_sprinkle_area
        self._features: list[ImageFeatures] = []
        self._is_batch = False

    @classmethod
    def from_pretrained(cls, model_id: str = "pocket", **settings: Any) -> ImagePredictor:
        """Load a checkpoint; ``settings`` are those of ``load_sam2`` and of the predictor."""
        names = {"mask_threshold", "max_hole_area", "max_sprinkle_area"}
        own = {name: settings.pop(name) for name in names & settings.keys()}
        return cls(load_sam2(model_id, **settings), **own)

    @property
    def device(self) -> Any:
        """Where the network is."""
        return self.sam2.device

    def set_image(self, image: Any) -> None:
        """Take a picture: uint8 (H, W, 3) RGB, or a PIL image."""
        self._features = [self.sam2.encode(_as_array(image))]
        self._is_batch = False

    def set_image_batch(self, image_list: Sequence[Any]) -> None:
        """Take several pictures for ``predict_batch``; their sizes may differ."""
        if not image_list:
            raise InputError("set_image_batch needs at least one picture")
        self._features = [self.sam2.encode(_as_array(image)) for image in image_list]
        self._is_batch = True

    def reset_predictor(self) -> None:
        """Forget the pictures."""
        self._features = []
        self._is_batch = False

    def get_image_embedding(self) -> Array:
        """Coarsest features of the picture, float (1, C, f, f), as masks are decoded from.

        Raises:
            InputError: No picture is set.
        """
        return self.sam2.network.without_memory(self._single())

    def predict(
        self,
        point_coords: Any = None,
        point_labels: Any = None,
        box: Any = None,
        mask_input: Any = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> Masks:
        """Masks for one prompt, or for several boxes at once.

        Args:
            point_coords: (P, 2) ``(x, y)`` pixels of the picture; (N, P, 2) for N prompts.
            point_labels: (P,) or (N, P), 1 inside, 0 outside.
            box: (4,) ``xyxy`` pixels; (N, 4) for N prompts.
            mask_input: (1, h, h) low-resolution logits of an earlier answer, to refine.
            multimask_output: Three alternatives, for an ambiguous prompt, or one mask.
            return_logits: Logits in source resolution in place of bool masks.
            normalize_coords: False when coordinates are in [0, 1] of the picture's sides.

        Returns:
            Masks (C, H, W), predicted overlaps (C,), low-resolution logits (C, h, h), C being 3 or 1; all
            with a leading axis N for several prompts.

        Raises:
            InputError: No picture is set, or several are.
            PromptError: The prompt is empty or malformed.
        """
        return self._predict(
            self._single(),
            point_coords,
            point_labels,
            box,
            mask_input,
            multimask_output=multimask_output,
            return_logits=return_logits,
            normalize_coords=normalize_coords,
        )

    def predict_batch(
        self,
        point_coords_batch: Sequence[Any] | None = None,
        point_labels_batch: Sequence[Any] | None = None,
        box_batch: Sequence[Any] | None = None,
        mask_input_batch: Sequence[Any] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> tuple[list[NDArray[Any]], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """``predict`` for each picture of ``set_image_batch``, prompts one a picture.

        Raises:
            InputError: No pictures are set, or their number is not that of the prompts.
            PromptError: A prompt is empty or malformed.
        """
        if not self._is_batch:
            raise InputError("predict_batch needs pictures", hint="call set_image_batch first")
        given = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
        columns = [[None] * len(self._features) if b is None else list(b) for b in given]
        if any(len(c) != len(self._features) for c in columns):
            raise InputError(
                f"{len(self._features)} pictures need as many prompts, got {[len(c) for c in columns]}"
            )
        answers = [
            self._predict(
                features,
                *prompt,
                multimask_output=multimask_output,
                return_logits=return_logits,
                normalize_coords=normalize_coords,
            )
            for features, *prompt in zip(self._features, *columns, strict=True)
        ]
        masks, scores, logits = (list(column) for column in zip(*answers, strict=True))
        return masks, scores, logits

    def _single(self) -> ImageFeatures:
        if len(self._features) != 1 or self._is_batch:
            raise InputError("a single picture is needed", hint="call set_image first")
        return self._features[0]

    def _predict(
        self,
        features: ImageFeatures,
        point_coords: Any,
        point_labels: Any,
        box: Any,
        mask_input: Any,
        *,
        multimask_output: bool,
        return_logits: bool,
        normalize_coords: bool,
    ) -> Masks:
        sam2 = self.sam2.made(features)
        network, side = sam2.network, sam2.resolution
        height, width = features.hw
        scale = np.array([1.0, 1.0]) if not normalize_coords else np.array([1 / width, 1 / height])
        points, labels, several = _points(point_coords, point_labels, box, scale * side)
        if points is None and mask_input is None:
            raise PromptError("the prompt is empty", hint="give point_coords, box or mask_input")
        mask = None if mask_input is None else _mask_input(mask_input, side // 4)
        if mask is not None and points is not None:
            mask = np.broadcast_to(mask, (len(points), *mask.shape[1:]))
        decoded = network.decode(
            features, points=points, labels=labels, mask=None if mask is None else network.array(mask)
        )
        if multimask_output:
            low, scores = decoded.logits[:, 1:], decoded.iou[:, 1:]
        else:
            chosen = network.choose(decoded, multimask=False)
            low, scores = chosen.logits[:, None], chosen.iou[:, None]
        full = np.stack([np.stack([upsample(one, features.hw) for one in several]) for several in low])
        cleaned = self._cleaned(full)
        answer = (
            cleaned if return_logits else cleaned > self.mask_threshold,
            floats(scores),
            np.clip(floats(low), -32.0, 32.0),
        )
        return answer if several else (answer[0][0], answer[1][0], answer[2][0])

    def _cleaned(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, C, H, W) with holes filled and pieces removed, by 10 beyond the threshold."""
        if self.max_hole_area <= 0 and self.max_sprinkle_area <= 0:
            return logits
        for one in logits.reshape(-1, *logits.shape[-2:]):
            inside = one > self.mask_threshold
            after = fill_holes(inside, int(self.max_hole_area)) if self.max_hole_area > 0 else inside
            if self.max_sprinkle_area > 0:
                after = remove_specks(after, int(self.max_sprinkle_area) + 1)
            one[after & ~inside] = self.mask_threshold + 10.0
            one[inside & ~after] = self.mask_threshold - 10.0
        return logits


def _mask_input(mask_input: Any, side: int) -> NDArray[np.float32]:
    mask = np.asarray(mask_input, dtype=np.float32)
    if mask.ndim == 3:
        mask = mask[:, None]
    if mask.ndim != 4 or mask.shape[1:] != (1, side, side):
        raise PromptError(f"mask_input must be (1, {side}, {side}), got {tuple(np.shape(mask_input))}")
    return mask


def _points(
    coords: Any, labels: Any, box: Any, scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64] | None, bool]:
    """Box corners and points as (N, K, 2) in the square input and (N, K); whether the prompt was several."""
    parts, marks = [], []
    if box is not None:
        boxes = np.asarray(box, dtype=np.float64)
        if boxes.shape[-1:] != (4,) or boxes.ndim > 2 or not np.isfinite(boxes).all():
            raise PromptError(f"box must be finite and (4,) or (N, 4), got shape {boxes.shape}")
        parts.append(boxes.reshape(-1, 2, 2))
        marks.append(np.tile(np.array(BOX_CORNER_LABELS), (len(parts[0]), 1)))
    if coords is not None:
        points = np.asarray(coords, dtype=np.float64)
        if points.ndim not in (2, 3) or points.shape[-1] != 2 or not np.isfinite(points).all():
            raise PromptError(
                f"point_coords must be finite and (P, 2) or (N, P, 2), got shape {points.shape}"
            )
        if labels is None or np.shape(labels) != points.shape[:-1]:
            raise PromptError(f"point_labels must be {points.shape[:-1]}, got {np.shape(labels)}")
        parts.append(points.reshape(-1, *points.shape[-2:]))
        marks.append(np.asarray(labels, dtype=np.int64).reshape(-1, points.shape[-2]))
    if not parts:
        return None, None, False
    if len({len(p) for p in parts}) > 1:
        raise PromptError(f"boxes and points must be as many prompts, got {[len(p) for p in parts]}")
    inputs = np.concatenate(parts, axis=1) * scale
    return inputs, np.concatenate(marks, axis=1).astype(np.int64), len(inputs) > 1


def _as_array(image: Any) -> NDArray[np.uint8]:
    """A PIL image as RGB, an array as it is."""
    return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
