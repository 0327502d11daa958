"""Options of the segmentation engine, and the settings they mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from seektrack.checkpoints import parse_preset
from seektrack.cli.values import (
    FLOW,
    POST,
    PRECISION,
    PREDICTORS,
    PROPAGATION,
    REFINE,
    REMEMBER,
    completing,
    completing_several,
)
from seektrack.pipeline.follow_words import FollowWords

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings

Resolution = Annotated[
    int | None,
    typer.Option(
        "--resolution",
        min=64,
        max=4096,
        help="Side of the square the segmentation network sees, a multiple of 32; more is finer and slower.",
    ),
]
Propagation = Annotated[
    str | None,
    typer.Option(
        "--propagation",
        metavar="MODE",
        show_default="memory, or the model's own",
        help="How masks get from frame to frame: memory, every frame through the network; hybrid, one frame"
        " in --every, optical flow between; flow, prompted frames alone.",
        autocompletion=completing(PROPAGATION),
    ),
]
Every = Annotated[
    int, typer.Option("--every", min=1, help="With hybrid: the network sees one frame in so many.")
]
FlowMethod = Annotated[
    str,
    typer.Option(
        "--flow",
        metavar="METHOD",
        help="Optical flow: dis, farneback, or raft with torchvision.",
        autocompletion=completing(FLOW),
    ),
]
RememberFrames = Annotated[
    str,
    typer.Option(
        "--remember",
        metavar="FRAMES",
        help="Which frames an object is remembered by: seen, those it was on, so that it is known again after"
        " it was hidden; or all, as the reference SAM 2 does.",
        autocompletion=completing(REMEMBER),
    ),
]
Refine = Annotated[
    str | None,
    typer.Option(
        "--refine",
        metavar="METHOD",
        help="Look at every object closer, in source resolution: roi, progressive, multiscale or tiles.",
        autocompletion=completing(REFINE),
    ),
]

Post = Annotated[
    str,
    typer.Option(
        "--post",
        metavar="STEPS",
        help="Clean masks up, as close:3,fill:64; steps are close, open, smooth, fill, specks, largest,"
        " contour, spline, grabcut, snap. none leaves them as they come.",
        autocompletion=completing_several(POST),
    ),
]
MaskThreshold = Annotated[
    float, typer.Option("--mask-threshold", help="Logit above which a pixel is inside; higher is tighter.")
]
MinObjectScore = Annotated[
    float | None,
    typer.Option(
        "--min-object-score",
        min=0.0,
        max=1.0,
        help="A mask of an object less likely to be there is not believed.",
    ),
]
Predictor = Annotated[
    str,
    typer.Option(
        "--predictor",
        metavar="NAME",
        help="What tells where hidden objects are: kalman, lstm, transformer, or a folder that train"
        " trajectory wrote.",
        autocompletion=completing(PREDICTORS),
    ),
]
Exclusive = Annotated[
    bool, typer.Option("--exclusive", help="Give a pixel claimed by several objects to the surest.")
]
Fuse = Annotated[
    int,
    typer.Option(
        "--fuse",
        min=0,
        max=8,
        metavar="FRAMES",
        help="Make masks steadier: those of so many frames on either side, carried along the optical flow,"
        " vote on each, and gaps of up to five frames are filled. 1 is usual; 0 leaves masks as they come.",
    ),
]
Amodal = Annotated[
    bool,
    typer.Option(
        "--amodal",
        help="Also estimate the whole mask of what is partly or wholly hidden; in json and overlay.",
    ),
]

Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="TYPE",
        help="What the segmentation network computes in: fp32, bf16, or on a GPU fp16.",
        autocompletion=completing(PRECISION),
    ),
]


def follow_settings(words: FollowWords, *, model: str, device: str | None) -> FollowSettings | None:
    """The settings for following that options mean; None where every option has its default.

    Raises:
        InputError: A mode, method, step or precision is unknown.
        ModelError: The flow method cannot be had, or there is no such predictor.
    """
    mode = words.propagation or parse_preset(model).propagation
    return replace(words, propagation=mode).settings(
        device=device, spoken=lambda name: "--" + name.replace("_", "-")
    )
