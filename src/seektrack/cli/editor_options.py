"""Options that hand what was found to an editor or a player."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seektrack.cli.common import plain
from seektrack.types import Hit, Moment

if TYPE_CHECKING:
    from seektrack.retrieval import Chain

ClipsDir = Annotated[
    Path | None, typer.Option("--clips", help="Also cut each moment out as MP4 with sound, into this folder.")
]
EdlFile = Annotated[
    Path | None, typer.Option("--edl", help="Also write the moments as an edit decision list (CMX 3600).")
]
OtioFile = Annotated[
    Path | None, typer.Option("--otio", help="Also write the moments as an OpenTimelineIO timeline.")
]
VttFile = Annotated[
    Path | None,
    typer.Option("--vtt", help="Also write the moments as WebVTT cues; a file for each video."),
]


def coded(found: Sequence[Moment] | Sequence[Hit] | Sequence[Chain]) -> list[dict[str, Any]]:
    """What was found as plain values, each moment with its time codes and frames where its video is there."""
    from seektrack.retrieval import codes_of

    values: list[dict[str, Any]] = [plain(one) for one in found]
    for value, one in zip(values, found, strict=True):
        if not isinstance(one, Moment):
            continue
        steps = getattr(one, "moments", ())
        held, moments = (value["moments"], steps) if steps else ([value], (one,))
        for target, codes in zip(held, codes_of(moments), strict=True):
            target.update(codes)
    return values


def save_for_editor(
    found: Sequence[Moment] | Sequence[Hit] | Sequence[Chain],
    text: str,
    clips_dir: Path | None,
    edl_file: Path | None,
    otio_file: Path | None,
    vtt_file: Path | None,
) -> None:
    """Write what was found in the forms that were asked for.

    Raises:
        OutputError: A file cannot be written.
    """
    from seektrack.retrieval import save_clips, save_edl, save_otio, save_vtt

    title = text or "seektrack"
    if edl_file is not None:
        save_edl(found, edl_file, title=title)
    if otio_file is not None:
        save_otio(found, otio_file, title=title)
    if vtt_file is not None:
        save_vtt(found, vtt_file, text=text)
    if clips_dir is not None:
        save_clips(found, clips_dir)
