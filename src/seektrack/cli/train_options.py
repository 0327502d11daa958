"""Options that trainings share."""

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
Workers = Annotated[
    int,
    typer.Option("--workers", min=0, help="Processes that draw or read footage; 0 does it in this one."),
]
Processes = Annotated[
    int, typer.Option("--processes", help="Processes to share each step, one per GPU or CPU core.", min=1)
]
Accumulate = Annotated[
    int | None,
    typer.Option(
        "--accumulate",
        help="Groups of stretches a step, their gradients averaged; the recipe's own, or one a process, when "
        "left out.",
        min=1,
    ),
]
Model = Annotated[
    str, typer.Option("--model", help="What to start from: a built-in name, a folder or a hub id.")
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", help="Peak; what suits recipe and network when left out."),
]
ScaleRate = Annotated[
    bool,
    typer.Option(
        "--scale-rate", help="Multiply the learning rate by the root of how much larger the global batch is."
    ),
]
Rank = Annotated[int, typer.Option("--rank", help="Rank of lora's adapters, width of adapter layers.", min=1)]
NoAugment = Annotated[bool, typer.Option("--no-augment", help="Show the pictures as they are.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the split, the order and the augmentation.", min=0)]
