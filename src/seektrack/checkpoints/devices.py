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


def pick_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """The named floating-point type, or float16 on CUDA and float32 elsewhere.

    Raises:
        ModelError: An unknown name.
    """
    import torch

    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if dtype is None:
        return torch.float16 if device.type == "cuda" else torch.float32
    if dtype not in known:
        raise ModelError(f"unknown dtype {dtype!r}", hint=f"allowed: {', '.join(known)}")
    return known[dtype]


def _check_torch(device: object) -> None:
    from seektrack.checkpoints.runtimes import has_torch

    if not has_torch():
        raise needs_torch("this" if device is None else f"the device {str(device)!r}")


def _there() -> list[str]:
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]
