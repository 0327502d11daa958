"""A piece of a network that becomes one graph: what it takes, what it gives, which sizes may change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class GraphPart:
    """One graph to be.

    Attributes:
        name: Of the graph's file, without its ending.
        module: Takes ``inputs`` by position and returns ``outputs``.
        inputs: Examples by name, in order.
        outputs: Names of what comes out.
        dynamic: By input, which axes may have any size, and what each is called; one name, one size.
        others: Makes inputs of other sizes, by which what was written is tried.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    others: Callable[[], list[dict[str, Tensor]]] = list
