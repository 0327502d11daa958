"""Adapter layers of a fine-tuned encoder: small networks behind its feed-forward blocks, in a file apart.

The weights beside them are those of the model it was trained from; whoever reads the folder without the
adapters has that model. Houlsby et al., Parameter-Efficient Transfer Learning for NLP, arXiv:1902.00751.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from seektrack.errors import ModelError

ADAPTERS_FILE = "adapters.safetensors"
_ENDS = ("fc2", "output.dense")
"""Last parts of the names of the layers that close a feed-forward block, in the CLIP family and in BERT."""


class Adapted(nn.Module):
    """A layer, and behind it a bottleneck added to what it says; fresh, it adds nothing.

    Args:
        layer: A linear layer.
        width: Of the bottleneck.
    """

    def __init__(self, layer: nn.Linear, width: int) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.out_features, width, dtype=layer.weight.dtype)
        self.up = nn.Linear(width, layer.out_features, dtype=layer.weight.dtype)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """What the layer says, and what the bottleneck adds."""
        said: Tensor = self.layer(x)
        added: Tensor = self.up(F.gelu(self.down(said)))
        return said + added


def insert_adapters(network: Any, width: int) -> list[str]:
    """Put adapters behind every feed-forward block, in place.

    Returns:
        Names of the layers that got one.

    Raises:
        ModelError: The network has no such blocks.
    """
    names = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(_ENDS) and ".attention." not in name
    ]
    if not names:
        raise ModelError("the network has no feed-forward blocks that adapters fit", hint="take lora")
    for name in names:
        parent, _, last = name.rpartition(".")
        home = network.get_submodule(parent)
        setattr(home, last, Adapted(getattr(home, last), width).to(getattr(home, last).weight.device))
    return names


def adapter_state(network: Any) -> dict[str, Tensor]:
    """The weights of the adapters alone, by name."""
    return {
        name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
        if ".down." in name or ".up." in name
    }


def without_adapters(network: Any) -> Any:
    """The network as it was before, in place."""
    for name, module in list(network.named_modules()):
        if isinstance(module, Adapted):
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, module.layer)
    return network


def load_adapters(network: Any, folder: Path, name: str) -> None:
    """Put the adapters of a folder into its network, where it has any.

    Raises:
        ModelError: They do not fit the network.
    """
    path = folder / ADAPTERS_FILE
    if not path.is_file():
        return
    from safetensors.torch import load_file

    from seektrack.checkpoints import check_finite

    try:
        state = load_file(path)
        width = next(value.shape[0] for key, value in state.items() if key.endswith("down.weight"))
    except (OSError, StopIteration, ValueError) as error:
        raise ModelError(
            f"the adapters of {name!r} cannot be read: {error}", hint="train it again"
        ) from error
    check_finite(state, name)
    insert_adapters(network, int(width))
    own = set(adapter_state(network))
    if own != set(state):
        raise ModelError(f"the adapters of {name!r} are those of another network", hint="train it again")
    network.load_state_dict(state, strict=False)
