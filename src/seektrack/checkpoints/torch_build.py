"""What the installed torch was built for, read from its files: loading it takes seconds."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
from pathlib import Path

_BUILT_WITH = re.compile(r"^(cuda|hip|xpu)\b[^=]*= *(.*)$", re.MULTILINE)


def built_for() -> frozenset[str]:
    """What the installed torch was built for beside the CPU; empty when that cannot be read."""
    found = importlib.util.find_spec("torch")
    for folder in (found.submodule_search_locations or ()) if found else ():
        with contextlib.suppress(OSError):
            told = _BUILT_WITH.findall(Path(folder, "version.py").read_text(encoding="utf-8"))
            return (
                frozenset({"cpu", *(kind for kind, value in told if value != "None")})
                if told
                else frozenset()
            )
    return frozenset()


def picks_cpu() -> bool:
    """Whether torch, left to choose a device, would compute on the CPU.

    Torch is loaded only where it was built for something else too. True where it is not installed.
    """
    from seektrack.checkpoints.devices import pick_device
    from seektrack.checkpoints.runtimes import has_torch

    if not has_torch() or (sys.platform != "darwin" and built_for() == {"cpu"}):
        return True
    return pick_device(None).type == "cpu"
