"""``seektrack eval retrieval`` and ``eval clip``: encoders on captions and on names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, Model, Quiet, Screen, spare_threads, table
from seektrack.cli.eval_tracking import Markdown
from seektrack.cli.figures import figure, figure_table, print_figures, report_figures
from seektrack.cli.report_options import ReportFile, check_report
from seektrack.cli.search_options import given_templates
from seektrack.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from seektrack.evaluation.captions import TextReport, TextSettings, ZeroShotReport

Against = Annotated[
    list[str] | None,
    typer.Option("--against", help="Another encoder, on the same things; again for more."),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help='A wording such as "a scan of {}", again for more; or a set: auto, none, basic, enriched, '
        "adaptive, multilingual.",
    ),
]
Split = Annotated[
    str | None, typer.Option("--split", help="Part of the data set: train, val, test or what it knows.")
]
Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the pictures or videos, where it is not beside the captions."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=2, help="Most of the data set, spread evenly.")]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames looked at of a video or a moment.")]
_DATASET = (
    "COCO captions, Flickr30k or MSR-VTT (the folder, or its captions file), a folder with captions.csv "
    "(file,caption) or moments.csv (video,start,end,text), folders named by what their pictures show, or "
    "world:40,style=rich"
)


def retrieval(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help=f"{_DATASET}. Left out: footage of the drawn world is rendered, indexed and searched."
        ),
    ] = None,
    against: Against = None,
    library: Annotated[
        list[Path] | None,
        typer.Option(
            "--library",
            "-l",
            help="Search this library for the texts instead; made of the data set where it is not there. "
            "Again for another beside it.",
        ),
    ] = None,
    template: Template = None,
    split: Split = None,
    images: Images = None,
    limit: Limit = None,
    frames: Frames = 4,
    markdown: Markdown = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also draw R@k, and the noise sweep, to this picture.")
    ] = None,
    trec: Annotated[
        Path | None,
        typer.Option("--trec", help="Also write rankings and judgements for trec_eval to this folder."),
    ] = None,
    noise: Annotated[
        bool,
        typer.Option(
            "--noise",
            help="With a data set also, else instead: R@1 under each kind of noise in texts and frames.",
        ),
    ] = False,
    videos: Annotated[
        int, typer.Option("--videos", min=1, help="Of the drawn world: videos to render and index.")
    ] = 20,
    shots: Annotated[
        int, typer.Option("--shots", min=2, help="Of the drawn world: shots of two seconds in each.")
    ] = 5,
    pairs: Annotated[
        int, typer.Option("--pairs", min=1, help="Of the drawn world: ordered pairs to ask for.")
    ] = 60,
    temporal: Annotated[
        str,
        typer.Option(
            "--temporal",
            help="Of the drawn world: the temporal encoder, or its folder, asked for what happens.",
        ),
    ] = "temporal",
    model: Model = defaults.MODEL,
    device: Device = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure search by text: an encoder or a library on captions, or a library of drawn footage."""
    check_report(report)
    screen = Screen(quiet=quiet, as_json=as_json)
    spare_threads(model)
    if dataset is None:
        given = {"--against": against, "--library": library, "--split": split, "--images": images,
                 "--limit": limit, "--markdown": markdown, "--plot": plot, "--trec": trec,
                 "--template": template}  # fmt: skip
        _refuse([name for name, value in given.items() if value])
        drawn = _drawn(screen, noise, videos, shots, pairs, temporal, model, device)
        print_figures(screen, drawn, report, title="Retrieval under noise" if noise else "Retrieval")
        return
    if library and (against or noise):
        raise InputError(
            f"{'--against' if against else '--noise'} with --library",
            hint="those are of encoders; two libraries are compared by naming --library twice",
        )
    with screen.progress() as progress:
        settings = _settings(
            model, against, template, split=split, images=images, limit=limit, frames=frames, noise=noise,
            device=device, progress=progress,
        )  # fmt: skip
        from seektrack.evaluation.captions import evaluate_libraries, evaluate_texts

        if library:
            found = evaluate_libraries(dataset, library, replace(settings, models=[model]))
        else:
            found = evaluate_texts(dataset, settings)
    _tell_left_out(screen, found.left_out.lines())
    if markdown is not None:
        markdown.write_text(found.markdown(), encoding="utf-8")
    if plot is not None:
        found.plot(plot)
    if trec is not None:
        found.write_trec(trec)
    report_figures(screen, found.plain(), report, title=f"Retrieval on {Path(dataset).name}")
    screen.result(found.as_json(), lambda console: _print(console, found))


def clip(
    dataset: Annotated[str, typer.Argument(help=_DATASET)],
    zero_shot: Annotated[
        str,
        typer.Option(
            "--zero-shot",
            metavar="LABELS",
            help="What pictures may be: a file with one name a line, or cat,dog,horse.",
        ),
    ],
    against: Against = None,
    template: Template = None,
    split: Split = None,
    images: Images = None,
    limit: Limit = None,
    frames: Frames = 4,
    markdown: Markdown = None,
    model: Model = defaults.MODEL,
    device: Device = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Ask an encoder which of some names each picture bears, and compare with what it is called."""
    check_report(report)
    screen = Screen(quiet=quiet, as_json=as_json)
    spare_threads(model)
    with screen.progress() as progress:
        settings = _settings(
            model, against, template, split=split, images=images, limit=limit, frames=frames, noise=False,
            device=device, progress=progress,
        )  # fmt: skip
        from seektrack.evaluation.captions import evaluate_zero_shot

        found = evaluate_zero_shot(dataset, zero_shot, settings)
    _tell_left_out(screen, found.left_out.lines())
    if markdown is not None:
        markdown.write_text(found.markdown(), encoding="utf-8")
    report_figures(screen, found.figures, report, title=f"Names on {Path(dataset).name}")
    screen.result(found.as_json(), lambda console: _print_names(console, found))


def _refuse(given: list[str]) -> None:
    if given:
        raise InputError(
            f"{', '.join(given)} without a data set",
            hint="name one: seektrack eval retrieval coco/annotations/captions_val2017.json",
        )


def _settings(model: str, against: list[str] | None, template: list[str] | None, **rest: Any) -> TextSettings:
    from seektrack.evaluation.captions import TextSettings
    from seektrack.pipeline import parse_model

    encoders = [parse_model(name)[0] for name in (model, *(against or ()))]
    return TextSettings(models=encoders, **given_templates(template), **rest)


def _drawn(
    screen: Screen,
    noise: bool,
    videos: int,
    shots: int,
    pairs: int,
    temporal: str,
    model: str,
    device: str | None,
) -> Mapping[str, Any]:
    """Figures of a library of drawn footage."""
    from seektrack.evaluation.noise import evaluate_noise
    from seektrack.evaluation.retrieval import evaluate_retrieval

    with screen.progress() as progress:
        how: dict[str, Any] = {"shots": shots, "model": model, "device": device, "progress": progress}
        if noise:
            return evaluate_noise(videos=max(1, videos // 4), **how)
        return evaluate_retrieval(videos=videos, pairs=pairs, temporal=temporal, **how)


def _tell_left_out(screen: Screen, lines: list[str]) -> None:
    for line in lines:
        screen.warn(line)


def _print(console: Console, report: TextReport) -> None:
    console.print(f"{len(report.keys)} things, {len(report.asked.texts)} texts ({report.layout})")
    encoders = list(report.figures)
    tested = [c for other in encoders[1:] for c in (f"difference to {other}", "p")]
    shown = table("direction", "figure", *encoders, *tested, right=(*encoders, *tested))
    for way, name, values in report.rows():
        cells = [figure(values[e]) for e in encoders]
        for other in encoders[1:]:
            found = report.test_of(other, way, name)
            cells += ["", ""] if found is None else [f"{found['difference']:+.3f}", f"{found['p']:.4f}"]
        shown.add_row(way.replace("_", " "), escape(name), *cells)
    console.print(shown)
    for name, kinds in report.noise.items():
        console.print(f"{name}: R@1 under noise", style="bold", soft_wrap=True)
        ways = tuple(next(iter(kinds.values())))
        under = table("noise", *(way.replace("_", " ") for way in ways))
        for kind, shares in kinds.items():
            under.add_row(kind, *(figure(shares[way]) for way in ways))
        console.print(under)


def _print_names(console: Console, report: ZeroShotReport) -> None:
    for name, figures in report.figures.items():
        console.print(name, style="bold", soft_wrap=True)
        console.print(figure_table(figures))
        shown = table("name", "things", "right", "taken for", right=("things", "right"))
        for label, one in report.classes[name].items():
            shown.add_row(escape(label), str(one["things"]), figure(one["right"]), escape(one["taken_for"]))
        console.print(shown)
