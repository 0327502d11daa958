"""Options of ``track`` that choose who finds objects and who says which is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seektrack.cli.values import ANOMALIES, complete_tracker, completing
from seektrack.errors import InputError
from seektrack.types import Prompt

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings

DetectionsFile = Annotated[
    Path | None,
    typer.Option(
        "--detections",
        metavar="FILE",
        help="Give the boxes of a MOT or COCO file identities, instead of --text; boxes of every frame, from"
        " any detector.",
    ),
]
Masks = Annotated[
    bool, typer.Option("--masks", help="With --detections: make a mask of each box that has none.")
]
TrackerName = Annotated[
    str | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        show_default="the engine follows; seektrack with --detections",
        help="Ground single frames and let this tracker say who is who: seektrack, sort, bytetrack, ocsort,"
        " botsort.",
        autocompletion=complete_tracker,
    ),
]
GroundEvery = Annotated[
    int | None,
    typer.Option("--ground-every", min=1, help="With --tracker: one frame in so many is grounded."),
]
GrounderName = Annotated[
    str | None,
    typer.Option(
        "--grounder",
        metavar="NAME",
        show_default="proposals",
        help="What finds the --text: proposals, hf:ID for a detector of transformers, sam3:ID for SAM 3.",
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        min=0.0,
        max=1.0,
        show_default="0.5, or the grounder's own",
        help="Least confidence of a track that is kept.",
    ),
]


Anomalies = Annotated[
    str,
    typer.Option(
        "--anomalies",
        metavar="HOW",
        help="Places where tracks are likely wrong: repair, told and what is proven put right; tell, told "
        "only; off, not looked for.",
        autocompletion=completing(ANOMALIES),
    ),
]


DepthFrom = Annotated[
    str | None,
    typer.Option(
        "--depth",
        metavar="FOLDER",
        help="Give pixels two objects claim to the one in front: a folder of depth maps by frame number "
        "(.png, .npy), or hf:ID for a depth network of transformers.",
    ),
]
Pieces = Annotated[
    float | None,
    typer.Option(
        "--pieces",
        metavar="SECONDS",
        help="Cut one long video into pieces of so many seconds, followed side by side with --workers, and"
        " join what was followed.",
    ),
]


Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        metavar="PIXELS",
        help="Cut very large pictures into overlapping tiles of so many pixels a side, followed side by side"
        " with --workers, and join what was followed: what is small is found.",
    ),
]


def check_pieces(
    pieces: float | None, tile: int | None, *, one_video: bool, text: Sequence[str] | None
) -> None:
    """See that cutting into pieces or tiles goes with what is asked for.

    Raises:
        InputError: It does not, or a piece has no length.
    """
    if pieces is None and tile is None:
        return
    if pieces is not None and tile is not None:
        raise InputError("--pieces and --tile cut one video two ways", hint="give one of them")
    if not one_video or text is None:
        name = "--pieces" if tile is None else "--tile"
        raise InputError(
            f"{name} goes with --text and one video", hint="several videos are shared out without it"
        )
    if pieces is not None and not pieces > 0:
        raise InputError(f"--pieces must be longer than 0 seconds, got {pieces:g}")


def with_names(
    settings: FollowSettings | None,
    *,
    tracker: str | None,
    ground_every: int | None,
    grounder: str | None,
    min_confidence: float | None,
) -> FollowSettings | None:
    """The settings with what these options choose.

    Raises:
        InputError: A name is unknown.
    """
    if (tracker, ground_every, grounder, min_confidence) == (None,) * 4:
        return settings
    from seektrack.pipeline.detections import check_asked, chosen_settings

    check_asked("text", None, None, masks=False, tracker=tracker, grounder=grounder)
    return chosen_settings(
        settings,
        tracker=tracker,
        ground_every=ground_every,
        grounder=grounder,
        min_confidence=min_confidence,
    )


def check_together(
    text: Sequence[str] | None,
    prompts: Sequence[Prompt],
    detections: Path | None,
    *,
    masks: bool,
    tracker: str | None,
    grounder: str | None,
    every: int | None,
) -> None:
    """See that what is asked for goes together.

    Raises:
        InputError: It does not.
    """
    given = [name for name, there in (("--text", text), ("--detections", detections)) if there is not None]
    given += ["--point, --box or --prompts"] if prompts else []
    if len(given) > 1 and detections is not None:
        raise InputError(f"both {given[0]} and {given[1]} given", hint="give one of them")
    if masks and detections is None:
        raise InputError("--masks goes with --detections", hint="a text and prompts give masks anyway")
    if prompts and tracker is not None:
        raise InputError("--tracker goes with --text or --detections", hint="leave it out")
    if text is None and grounder is not None:
        raise InputError("--grounder goes with --text", hint="it finds what the text names")
    if every is not None and (text is None or tracker is None):
        raise InputError("--ground-every goes with --text and --tracker", hint="name a --tracker")
