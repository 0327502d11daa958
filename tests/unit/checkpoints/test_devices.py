"""What a network computes in where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seektrack.checkpoints import pick_dtype
from seektrack.errors import ModelError

CPU = torch.device("cpu")


def test_small_networks_and_what_is_said_stay() -> None:
    assert pick_dtype(None, CPU, parameters=1_000_000) is torch.float32
    assert pick_dtype("float32", CPU, parameters=10**9) is torch.float32
    assert pick_dtype(None, torch.device("cuda")) is torch.float16
    with pytest.raises(ModelError, match="float8"):
        pick_dtype("float8", CPU)


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="says what the CPU has on Linux alone")
def test_large_ones_take_bfloat16_where_the_cpu_has_it() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    wanted = torch.bfloat16 if flags & {"avx512_bf16", "amx_tile"} else torch.float32
    assert pick_dtype(None, CPU, parameters=10**8) is wanted
