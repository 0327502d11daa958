"""Options that trainings share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seektrack.cli.models_export import frames_of
from seektrack.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
QuantisationAware = Annotated[
    bool,
    typer.Option(
        "--quantisation-aware",
        help="Round weights and inputs of linear layers to eight bits while learning, so that models export "
        "--precision int8 loses less.",
    ),
]
Prune = Annotated[
    float | None,
    typer.Option(
        "--prune",
        min=0,
        max=0.9,
        help="First take out this share of the hidden channels, those used least; the training repairs it.",
    ),
]
PruneBlocks = Annotated[
    int, typer.Option("--prune-blocks", min=0, help="With --prune: blocks of the image encoder that go too.")
]
PruneBy = Annotated[
    str | None,
    typer.Option(
        "--prune-by", metavar="VIDEO", help="With --prune: frames to judge by; drawn ones when left out."
    ),
]


@dataclass(frozen=True)
class Pruning:
    """What ``--prune`` and what goes with it say."""

    share: float | None
    blocks: int = 0
    by: str | None = None

    def start(self, model: str, part: Literal["text", "mask"], out: Path, *, fresh: bool) -> str:
        """The model to start from: as it is, or pruned into a folder of the training, once.

        Raises:
            InputError: Blocks or a video without ``--prune``.
        """
        if self.share is None:
            if self.blocks or self.by is not None:
                raise InputError("--prune-blocks and --prune-by go with --prune", hint="add --prune 0.3")
            return model
        folder = out / "training" / "pruned"
        if fresh or not (folder / "config.json").is_file():
            from seektrack.compression import prune
            from seektrack.pipeline import parse_model

            name = parse_model(model)[0 if part == "text" else 1]
            pictures = _drawn() if self.by is None else frames_of(self.by)
            prune(name, part, to=folder, share=self.share, blocks=self.blocks, pictures=pictures)
        return str(folder)


def _drawn() -> list[NDArray[np.uint8]]:
    """One frame of each of a dozen scenes that no measurement sees."""
    from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

    settings = SceneSettings(n_frames=1)
    return [render(sample_scene(seed, settings)).frames[0] for seed in seeds(Split.TRAIN, 12)]
