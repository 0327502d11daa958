"""Options that every training has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for checkpoints, the log and the finished model.")
]
Minutes = Annotated[
    float,
    typer.Option(
        "--max-minutes",
        "--minutes",
        min=0.1,
        help="End, with a finished model, after this long in all; the learning rate falls in time.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over instead of going on from what --out holds.")]
