"""What a fine-tuning consists of: which weights move, which losses pull them, for how long."""

from __future__ import annotations

from dataclasses import dataclass

from seektrack.encoders import check_templates
from seektrack.errors import InputError
from seektrack.training.scale import PRECISIONS

MODES = ("full", "frozen-image", "frozen-text", "head", "lora", "adapter", "names")
USUAL_EPOCHS, FEWEST_STEPS = 10, 60
"""Passes over the pairs where none are asked for, and the steps they make at least."""
MEASUREMENTS = 10
"""Of one training at most, where epochs are short."""
USUAL_BATCH = 64
"""Global batch for which the usual learning rates are."""
LORA_TARGETS = (
    "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2",
    "query", "key", "value", "dense",
    "visual_projection", "text_projection",
)  # fmt: skip
"""Layers of the CLIP family that an adapter fits: attention, feed-forward, projections, and BERT's names."""
CONTRAST, FEW = 32, 64
"""Names set against every picture where so few captions differ: they say little of what a thing is not."""
SMALL = 20_000_000
"""A network with fewer parameters than this bears ten times the learning rate."""


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """A fine-tuning; equal recipes on equal data take equal steps.

    Attributes:
        mode: What moves. ``full``: everything. ``frozen-image``: the text tower (Zhai et al., LiT, 2022).
            ``frozen-text``: the image tower. ``head``: the projections into the shared space only.
            ``lora``: low-rank additions to the layers of ``targets``, nothing else (Hu et al., 2021).
            ``adapter``: small layers behind every feed-forward block (Houlsby et al., arXiv:1902.00751),
            which stay apart in ``adapters.safetensors``. The scale of the logits moves in all but the last
            two. ``names``: no weight; the names in the captions are taught to what knows photographs (see
            :func:`seektrack.training.finetune.teach_names`).
        rank, alpha, dropout, targets: Of the adapters: their rank (the width of those of ``adapter``), their
            weight ``alpha / rank``, dropout before them, and the last part of the names of the layers that
            get one.
        image_to_text, text_to_image: Weights of InfoNCE asking each picture for its text, and each text for
            its picture; equal ones make the symmetric loss of CLIP.
        alignment: Weight of the mean squared distance between pictures and their texts (Wang & Isola,
            Understanding Contrastive Representation Learning, 2020).
        balance: Move the three weights so that each loss pulls equally hard; see
            :class:`seektrack.training.finetune.losses.GradientBalancer`.
        restoring: How much harder a loss pulls that has fallen less than the others (GradNorm's alpha).
        wordings: Chance of a caption that names a thing to be put into a template.
        templates: Those templates, each with one ``{}``; the built-in ones when empty.
        contrast: Names the model knows and no caption speaks of, set against every picture of a step: a few
            captions are told apart from each other too easily. None takes ``CONTRAST`` where fewer than
            ``FEW`` captions differ and the encoder says what it knows, else none.
        augment: Crop, mirror, expose, blur and recompress training pictures. A picture whose captions name a
            side (left, right) is never mirrored.
        epochs: Passes over the training pairs; None takes 10, or as many as make 60 steps of few pairs.
        steps: Steps instead of epochs, where given.
        batch: Pairs in a step; each is the wrong answer of the others, so more is better.
        learning_rate: Peak; None takes what suits the mode and the size of the network.
        scale_rate: Multiply the peak by the root of the global batch over 64, as Adam's noise falls with the
            root (Malladi et al., arXiv:2205.10287).
        warmup: Share of the steps until the peak.
        floor: Share of the peak left at the end.
        weight_decay: On matrices.
        precision: ``fp32``; ``bf16`` or ``fp16`` compute in half precision and keep weights in float32.
        quantisation_aware: Simulate eight bits in every step and measurement, see
            :mod:`seektrack.training.eight_bits`.
        held_out: Share of the pairs kept from training to measure retrieval on; 0 measures nothing and
            keeps the last weights.
        max_held_out: Most pairs kept for that.
        validate_every: Steps between measurements; None once an epoch.
        patience: Measurements without a better R@1 (mean of both directions) before stopping; 0 never
            stops. The best measured weights are what is written, the untouched ones included.
        seed: Of the split, the order, the augmentation and the adapters.
    """

    mode: str = "full"
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[str, ...] = LORA_TARGETS
    image_to_text: float = 0.5
    text_to_image: float = 0.5
    alignment: float = 0.0
    balance: bool = False
    restoring: float = 0.5
    contrast: int | None = None
    augment: bool = True
    wordings: float = 0.0
    templates: tuple[str, ...] = ()
    epochs: int | None = None
    steps: int | None = None
    batch: int = 64
    learning_rate: float | None = None
    scale_rate: bool = False
    warmup: float = 0.1
    floor: float = 0.01
    weight_decay: float = 0.05
    precision: str = "fp32"
    quantisation_aware: bool = False
    held_out: float = 0.1
    max_held_out: int = 500
    validate_every: int | None = None
    patience: int = 5
    seed: int = 0

    def steps_of(self, per_epoch: int) -> tuple[int, int]:
        """Steps to take, and between two measurements, where an epoch has so many."""
        epochs = self.epochs or max(USUAL_EPOCHS, -(-FEWEST_STEPS // per_epoch))
        total = self.steps or epochs * per_epoch
        return total, self.validate_every or max(per_epoch, total // MEASUREMENTS)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"unknown recipe {self.mode!r}", hint=f"choose from {', '.join(MODES)}")
        if self.precision not in PRECISIONS:
            raise InputError(
                f"unknown precision {self.precision!r}", hint=f"choose from {', '.join(PRECISIONS)}"
            )
        if self.quantisation_aware and self.mode == "names":
            raise InputError(
                "recipe 'names' moves no weight that eight bits would round", hint="take another --recipe"
            )
        at_least = {
            "rank": 1,
            "alpha": 1,
            "epochs": 1,
            "batch": 2,
            "steps": 1,
            "validate_every": 1,
            "max_held_out": 2,
            "contrast": 0,
        }
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
        positive = ("image_to_text", "text_to_image", "alignment", "weight_decay", "patience", "restoring")
        for name in positive:
            if getattr(self, name) < 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.image_to_text + self.text_to_image <= 0:
            raise InputError(
                "both directions of InfoNCE have weight 0, and alignment alone makes all embeddings equal",
                hint="give image_to_text or text_to_image a weight",
            )
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.templates:
            check_templates(self.templates)
        if not 0 <= self.wordings <= 1:
            raise InputError(f"wordings must be from 0 to 1, got {self.wordings}")
        for name in ("held_out", "warmup", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")

    def rate(self, parameters: int) -> float:
        """The peak learning rate for a network of that many parameters."""
        scale = (self.batch / USUAL_BATCH) ** 0.5 if self.scale_rate else 1.0
        if self.learning_rate is not None:
            return scale * self.learning_rate
        if self.mode == "head":
            return scale * 1e-3
        base = 2e-4 if self.mode in ("lora", "adapter") else 2e-5
        return scale * (10 * base if parameters < SMALL else base)
