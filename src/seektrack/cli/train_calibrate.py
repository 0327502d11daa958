"""``seektrack train calibrate``: what a text encoder knows, and what its scores mean, measured."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Device, Quiet, Screen, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.errors import InputError


def calibrate(
    model: Annotated[Path, typer.Argument(help="The folder of a text encoder; the files are written there.")],
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--pictures", help="Pictures, films or folders of the kinds it was trained with; repeatable."
        ),
    ] = None,
    world: Annotated[
        list[str] | None,
        typer.Option(
            "--world", help="It was trained with this style of the drawn world: plain, rich or scan."
        ),
    ] = None,
    drawn_pictures: Annotated[
        int, typer.Option("--drawn", min=100, help="Pictures drawn of each --world.")
    ] = 1500,
    unlike: Annotated[
        list[Path] | None,
        typer.Option("--unlike", help="Pictures it was not shown the like of: they make the border sharper."),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library", "-l", help="Footage it knows, indexed with it: its thresholds are learnt there."
        ),
    ] = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure what a text encoder knows, so that of other footage it says how sure it is, is unknown.

    Writes domain.safetensors and, with --library, calibration.json beside the weights, which stay as they
    are. Libraries made with the encoder stay valid; index their videos again to have them compared with what
    it knows, which takes a small part of the time.
    """
    if not pictures and not world:
        raise InputError(
            "nothing says what the encoder was trained with", hint="give --pictures FOLDER, or --world plain"
        )
    spare_threads("pocket")
    from seektrack.encoders import load_encoder
    from seektrack.library import LibraryStore
    from seektrack.retrieval import derive
    from seektrack.training.calibrate import drawn, measure, pictures_in
    from seektrack.world import Split

    screen = Screen(quiet=quiet, as_json=as_json)
    encoder = load_encoder(model, device=device)
    styles, count = world or [], drawn_pictures
    shown = itertools.chain.from_iterable(drawn(style, Split.TRAIN, count, start=70_000) for style in styles)
    held = itertools.chain.from_iterable(drawn(style, Split.VALIDATION, count // 4) for style in styles)
    # Pictures from disk are parted by the measuring itself; drawn ones come from seeds of their own.
    both = pictures is not None and bool(styles)
    if both:
        every = list(pictures_in(pictures or []))
        shown, held = itertools.chain(shown, every[::2], every[1::4]), itertools.chain(held, every[3::4])
    with screen.progress(each="what it was") as progress:
        made = measure(
            encoder,
            model,
            shown=shown if styles else pictures_in(pictures or []),
            held_out=held if styles else None,
            unlike=pictures_in(unlike) if unlike else (),
            about=", ".join(
                [*(f"drawn world, {style}" for style in styles), *(p.name for p in pictures or [])]
            ),
            progress=progress,
        )
    figures: dict[str, object] = {
        "pictures": made.domain.pictures,
        "held_out_inside": made.inside,
        "domain": str(model / "domain.safetensors"),
    }
    if made.unlike_inside is not None:
        figures["unlike_inside"] = made.unlike_inside
    if library is not None:
        with LibraryStore.open(library, readonly=True) as store:
            store.require(model=encoder.name, fingerprint=encoder.fingerprint)
            with screen.waiting("learning the thresholds from the library"):
                calibration = derive(store, encoder)
        calibration.save(model, weights=encoder.fingerprint)
        figures |= vars(calibration)
    print_figures(screen, figures)
