"""What a training of the pocket SAM 2 moves: the network, its throw-away head, and their running mean."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Sam2VideoModel

from seektrack.errors import ModelError
from seektrack.training.common import decay_groups
from seektrack.training.sam2.config import build_pocket
from seektrack.training.sam2.grow import started
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.stages import trained_parameters
from seektrack.training.sam2.weights import plain_attention, publish


class Learner:
    """A network in training, stage by stage.

    Args:
        recipe: Says how large it is, how precise, and how slowly the running mean follows.
        init: Checkpoint to start from instead of random weights, grown as the recipe says.
        device: Where it computes.

    Attributes:
        model: What is trained.
        head: The dense auxiliary head, thrown away afterwards.
        average: The running mean of the model's weights, which is the result.
        optimiser: Of the stage at work; None between stages.

    Raises:
        ModelError: ``init`` cannot be loaded, or is not built like a pocket network.
    """

    def __init__(self, recipe: Sam2Recipe, *, init: str | Path | None, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        if init is None:
            model = build_pocket(recipe.size)
        else:
            model = started(init, recipe.grow, weights="photographs" if recipe.real else "drawn")
        self.recipe = recipe
        self.model: Sam2VideoModel = model.to(device)
        self.head = nn.Conv2d(model.config.memory_attention_hidden_size, 3, 1).to(device)
        self.average = copy.deepcopy(self.model)
        self.optimiser: torch.optim.AdamW | None = None

    def enter(self, stage: Stage) -> None:
        """Free the weights a stage moves, and start its optimiser."""
        set_side(self.model, stage.resolution).train()
        set_side(self.average, stage.resolution)
        if self.recipe.bf16 and self.model.device.type == "cpu":
            plain_attention(self.model)
        moving = [p for _, p in trained_parameters(self.model, self.head, stage)]
        wanted = {id(p) for p in moving}
        for parameter in [*self.model.parameters(), *self.head.parameters()]:
            parameter.requires_grad_(id(parameter) in wanted)
        self.optimiser = torch.optim.AdamW(decay_groups(moving, 0.02), lr=stage.lr, betas=(0.9, 0.98))

    def leave(self) -> None:
        """The stage is over."""
        self.optimiser = None

    def begin(self, rate: float) -> list[nn.Parameter]:
        """A step at a learning rate begins: gradients are gone. Returns the weights that will move.

        Raises:
            ModelError: No stage is at work.
        """
        optimiser = self._at_work()
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        return [p for group in optimiser.param_groups for p in group["params"]]

    @torch.no_grad()
    def move(self, step: int) -> None:
        """Take the step, the ``step``-th of its stage, and let the running mean follow, faster at first."""
        self._at_work().step()
        decay = min(self.recipe.decay, (1 + step) / (10 + step))
        for old, new in zip(self.average.parameters(), self.model.parameters(), strict=True):
            old.lerp_(new, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict() if self.optimiser else None,
        }

    def load_state_dict(self, saved: Mapping[str, Any], stage: Stage | None) -> None:
        """Go on from a checkpoint, in the stage it was made in; None where all were over."""
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.head.load_state_dict(saved["head"])
        if stage is not None:
            self.enter(stage)
            if saved["optimiser"] is not None:
                self._at_work().load_state_dict(saved["optimiser"])

    def publish(self, side: int, folder: Path) -> None:
        """Write the running mean in half precision, for pictures of a side, as a Hugging Face folder."""
        publish(copy.deepcopy(set_side(self.average, side)).half(), folder)

    def _at_work(self) -> torch.optim.AdamW:
        if self.optimiser is None:
            raise ModelError("a training step outside of a stage", hint="call run()")
        return self.optimiser
