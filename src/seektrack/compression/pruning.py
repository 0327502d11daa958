"""Structured pruning: the least used channels of feed-forward layers, and whole blocks, taken out for good.

What a hidden channel is worth is how strongly it is active over pictures, times the weights it is heard with
(after Sun et al., A Simple and Effective Pruning Approach for Large Language Models, arXiv:2306.11695); a
block, how much it changes what passes through it (Men et al., ShortGPT, arXiv:2403.03853). The result is an
ordinary checkpoint of smaller sizes, which every door takes. Heads stay: their number and width are one with
that of the whole layer in these networks' configurations.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seektrack.errors import InputError, ModelError

State = dict[str, Tensor]


@dataclass(frozen=True)
class Stack:
    """Layers of one kind that share their sizes.

    Attributes:
        prefix: Of their names, up to the number.
        first, second: The two linear layers of each, by name.
        width: Tells how many channels of so many are kept.
        narrow: Writes the smaller width into a configuration.
        droppable: Numbers of layers that may go.
        shorten: Writes which layers are left into a configuration.
    """

    prefix: str
    first: str
    second: str
    width: Callable[[int, int], int]
    narrow: Callable[[Any], None]
    droppable: Sequence[int] = ()
    shorten: Callable[[Any, Sequence[int]], None] | None = None


def smaller(
    model: nn.Module, stacks: Sequence[Stack], use: Callable[[], None], blocks: int
) -> tuple[Any, tuple[str, ...]]:
    """The network with narrower and fewer layers, and the names of those that went."""
    config: Any = copy.deepcopy(model.config)
    state: State = dict(model.state_dict())
    dropped: list[str] = []
    with torch.inference_mode(), _watched(model, stacks) as (active, moved):
        use()
    for stack in stacks:
        layers = sorted(
            {int(k.removeprefix(stack.prefix).split(".")[0]) for k in state if k.startswith(stack.prefix)}
        )
        if not layers:
            raise ModelError(f"the network has no {stack.prefix}*, so it is not known how to prune it")
        gone = sorted(stack.droppable, key=lambda n: moved[f"{stack.prefix}{n}"])[
            : blocks if stack.shorten else 0
        ]
        if len(gone) < (blocks if stack.droppable else 0):
            raise InputError(f"{blocks} blocks cannot go, {len(stack.droppable)} may", hint="take fewer")
        left = [n for n in layers if n not in gone]
        dropped += [f"{stack.prefix}{n}" for n in sorted(gone)]
        for number in layers:
            _narrow(state, stack, number, active)
        stack.narrow(config)
        if gone and stack.shorten is not None:
            stack.shorten(config, left)
            renumbered = {f"{stack.prefix}{old}.": f"{stack.prefix}{new}." for new, old in enumerate(left)}
            state = _renumbered(state, stack.prefix, renumbered)
    made = type(model)(config).eval()
    made.load_state_dict(state)
    return made, tuple(dropped)


def _narrow(state: State, stack: Stack, number: int, active: dict[str, Tensor]) -> None:
    """Keep the channels of a layer that are worth most, in their order."""
    first, second = (f"{stack.prefix}{number}.{name}" for name in (stack.first, stack.second))
    hidden, dim = state[f"{first}.weight"].shape[:2]
    strength, heard = active[second].float(), state[f"{second}.weight"].float().norm(dim=0)
    worth = (strength + 1e-6 * strength.max()) * heard  # of those never active, what would be heard stays
    kept = worth.topk(min(hidden, stack.width(hidden, dim))).indices.sort().values
    state[f"{first}.weight"] = state[f"{first}.weight"][kept].clone()
    state[f"{first}.bias"] = state[f"{first}.bias"][kept].clone()
    state[f"{second}.weight"] = state[f"{second}.weight"][:, kept].clone()


def _renumbered(state: State, prefix: str, names: dict[str, str]) -> State:
    found: State = {}
    for key, value in state.items():
        start = prefix + key.removeprefix(prefix).split(".")[0] + "." if key.startswith(prefix) else ""
        if not start:
            found[key] = value
        elif start in names:
            found[names[start] + key.removeprefix(start)] = value
    return found


@contextmanager
def _watched(
    model: nn.Module, stacks: Sequence[Stack]
) -> Iterator[tuple[dict[str, Tensor], dict[str, float]]]:
    """While it is used: mean strength of each hidden channel, and how much each layer changes what passes."""
    active: dict[str, Tensor] = {}
    moved: dict[str, float] = defaultdict(float)
    hooks = []

    def heard(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            strength = given[0].detach().abs().flatten(0, -2).sum(0)
            active[name] = active[name] + strength if name in active else strength

        return hook

    def passed(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: tuple[Tensor, ...], out: Any) -> None:
            after = out if isinstance(out, Tensor) else out[0]
            if given and given[0].shape == after.shape:
                moved[name] += float((after - given[0]).norm() / given[0].norm().clamp(min=1e-6))

        return hook

    for name, module in model.named_modules():
        for stack in stacks:
            if not name.startswith(stack.prefix):
                continue
            rest = name.removeprefix(stack.prefix)
            if rest.partition(".")[2] == stack.second:
                hooks.append(module.register_forward_pre_hook(heard(name)))
            elif rest.isdigit():
                hooks.append(module.register_forward_hook(passed(name)))
    try:
        yield active, moved
    finally:
        for one in hooks:
            one.remove()
