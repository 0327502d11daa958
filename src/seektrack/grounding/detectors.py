"""Detectors that read text, of transformers, as grounders: by a hub id or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints import (
    Checkpoint,
    find,
    load_network,
    load_other,
    load_tokenizer,
    model_type,
    obtain,
    pick_device,
)
from seektrack.errors import InputError
from seektrack.geometry import clip_box
from seektrack.grounding.found import Found, GroundSettings
from seektrack.grounding.grounder import GrounderContext
from seektrack.grounding.merging import suppress_boxes
from seektrack.query import Concept

Image = NDArray[np.uint8]
_TEXT_LENGTH = 16
"""Tokens of a text OWL-ViT and OWLv2 were trained with."""


class Detector(Protocol):
    """A network that finds texts in a picture."""

    def detect(self, image: Image, texts: Sequence[str]) -> list[tuple[NDArray[np.float64], float, int]]:
        """Boxes ``xyxy`` in pixels, scores in [0, 1], and the number of the text each was found for."""
        ...


@dataclass(frozen=True)
class DetectorGrounder:
    """Finds what a detector finds.

    Attributes:
        detector: The network.
        concepts: What is asked for.
        settings: ``min_confidence``, ``nms_iou`` and ``max_objects`` say what counts as found.
        judges: Yes: it knows words the encoder may not.
    """

    detector: Detector
    concepts: tuple[Concept, ...]
    settings: GroundSettings
    judges: bool = True

    def find(self, image: Image, features: Any) -> list[Found]:
        """Boxes of what is asked for, each object under the concept it is surest of."""
        texts = [c.english or c.instance for c in self.concepts]
        height, width = image.shape[:2]
        found = []
        for corners, score, which in self.detector.detect(image, texts):
            box = clip_box((corners[0], corners[1], corners[2], corners[3]), (height, width))
            if score >= self.settings.min_confidence and box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
                found.append(Found(box, score, self.concepts[which].said))
        found.sort(key=lambda f: -f.confidence)
        kept = suppress_boxes([f.box for f in found], self.settings.nms_iou)
        return [found[k] for k in kept[: self.settings.max_objects * len(self.concepts)]]


@dataclass(frozen=True)
class Owl:
    """OWL-ViT and OWLv2: every text at once.

    Attributes:
        network: ``OwlViTForObjectDetection`` or ``Owlv2ForObjectDetection``.
        prepare: Its image processor.
        tokenizer: Of its texts.
        square: Whether the picture is padded to a square, as OWLv2 does it.
    """

    network: Any
    prepare: Any
    tokenizer: Any
    square: bool

    def detect(self, image: Image, texts: Sequence[str]) -> list[tuple[NDArray[np.float64], float, int]]:
        """See `Detector.detect`."""
        import torch

        given = [f"a photo of {text}" for text in texts]
        words = self.tokenizer(
            given, padding="max_length", max_length=_TEXT_LENGTH, truncation=True, return_tensors="pt"
        )
        pixels = self.prepare(images=image, return_tensors="pt")["pixel_values"]
        device = self.network.device
        with torch.inference_mode():
            answer = self.network(
                input_ids=words["input_ids"].to(device),
                attention_mask=words["attention_mask"].to(device),
                pixel_values=pixels.to(device),
            )
        scores, which = answer.logits[0].float().sigmoid().max(dim=-1)
        height, width = image.shape[:2]
        scale = (max(height, width),) * 2 if self.square else (width, height)
        return _rows(answer.pred_boxes[0], scores, which, scale)


@dataclass(frozen=True)
class GroundingDino:
    """Grounding DINO, MM Grounding DINO: a text after another, so that it is known which one was found.

    Attributes:
        network: ``GroundingDinoForObjectDetection`` or its like.
        prepare: Its image processor.
        tokenizer: Of its texts.
    """

    network: Any
    prepare: Any
    tokenizer: Any

    def detect(self, image: Image, texts: Sequence[str]) -> list[tuple[NDArray[np.float64], float, int]]:
        """See `Detector.detect`."""
        import torch

        pixels = self.prepare(images=image, return_tensors="pt")
        device = self.network.device
        height, width = image.shape[:2]
        out = []
        for number, text in enumerate(texts):
            words = self.tokenizer([f"{text.lower().strip(' .')}."], return_tensors="pt")
            with torch.inference_mode():
                answer = self.network(
                    pixel_values=pixels["pixel_values"].to(device),
                    pixel_mask=pixels["pixel_mask"].to(device),
                    input_ids=words["input_ids"].to(device),
                    attention_mask=words["attention_mask"].to(device),
                )
            scores = answer.logits[0].float().sigmoid().max(dim=-1).values
            which = torch.full_like(scores, number, dtype=torch.long)
            out += _rows(answer.pred_boxes[0], scores, which, (width, height))
        return out


def _rows(
    boxes: Any, scores: Any, which: Any, scale: tuple[int, int]
) -> list[tuple[NDArray[np.float64], float, int]]:
    """Boxes ``(cx, cy, w, h)`` in shares of ``scale`` (width, height), as ``xyxy`` in pixels."""
    centred = boxes.float().cpu().numpy().astype(np.float64)
    half = centred[:, 2:] / 2
    corners = np.concatenate([centred[:, :2] - half, centred[:, :2] + half], axis=1) * (scale * 2)
    told = zip(corners, scores.float().cpu().tolist(), which.cpu().tolist(), strict=True)
    return [(c, float(s), int(w)) for c, s, w in told if np.isfinite(c).all()]


def load_detector(name: str, *, device: str | None = None, progress: Any = None) -> Detector:
    """A detector by a hub id or folder.

    Raises:
        ModelError: It cannot be found or loaded.
        InputError: It is no detector that reads texts.
    """
    import transformers

    checkpoint: Checkpoint = find(name, "boxes")
    folder = obtain(checkpoint, progress=progress)
    kind = model_type(folder)
    classes = {
        "owlvit": ("OwlViTForObjectDetection", "OwlViTImageProcessorPil"),
        "owlv2": ("Owlv2ForObjectDetection", "Owlv2ImageProcessorPil"),
        "grounding-dino": ("GroundingDinoForObjectDetection", "GroundingDinoImageProcessorPil"),
        "mm-grounding-dino": ("MMGroundingDinoForObjectDetection", "GroundingDinoImageProcessorPil"),
    }
    if kind not in classes:
        raise InputError(
            f"{name!r} is a {kind or 'checkpoint of no type'}, no detector that reads texts",
            hint=f"detectors are {', '.join(classes)}; SAM 3 is --grounder sam3:{name}",
        )
    network_class, processor_class = classes[kind]
    network = load_network(getattr(transformers, network_class), folder, name).to(pick_device(device))
    prepare = load_other(_processor(processor_class), folder, name)
    tokenizer = load_tokenizer(transformers.AutoTokenizer, folder, name)
    if kind.startswith("owl"):
        return Owl(network, prepare, tokenizer, square=kind == "owlv2")
    return GroundingDino(network, prepare, tokenizer)


def _processor(name: str) -> Any:
    """The image processor that needs no torchvision."""
    import importlib

    home = {"OwlViT": "owlvit", "Owlv2": "owlv2", "GroundingDino": "grounding_dino"}[
        name.removesuffix("ImageProcessorPil")
    ]
    module = importlib.import_module(f"transformers.models.{home}.image_processing_pil_{home}")
    return getattr(module, name)


def make_detector_grounder(context: GrounderContext) -> DetectorGrounder:
    """The grounder ``hf:ID``."""
    detector = load_detector(context.argument, device=context.device, progress=context.progress)
    return DetectorGrounder(detector, context.concepts, context.settings)
