"""``seektrack world``: generated footage with perfect truth, in the layouts training data comes in."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from seektrack.cli.common import AsJson, Quiet, Screen, short_path
from seektrack.cli.values import LAYOUTS, completing
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.world import Split

app = typer.Typer(help="Draw footage whose every pixel, identity and motion is known.", no_args_is_help=True)

_CLIP_FRAMES = 24
_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="New or empty folder.", show_default=False)],
    layout: Annotated[
        str,
        typer.Option(
            "--layout",
            help="mp4, davis, youtube-vos, mot, coco, flickr30k, msr-vtt, dicom or nifti.",
            autocompletion=completing(LAYOUTS),
        ),
    ] = "mp4",
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="How many.")] = 20,
    style: Annotated[str, typer.Option("--style", help="plain, rich or scan.")] = "plain",
    split: Annotated[
        str, typer.Option("--split", help="train, validation, benchmark, demo or test: no scene is in two.")
    ] = "train",
    start: Annotated[
        int, typer.Option("--start", min=0, help="Leave out this many scenes of the split first.")
    ] = 0,
    size: Annotated[
        str, typer.Option("--size", help="Pixels: 256, or 320x240 for width and height.")
    ] = "256",
    n_frames: Annotated[
        int | None,
        typer.Option(
            "--frames", min=1, help="Of each scene: 24 unless given, 1 where the layout keeps one picture."
        ),
    ] = None,
    objects: Annotated[
        str, typer.Option("--objects", help="Named objects in a scene: 3, or 1-6 for a range.")
    ] = "1-6",
    categories: Annotated[
        str | None, typer.Option("--categories", help="What the objects may be, such as car,dog,umbrella.")
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="Of captions: en, de, fr, es, or several with commas.")
    ] = "en",
    pictures: Annotated[
        str, typer.Option("--pictures", help="jpg, or png, which loses nothing and takes more room.")
    ] = "jpg",
    fps: Annotated[float, typer.Option("--fps", help="Frames per second.")] = 25.0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Render scenes into a folder with all that is known of them, as DAVIS, MOT, COCO and others lay it out.

    The same call draws the same scenes anywhere. The folder appears whole, or not at all.
    """
    from seektrack.world import SceneSettings, sample_scene, seeds
    from seektrack.world.layouts import LAYOUTS, write_layout

    screen = Screen(quiet=quiet, as_json=as_json)
    if layout not in LAYOUTS:
        raise InputError(f"no layout {layout!r}", hint=f"layouts: {', '.join(LAYOUTS)}")
    width, height = _pair(size, _SIZE, "--size", "256 or 320x240")
    settings = SceneSettings(
        style=style,
        categories=_names(categories),
        width=width,
        height=height,
        n_frames=n_frames or (1 if LAYOUTS[layout].pictures else _CLIP_FRAMES),
        actors=_pair(objects, _RANGE, "--objects", "3 or 1-6"),
    )
    if not 0 < fps <= 1000:
        raise InputError(f"--fps cannot be {fps}", hint="above 0 and up to 1000")
    chosen = seeds(_split(split), scenes, start=start)
    with screen.progress() as progress:
        made = write_layout(
            (sample_scene(seed, settings) for seed in chosen),
            out,
            layout=layout,
            split=_layout_split(split, layout),
            fps=Fraction(str(fps)),
            pictures=pictures,
            languages=_names(language) or (),
            total=scenes,
            progress=progress,
        )

    def human(console: Console) -> None:
        where = short_path(str(made.folder))
        console.print(f"{made.scenes} scenes, {made.frames} pictures in {where}")
        if not screen.quiet:
            console.print("read them with", style="dim")
            console.print(f"  from seektrack.training.datasets import {made.reader.split('(')[0]}")
            console.print(f"  {made.reader}")

    screen.result(made, human)


def _pair(text: str, form: re.Pattern[str], option: str, examples: str) -> tuple[int, int]:
    """Two numbers, the second like the first unless given."""
    found = form.fullmatch(text.strip())
    numbers = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if found is None or (option == "--objects" and numbers[0] > numbers[1]):
        raise InputError(f"{option} cannot be {text!r}", hint=f"such as {examples}")
    return numbers


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _split(name: str) -> Split:
    from seektrack.world import Split

    known = {split.name.lower(): split for split in Split}
    if name not in known:
        raise InputError(f"no split {name!r}", hint=f"splits: {', '.join(known)}")
    return known[name]


def _layout_split(name: str, layout: str) -> str:
    """What the layouts themselves call a split."""
    if name != "validation":
        return name
    return "validate" if layout == "msr-vtt" else "val"
