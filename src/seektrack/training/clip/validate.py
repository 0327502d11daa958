"""A quick look at a CLIP in training, on scenes it never trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.geometry import crop_square
from seektrack.training.clip.frames import FrameStore, prepare
from seektrack.training.clip.losses import N_LABELS
from seektrack.training.clip.model import embed_images, embed_texts, normalise
from seektrack.training.clip.samples import background_box, visible
from seektrack.training.clip.texts import ANY
from seektrack.world import Split, vocabulary

FIRST = 50_000
"""Its scenes start here in the validation seeds; ``evaluate_clip`` uses others."""


class Validator:
    """Category × colour on a few hundred crops, and refusal of background crops.

    Args:
        frames: Folder of rendered pictures.
        side: Input side of the network.
        clips: Validation scenes, two pictures of each.
    """

    def __init__(self, frames: Path, side: int, *, clips: int = 200) -> None:
        store = FrameStore(prepare(frames, Split.VALIDATION, clips=clips, keep=2, start=FIRST))
        rng = np.random.default_rng(0)
        crops: list[NDArray[np.uint8]] = []
        blanks: list[NDArray[np.uint8]] = []
        labels: list[int] = []
        for index in range(len(store)):
            picture, objects = store.picture(index), store.objects(index)
            for slot in visible(objects):
                category, colour = (int(v) for v in objects.names[slot])
                if category != ANY:
                    x0, y0, x1, y1 = objects.boxes[slot]
                    crops.append(crop_square(picture, (x0, y0, x1, y1), side, margin=0.45))
                    labels.append(category * 9 + colour)
            box = background_box(store.id_map(index), objects, rng)
            if box is not None and len(blanks) < 200:
                blanks.append(crop_square(picture, box, side, margin=0.45))
        self.crops, self.labels, self.blanks = np.stack(crops[:800]), np.array(labels[:800]), np.stack(blanks)

    @torch.no_grad()
    def __call__(self, model: Any, tokenizer: Any, processor: Any) -> dict[str, float]:
        """Shares in [0, 1]: crops named right, and background crops taken for objects."""
        words = vocabulary()
        texts = embed_texts(model, tokenizer, words["labels"] + words["background"])
        scale = float(model.logit_scale.exp().clamp(max=100))

        def probabilities(images: np.ndarray) -> np.ndarray:
            parts = [
                embed_images(model, normalise(images[i : i + 100], processor))
                for i in range(0, len(images), 100)
            ]
            return np.asarray(torch.softmax(torch.cat(parts) @ texts.T * scale, 1).numpy())

        found = probabilities(self.crops)
        best = found[:, :N_LABELS].argmax(1)
        blank = probabilities(self.blanks)[:, :N_LABELS]
        return {
            "crop108": round(float((best == self.labels).mean()), 4),
            "category": round(float((best // 9 == self.labels // 9).mean()), 4),
            "colour": round(float((best % 9 == self.labels % 9).mean()), 4),
            "confident": round(float((found[np.arange(len(best)), self.labels] >= 0.5).mean()), 4),
            "false_accept": round(float((blank.max(1) >= 0.5).mean()), 4),
            "scale": round(scale, 2),
        }
