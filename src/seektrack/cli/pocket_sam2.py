"""``seektrack pocket sam2`` and ``sam2-pair``: the pocket segmenter, and two of them in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seektrack.cli.common import AsJson, Device, Quiet, Screen, quoted
from seektrack.cli.figures import print_figures
from seektrack.cli.processes import in_processes, processes_here, spoken_by_another
from seektrack.cli.train_options import Accumulate, Fresh, Minutes, Out, Processes, Workers
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.training.sam2 import Material, Sam2Recipe


def sam2(
    context: typer.Context,
    out: Out,
    minutes: Minutes = 360.0,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="pocket, polish, follow, deepen, steady or real (go on from --init), smoke "
            "(seconds, to try) or a recipe.json; when left out the one in --out, else pocket.",
        ),
    ] = None,
    style: Annotated[str, typer.Option("--style", help="Of most scenes: rich or plain.")] = "rich",
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            help="Weights to start from instead of random ones: pocket or a folder; where there are two sets,"
            " recipe real starts from that of photographs, the others from that of the drawn world.",
        ),
    ] = None,
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--pictures",
            help="Photographs cut into regions, ID.jpg with ID.0.png, ID.1.png beside it, for recipe real; "
            "may be given again.",
        ),
    ] = None,
    films: Annotated[
        list[str] | None,
        typer.Option(
            "--films",
            help="Films with masks, as train sam2 --data takes them, for recipe real; may be given again.",
        ),
    ] = None,
    workers: Workers = 1,
    processes: Processes = 1,
    accumulate: Accumulate = None,
    fresh: Fresh = False,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the segmenter, on the drawn world and then photographs; interrupted, the same command goes on."""
    from seektrack.training.sam2 import CONTINUING, RECIPES, Sam2Recipe, read_material, train_sam2

    silent = spoken_by_another()
    screen = Screen(quiet=quiet or silent, as_json=as_json)
    world = max(processes, processes_here())
    name = recipe or (str(out / "recipe.json") if (out / "recipe.json").is_file() else "pocket")
    if name.endswith(".json") and Path(name).is_file():
        chosen = Sam2Recipe.from_json(Path(name).read_text(encoding="utf-8"))
    elif name in RECIPES:
        chosen = RECIPES[name](style=style)
    else:
        raise InputError(
            f"unknown recipe {name!r}",
            hint=f"choose from {', '.join(RECIPES)}, or name the recipe.json of a training",
        )
    if name in CONTINUING and init is None:
        raise InputError(
            f"recipe {name} goes on from a finished model, and there is no --init",
            hint="add --init pocket, or the model/ folder of an earlier training",
        )
    material = read_material(pictures or (), films or ())
    _check_material(chosen, material)
    if accumulate or world > 1:
        chosen = replace(chosen, accumulate=accumulate or max(chosen.accumulate, world))
    if in_processes(context, processes):
        return
    with screen.waiting("training"):
        figures = train_sam2(
            chosen,
            out,
            init=init,
            max_minutes=minutes,
            workers=workers,
            resume=not fresh,
            device=device,
            material=material,
            progress=_teller(screen),
        )
    if not silent:
        print_figures(screen, figures)
        screen.note("use it with --model " + quoted(f"pocket+{out / 'model'}"))


def sam2_pair(
    drawn: Annotated[str, typer.Argument(help="The segmenter of the drawn world: a folder or pocket:drawn.")],
    photographs: Annotated[
        str,
        typer.Argument(help="That of photographs and films, of the same build: such as runs/films/model."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the result.")],
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--pictures",
            help="Photographs, as for pocket sam2: what chooses between the two is taught anew on them, on"
            " --films and on drawn scenes; without both it is the built-in one's. May be given again.",
        ),
    ] = None,
    films: Annotated[
        list[str] | None, typer.Option("--films", help="Films, as for pocket sam2; may be given again.")
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            "--resolution",
            help="Side of the square in which photographs and films are seen, in pixels, a multiple of 32:"
            " finer outlines for more time; that of the second segmenter when left out.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Put two segmenters into one folder, of which each video gets the one that knows its kind of picture."""
    from seektrack.checkpoints.graphs import has_graphs
    from seektrack.training.sam2 import fit_gate, pair, read_material

    screen, gate = Screen(quiet=quiet, as_json=as_json), None
    material = read_material(pictures or (), films or ())
    if material:
        with screen.waiting("teaching the gate"):
            gate = fit_gate(material)
    pair(drawn, photographs, out, gate=gate, resolution=resolution)
    print_figures(screen, {"folder": str(out), "gate": "taught" if gate else "the built-in one's"})
    if has_graphs(out):
        screen.note(f"write its graphs again: seektrack models export {quoted(out)} --beside")
    screen.note(f"use it with --model pocket+{out}")


def _check_material(recipe: Sam2Recipe, material: Material) -> None:
    """Pictures and films that no stage would look at, or that are wanted and missing, are a mistake."""
    if recipe.real and not material:
        raise InputError(
            "this recipe learns from photographs and films, and there are none",
            hint="add --pictures FOLDER or --films FOLDER, or take another --recipe",
        )
    if material and not recipe.real:
        raise InputError("this recipe looks at the world alone", hint="take --recipe real")


def _teller(screen: Screen) -> Callable[[Mapping[str, Any]], None]:
    """What training calls after each validation: one line of figures."""

    def tell(row: Mapping[str, Any]) -> None:
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items() if v != ""}
        screen.note("  ".join(f"{name} {value}" for name, value in shown.items()))

    return tell
