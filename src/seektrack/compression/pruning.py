"""Structured pruning: the least used channels of feed-forward layers, and whole blocks, taken out for good.

What a hidden channel is worth is how strongly it is active over pictures, times the weights it is heard with
(after Sun et al., A Simple and Effective Pruning Approach for Large Language Models, arXiv:2306.11695); a
block, how much it changes what passes through it (Men et al., ShortGPT, arXiv:2403.03853). What the channels
that go told the next layer is taken from those that stay, by least squares over the same pictures (He et al.,
Channel Pruning for Accelerating Very Deep Neural Networks, arXiv:1707.06168). The result is an ordinary
checkpoint of smaller sizes, which every door takes. Heads stay: their number and width are one with that of
the whole layer in these networks' configurations.
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
RIDGE = 1e-2
"""Of the least squares, as a share of the channels' mean variance: few pictures tell little."""


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
    model: nn.Module,
    stacks: Sequence[Stack],
    use: Callable[[], None],
    blocks: int,
    make: Callable[[Any], nn.Module] | None = None,
) -> tuple[Any, tuple[str, ...]]:
    """The network with narrower and fewer layers, and the names of those that went.

    Args:
        model: The network; its weights stay as they are.
        stacks: What of it may go.
        use: Shows it pictures.
        blocks: How many whole blocks go.
        make: A network of a configuration; the model's own class when None.
    """
    config: Any = copy.deepcopy(model.config)
    state: State = dict(model.state_dict())
    dropped: list[str] = []
    with torch.inference_mode(), _watched(model, stacks) as (seen, moved):
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
            _narrow(state, stack, number, seen)
        stack.narrow(config)
        if gone and stack.shorten is not None:
            stack.shorten(config, left)
            renumbered = {f"{stack.prefix}{old}.": f"{stack.prefix}{new}." for new, old in enumerate(left)}
            state = _renumbered(state, stack.prefix, renumbered)
    made = (make or type(model))(config).eval()
    made.load_state_dict(state)
    return made, tuple(dropped)


class _Channels:
    """Hidden channels over all that passed: how strong they are, and how they go together."""

    def __init__(self) -> None:
        self.count = 0
        self.strength, self.sum, self.products = torch.zeros(1), torch.zeros(1), torch.zeros(1)

    def add(self, rows: Tensor) -> None:
        """Take in rows (N, channels)."""
        rows = rows.detach().float().cpu()
        self.count += len(rows)
        self.strength = self.strength + rows.abs().sum(0)
        self.sum = self.sum + rows.sum(0)
        self.products = self.products + rows.T @ rows

    def told(self, kept: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
        """What those that go are, of those that stay: (gone, kept) and a constant (gone,)."""
        mean = self.sum.double() / self.count
        together = self.products.double() / self.count - mean[:, None] * mean
        own = together[kept][:, kept]
        own += torch.eye(len(kept)) * (RIDGE * own.diagonal().mean() + 1e-12)
        slope = torch.linalg.solve(own, together[kept][:, gone]).T
        return slope.float(), (mean[gone] - slope @ mean[kept]).float()


def _narrow(state: State, stack: Stack, number: int, seen: dict[str, _Channels]) -> None:
    """Keep the channels of a layer that are worth most, in their order."""
    first, second = (f"{stack.prefix}{number}.{name}" for name in (stack.first, stack.second))
    hidden, dim = state[f"{first}.weight"].shape[:2]
    last = state[f"{second}.weight"]
    strength, heard = seen[second].strength.to(last.device), last.float().norm(dim=0)
    worth = (strength + 1e-6 * strength.max()) * heard  # of those never active, what would be heard stays
    kept = worth.topk(min(hidden, stack.width(hidden, dim))).indices.sort().values
    state[f"{first}.weight"] = state[f"{first}.weight"][kept].clone()
    state[f"{first}.bias"] = state[f"{first}.bias"][kept].clone()
    state[f"{second}.weight"] = last[:, kept].clone()
    gone = torch.ones(hidden, dtype=torch.bool, device=last.device)
    gone[kept] = False
    if gone.any():
        slope, constant = (t.to(last) for t in seen[second].told(kept.cpu(), gone.nonzero()[:, 0].cpu()))
        state[f"{second}.weight"] += last[:, gone] @ slope
        state[f"{second}.bias"] = state[f"{second}.bias"] + last[:, gone] @ constant


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
) -> Iterator[tuple[dict[str, _Channels], dict[str, float]]]:
    """While it is used: the hidden channels of each layer, and how much each layer changes what passes."""
    seen: dict[str, _Channels] = defaultdict(_Channels)
    moved: dict[str, float] = defaultdict(float)
    hooks = []

    def heard(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[name].add(given[0].flatten(0, -2))

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
        yield seen, moved
    finally:
        for one in hooks:
            one.remove()
