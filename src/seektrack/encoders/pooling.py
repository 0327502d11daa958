"""What stands for a whole text: the mean of its words through a linear layer, as M-CLIP's readers have it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MEAN = "mean"


class MeanPooler(nn.Module):
    """The mean of the words, padding left out, through a linear layer; in place of a BERT's pooler.

    The layer has the names and the shape of a BERT's, so the same file holds either; ``text_config.pooling``
    says which it is.

    Args:
        dense: From a word to what stands for the text.
    """

    def __init__(self, dense: nn.Linear) -> None:
        super().__init__()
        self.dense = dense
        self._mask: Tensor | None = None

    def watch(self, reader: nn.Module) -> None:
        """Learn from the calls of ``reader`` which words are padding."""
        reader.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _module: nn.Module, _args: Any, given: dict[str, Any]) -> None:
        self._mask = given.get("attention_mask")

    def forward(self, words: Tensor) -> Tensor:
        """(N, D) of words (N, L, D)."""
        mask = self._mask if self._mask is not None else torch.ones(words.shape[:2], device=words.device)
        share = mask.to(words.dtype)[..., None]
        pooled: Tensor = self.dense((words * share).sum(1) / share.sum(1).clamp(min=1))
        return pooled


def pool(network: Any) -> None:
    """Give a dual encoder the pooling its text configuration asks for, where it asks for another."""
    reader = getattr(network, "text_model", None)
    config = getattr(reader, "config", None)
    if getattr(config, "pooling", None) != MEAN or reader is None:
        return
    pooler = MeanPooler(reader.pooler.dense)
    pooler.watch(reader)
    reader.pooler = pooler
