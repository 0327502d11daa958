"""Where networks run, and in which precision: the one choice of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seektrack.errors import ModelError, needs_torch

if TYPE_CHECKING:
    import torch

_KINDS = ("cpu", "cuda", "mps", "xpu")


def pick_device(device: str | torch.device | None) -> torch.device:
    """The named device, or the best there is: CUDA, Apple's MPS, CPU.

    Raises:
        ModelError: No such device, or not on this machine; torch is not installed.
    """
    _check_torch(device)
    import torch

    if device is None:
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    kind = str(device).partition(":")[0]
    hint = f"here there is {', '.join(_there())}; leave --device out to have it chosen"
    if kind not in _KINDS:
        raise ModelError(f"there is no device {str(device)!r}", hint=hint)
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"device {str(device)!r} cannot be used: {reason}", hint=hint) from error
    return chosen


def pick_dtype(dtype: str | None, device: torch.device, *, parameters: int = 0) -> torch.dtype:
    """The named floating-point type, or what the device computes quickly in.

    Args:
        dtype: ``float32``, ``float16`` or ``bfloat16``. If None: float16 on CUDA; bfloat16 on a CPU that has
            instructions for it, where the network is large; float32 elsewhere.
        device: Where it will compute.
        parameters: Of the network.

    Raises:
        ModelError: An unknown name.
    """
    import torch

    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if dtype is None:
        if device.type == "cuda":
            return torch.float16
        large = device.type == "cpu" and parameters >= _LARGE
        return torch.bfloat16 if large and _cpu_has_bfloat16() else torch.float32
    if dtype not in known:
        raise ModelError(f"unknown dtype {dtype!r}", hint=f"allowed: {', '.join(known)}")
    return known[dtype]


_LARGE = 30_000_000
"""Parameters from which bfloat16 is quicker on a CPU by more than its conversions cost."""


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies in bfloat16 itself; False where this torch cannot tell."""
    import torch

    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in asked)


def _check_torch(device: object) -> None:
    from seektrack.checkpoints.runtimes import has_torch

    if not has_torch():
        raise needs_torch("this" if device is None else f"the device {str(device)!r}")


def _there() -> list[str]:
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]
