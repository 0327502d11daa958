"""One training on several processes and in half precision: the same steps, on a share of each batch.

A training that adopts this does five things, and then runs unchanged on one process or on many::

    scale = Scale(device=device, precision="bf16")        # joins the others when launched with them
    network = scale.spread(network)                       # gradients are averaged over the processes
    mine = scale.share(batch)                             # every process draws the same batch, takes its part
    with scale.autocast():
        rows = network(mine)
    loss = loss_of(scale.gather(rows))                    # of the global batch, on every process
    scale.step(loss, optimiser, parameters, max_norm=1.0)

Checkpoints are written where ``scale.main`` is true; what the clock decides is asked of
:meth:`Scale.agree`, since two clocks differ. Launch it with ``torchrun`` or ``accelerate launch``, which tell
each process who it is, or with :func:`launch`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from seektrack.checkpoints import pick_device
from seektrack.errors import InputError, ModelError

PRECISIONS = ("fp32", "bf16", "fp16")
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the first of them measures and writes alone."""
_Batch = TypeVar("_Batch", Sequence[Any], NDArray[Any])


class Scale:
    """Which process this is among how many, where it computes, and how precisely.

    Args:
        device: ``"cpu"``, ``"cuda"``…; the best there is by default. Of several processes on CUDA each
            takes the card of its local rank.
        precision: ``fp32``; ``bf16`` or ``fp16`` compute in half precision and keep weights in float32,
            ``fp16`` with a scaled loss, steps whose gradients overflow being left out.

    Attributes:
        rank, world: Number of this process, and how many there are.
        device: Where this one computes.

    Raises:
        InputError: Unknown precision.
        ModelError: The device is not there, or the processes cannot find each other.
    """

    def __init__(self, *, device: str | None = None, precision: str = "fp32") -> None:
        if precision not in PRECISIONS:
            raise InputError(f"unknown precision {precision!r}", hint=f"choose from {', '.join(PRECISIONS)}")
        self.precision = precision
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        chosen = pick_device(device)
        if self.world > 1 and chosen.type == "cuda" and chosen.index is None:
            chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        self.device = chosen
        self._joined = self.world > 1 and not dist.is_initialized()
        if self._joined:
            self._join()
        self._scaler = torch.amp.GradScaler(chosen.type, enabled=precision == "fp16")

    def _join(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        try:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo", timeout=_PATIENCE)
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"process {self.rank} of {self.world} cannot join the others: {error}",
                hint="launch with torchrun, accelerate launch or --processes, or unset WORLD_SIZE",
            ) from error

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    @property
    def backend(self) -> str | None:
        """``gloo`` or ``nccl`` between processes; None for one alone."""
        return str(dist.get_backend()) if self.world > 1 else None

    def close(self) -> None:
        """Leave the others; call it when the training is over."""
        if self._joined and dist.is_initialized():
            dist.destroy_process_group()

    def spread(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over the processes after each backward pass.

        All weights are made those of the main process. Call the result, not the network, in a step.
        """
        if self.world == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids, find_unused_parameters=True)

    def fits(self, batch: int) -> None:
        """Refuse a batch that the processes cannot share evenly.

        Raises:
            InputError: ``batch`` is no multiple of the processes.
        """
        if batch % self.world:
            raise InputError(
                f"a batch of {batch} cannot be shared by {self.world} processes",
                hint=f"take a multiple of {self.world}",
            )

    def share(self, batch: _Batch) -> _Batch:
        """This process's part of a batch that all of them drew alike; parts follow in order of rank."""
        each = len(batch) // self.world
        return batch[self.rank * each : (self.rank + 1) * each]

    def autocast(self) -> AbstractContextManager[Any]:
        """Within it, the network computes in the precision chosen."""
        dtype = _DTYPES.get(self.precision, torch.bfloat16)
        return torch.autocast(self.device.type, dtype, enabled=self.precision in _DTYPES)

    def gather(self, rows: Tensor) -> Tensor:
        """The rows (B, ...) of all processes, in order of rank, (world x B, ...); gradients flow back.

        With the same loss of these on every process, and gradients averaged as :meth:`spread` does, a step
        is that of one process with the global batch.
        """
        if self.world == 1:
            return rows
        return torch.cat(list(_gather(rows)))

    def step(
        self,
        loss: Tensor,
        optimiser: torch.optim.Optimizer,
        parameters: Iterable[nn.Parameter],
        *,
        max_norm: float,
    ) -> None:
        """One update: backward pass, gradients clipped to ``max_norm``, the optimiser's step."""
        optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(list(parameters), max_norm)
        self._scaler.step(optimiser)
        self._scaler.update()

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes, where :meth:`spread` does not fit: several calls a step.

        A parameter without gradient in some processes counts as zero there; without one in any it stays so.
        """
        if self.world == 1:
            return
        weights = list(parameters)
        parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
        there = torch.tensor([w.grad is not None for w in weights], dtype=torch.float32, device=self.device)
        flat = torch.cat([there, *(part.float().flatten() for part in parts)])
        dist.all_reduce(flat)
        place = len(weights)
        for weight, found in zip(weights, flat[:place].tolist(), strict=True):
            end = place + weight.numel()
            weight.grad = flat[place:end].view_as(weight).to(weight.dtype) if found else None
            place = end

    def agree(self, value: Any) -> Any:
        """What the main process says, on all of them: a number of the clock, figures it measured."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device if self.device.type == "cuda" else None)
        return box[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the scale of the loss."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        if state:
            self._scaler.load_state_dict(state)


def _gather(rows: Tensor) -> tuple[Tensor, ...]:
    from torch.distributed.nn.functional import all_gather

    found: tuple[Tensor, ...] = all_gather(rows.contiguous())  # type: ignore[no-untyped-call]
    return found


def launched() -> bool:
    """Whether this process is one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def first() -> bool:
    """Whether this process is the first of several, or alone: the one that measures and writes."""
    return os.environ.get("RANK", "0") == "0"


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run ``python -m ARGUMENTS`` in several processes of this machine that know each other; waits for them.

    Args:
        arguments: Module, then its own arguments.
        processes: How many.

    Returns:
        The exit status: 0, or that of the launcher, which ends all when one fails.
    """
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
        "-m", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, check=False, env={"OMP_NUM_THREADS": "1", **os.environ}).returncode
