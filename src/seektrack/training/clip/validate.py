"""A quick look at a CLIP in training, on scenes it never trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seektrack.geometry import crop_square
from seektrack.training.clip.frames import FrameStore, prepare
from seektrack.training.clip.model import embed_images, embed_texts, normalise
from seektrack.training.clip.names import ANY, COLOUR_NAMES, N_PLAIN, NOWHERE
from seektrack.training.clip.recipe import ClipRecipe
from seektrack.training.clip.samples import MIN_SCENE_AREA, background_box, visible
from seektrack.training.clip.texts import canonical, join, labels_of, usual_place
from seektrack.world import Split, vocabulary

FIRST = 50_000
"""Its scenes start here in the validation seeds; ``evaluate_clip`` uses others."""
CROPS, BLANKS, FRAMES, NAMED = 600, 150, 200, 6
N_COLOURS = len(COLOUR_NAMES)


class Validator:
    """Names of crops, refusal of background crops, and whether captions find their frames.

    Args:
        frames: Folder of rendered pictures.
        recipe: Says how many scenes, and whether there are rich ones beside the plain.
    """

    def __init__(self, frames: Path, recipe: ClipRecipe) -> None:
        styles = [False, True] if recipe.rich > 0 else [False]
        self.looks = [_Look(frames, recipe, rich=rich) for rich in styles]

    @torch.no_grad()
    def __call__(self, model: Any, tokenizer: Any, processor: Any) -> dict[str, float]:
        """Shares in [0, 1], and the scale; those of rich scenes end in ``_rich``.

        ``crop108`` (in rich scenes among all labels), ``category`` and ``colour`` of crops named right,
        ``confident`` (own label at p ≥ 0.5), ``false_accept`` (background crops given a label at p ≥ 0.5),
        ``frame_r1`` (captions whose own frame comes first).
        """
        scale = float(model.logit_scale.exp().clamp(max=100))
        figures: dict[str, float] = {}
        for look in self.looks:
            found = look.measure(model, tokenizer, processor, scale)
            figures |= {f"{name}{look.suffix}": round(value, 4) for name, value in found.items()}
        return {**figures, "scale": round(scale, 2)}


class _Look:
    """Crops, backgrounds and captioned frames of one style of the world."""

    def __init__(self, frames: Path, recipe: ClipRecipe, *, rich: bool) -> None:
        store = FrameStore(
            prepare(frames, Split.VALIDATION, clips=recipe.validation_clips, keep=2, start=FIRST, rich=rich)
        )
        side, rng = recipe.sizes.image_size, np.random.default_rng(0)
        whole = recipe.sizes.fine_size or side
        self.suffix = "_rich" if rich else ""
        self.labels = labels_of(recipe.n_categories if rich else N_PLAIN)
        self.crops: list[NDArray[np.uint8]] = []
        self.blanks: list[NDArray[np.uint8]] = []
        self.frames: dict[str, NDArray[np.uint8]] = {}
        numbers: list[int] = []
        for index in range(len(store)):
            picture, objects = store.picture(index), store.objects(index)
            shown = [int(s) for s in visible(objects) if objects.names[s, 0] != ANY]
            for slot in shown:
                if len(self.crops) < CROPS:
                    x0, y0, x1, y1 = objects.boxes[slot]
                    self.crops.append(crop_square(picture, (x0, y0, x1, y1), side, margin=0.45))
                    numbers.append(int(objects.names[slot, 0]) * N_COLOURS + int(objects.names[slot, 1]))
            box = background_box(store.id_map(index), objects, rng)
            if box is not None and len(self.blanks) < BLANKS:
                self.blanks.append(crop_square(picture, box, side, margin=0.45))
            large = [s for s in shown if objects.area[s] >= MIN_SCENE_AREA]
            named = sorted((int(objects.names[s, 0]), int(objects.names[s, 1])) for s in large)
            if named and len(named) <= NAMED and index % 2 == 0 and len(self.frames) < FRAMES:
                text, where = join([canonical(item) for item in named]), store.where(index)
                caption = text if where == NOWHERE else f"{text} {usual_place(where)}"
                self.frames.setdefault(
                    caption, crop_square(picture, (0.0, 0.0, *picture.shape[1::-1]), whole, margin=0.0)
                )
        self.numbers = np.array(numbers, np.int64)

    def measure(self, model: Any, tokenizer: Any, processor: Any, scale: float) -> dict[str, float]:
        """The figures of :meth:`Validator.__call__`."""

        def images(pictures: list[NDArray[np.uint8]]) -> Tensor:
            batches = [np.stack(pictures[i : i + 100]) for i in range(0, len(pictures), 100)]
            return torch.cat([embed_images(model, normalise(b, processor)) for b in batches])

        texts = embed_texts(model, tokenizer, self.labels + vocabulary()["background"])
        figures: dict[str, float] = {}
        if self.crops:
            p = torch.softmax(images(self.crops) @ texts.T * scale, 1).numpy()
            best = p[:, : len(self.labels)].argmax(1)
            own = p[np.arange(len(best)), self.numbers]
            figures = {
                "crop108": float((best == self.numbers).mean()),
                "category": float((best // N_COLOURS == self.numbers // N_COLOURS).mean()),
                "colour": float((best % N_COLOURS == self.numbers % N_COLOURS).mean()),
                "confident": float((own >= 0.5).mean()),
            }
        if self.blanks:
            p = torch.softmax(images(self.blanks) @ texts.T * scale, 1).numpy()
            figures["false_accept"] = float((p[:, : len(self.labels)].max(1) >= 0.5).mean())
        if self.frames:
            cosines = images(list(self.frames.values())) @ embed_texts(model, tokenizer, list(self.frames)).T
            figures["frame_r1"] = float((cosines.argmax(0) == torch.arange(len(cosines))).float().mean())
        return figures
