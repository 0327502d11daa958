"""Options of everything that asks a library or a video: where to look, how, and where results go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.values import ONLY, RANK_BY, complete_video, completing

Count = Annotated[int, typer.Option("-k", "--count", min=1, help="At most this many.")]
StartS = Annotated[
    float | None, typer.Option("--start", min=0.0, help="Only from this second of the video on.")
]
EndS = Annotated[float | None, typer.Option("--end", min=0.0, help="Only before this second of the video.")]
InVideo = Annotated[
    Path | None, typer.Option("--video", help="Only in this video.", autocompletion=complete_video)
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only",
        help="Look at proposed [bold]objects[/] or whole [bold]frames[/].",
        autocompletion=completing(ONLY),
    ),
]
Within = Annotated[
    float | None,
    typer.Option("--within", min=0, help="Most seconds between two steps of an order of events; 30."),
]
Label = Annotated[str | None, typer.Option("--label", help="With --hits: only pictures that also show this.")]
RankBy = Annotated[
    str | None,
    typer.Option(
        "--rank-by",
        help="With --hits: confidence, cosine, centred, whitened or qb-norm.",
        autocompletion=completing(RANK_BY),
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option("--min-confidence", min=0, max=1, help="With --hits: leave out what is less believed."),
]
Translate = Annotated[
    str | None, typer.Option("--translate", help="Translate the text first, with this model.")
]
Verbatim = Annotated[bool, typer.Option("--verbatim", help="Do not put mistyped words right.")]
Motion = Annotated[
    bool,
    typer.Option(
        "--motion/--no-motion",
        help='Ask the clips of a library indexed with --temporal about "moving left", "leaves" and the like.',
    ),
]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Also write what was found to this CSV file.")]
FramesDir = Annotated[
    Path | None, typer.Option("--frames", help="Also save each key frame as JPEG in this folder.")
]
SheetFile = Annotated[
    Path | None, typer.Option("--sheet", help="Also lay the key frames out on this JPEG contact sheet.")
]
