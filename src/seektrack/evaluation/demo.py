"""The demo and its figures: generated footage, indexed, searched, tracked, and compared with its truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seektrack.evaluation.demo_film import QUERY, FilmResult, follow_film, write_film
from seektrack.evaluation.footage import Footage, write_footage
from seektrack.evaluation.measures import (
    SearchScores,
    TrackScores,
    answers,
    search_scores,
    track_scores,
    visible_sights,
)
from seektrack.outputs.report import Figure, FigureTable, QuerySection, ReportPage, write_report
from seektrack.pipeline import Library, SearchAndTrackResult, search_and_track, track_objects
from seektrack.pipeline.pages import moment_cards, video_card
from seektrack.types import Moment, Progress
from seektrack.world import SceneSettings, Split, seeds, vocabulary

QUERIES = ("a red car", "a yellow dog", "a blue robot")
"""What the demo asks for; the cast makes sure the footage shows it."""
NOTHING = "a purple boat"
"""What the demo asks for and its footage does not show."""
_CASTS = ((("car", "red"),), (("dog", "yellow"),), (("robot", "blue"),), (("car", "red"), ("bus", "white")))
_SIZES = {False: (40, 24), True: (6, 16)}
_SEARCHED_FRAMES = "fps=2"
_FILM_FRAMES = "fps=1"


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes:
        page: The HTML page.
        figures: Name → value, as printed.
        seconds: It took, installation apart.
    """

    page: Path
    figures: dict[str, float]
    seconds: float


def demo_settings(n_frames: int) -> SceneSettings:
    """Street scenes as the demo shows them."""
    return SceneSettings(
        height=256,
        width=256,
        n_frames=n_frames,
        actors=(1, 4),
        street_only=True,
        object_size=(14.0, 50.0),
        rough=0.35,
    )


def demo_footage(
    folder: Path, *, scenes: int, n_frames: int, progress: Progress | None = None
) -> list[Footage]:
    """Held-out street videos; the first ones show what the demo asks for, none shows :data:`NOTHING`."""
    chosen: list[int] = []
    for seed in seeds(Split.DEMO, 100 * scenes):
        if len(chosen) == scenes:
            break
        if not _shows_nothing(seed, n_frames):
            chosen.append(seed)
    return write_footage(folder, chosen, demo_settings(n_frames), casts=_CASTS, progress=progress)


def _shows_nothing(seed: int, n_frames: int) -> bool:
    from seektrack.world import actor_caption, sample_scene

    scene = sample_scene(seed, demo_settings(n_frames))
    return any(actor_caption(actor) == NOTHING for actor in scene.actors)


def run_demo(
    out: str | Path, *, small: bool = False, film: bool = False, progress: Progress | None = None
) -> DemoResult:
    """Make footage, index it, search and track it, write a page that shows it all.

    What is there from an earlier run, footage and library, is used again.

    Args:
        out: Folder for everything.
        small: Few short videos, for machines and tests.
        film: Also a film of a minute, followed through five shots; it takes as long again.
        progress: Called with ``(done, total, stage)``.

    Raises:
        OutputError: The folder cannot be written.
        ModelError: The pocket models are missing.
    """
    began = time.monotonic()
    out = Path(out)
    scenes, n_frames = _SIZES[small]
    footage = demo_footage(out / "videos", scenes=scenes, n_frames=n_frames, progress=progress)
    with Library(out / "library") as library:
        report = library.index(out / "videos", sampling=_SEARCHED_FRAMES, progress=progress)
        stats = library.stats()
        found = search_scores(library, footage, vocabulary()["labels"])
        sections, tracked = [], []
        for text in (*QUERIES, NOTHING):
            results = search_and_track(
                library, text, top=2, out=out / "tracks" / _slug(text), progress=progress
            )
            sections.append(_section(text, library.search(text, k=6), results))
            tracked += [_measured(text, result, footage) for result in results]
        through = _through_film(library, out, progress) if film else None
    figures = figures_of(found, tracked)
    silent = not sections[-1].moments
    if through is not None:
        figures |= through.figures
        sections.insert(0, _section(f"{QUERY}, through the film", through.moments, [through.result]))
    page = ReportPage(
        title="seektrack demo",
        subtitle="Type what you are looking for; get the moments, the exact pixels, and every object's path.",
        queries=tuple(sections),
        figures=(
            _search_table(found, scenes),
            _track_table(tracked),
            *([] if through is None else [_film_table(through)]),
        ),
        facts=(
            ("Videos", str(stats.videos)),
            ("Pictures indexed", str(stats.vectors)),
            ("Indexing", f"{report.seconds:.0f} s" if report.indexed else "reused"),
            ("Nothing to find", "said so" if silent else "missed"),
        ),
        footer="Procedural footage, pocket models, no network. Every figure is measured on this run.",
    )
    figures["nothing_found_for_absent"] = float(silent)
    path = write_report(out / "index.html", page)
    return DemoResult(page=path, figures=figures, seconds=time.monotonic() - began)


def evaluate_demo(
    *,
    scenes: int = 40,
    model: str = "pocket",
    device: str | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """The demo's figures over more scenes, one tracked query a scene.

    The library is asked for each of the world's 108 labels. Then in each scene one object that shows well is
    asked for by its name alone, and all of that name are segmented and followed.

    Args:
        scenes: Held-out scenes.
        model: See :func:`seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        folder: Where the footage and library go; a temporary folder when None.
        progress: Called with ``(done, total, stage)``.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        base = Path(folder or temporary)
        footage = demo_footage(base / "videos", scenes=scenes, n_frames=_SIZES[False][1], progress=progress)
        with Library(base / "library", model=model, device=device) as library:
            library.index(base / "videos", sampling=_SEARCHED_FRAMES, progress=progress)
            found = search_scores(library, footage, vocabulary()["labels"])
            tracked = []
            for i, one in enumerate(footage):
                if progress:
                    progress(i, len(footage), "tracking scenes")
                text = _best_shown(one)
                if text is not None:
                    tracks = track_objects(one.path, text, model=library.models)
                    tracked.append(track_scores(one.showing(text), tracks))
    return figures_of(found, tracked)


def figures_of(found: SearchScores, tracked: Sequence[TrackScores]) -> dict[str, float]:
    """Name → value of everything measured."""
    figures = {
        "right_video_first": found.first_right,
        "answerable_queries": float(found.answerable),
        "answerable_but_silent": found.silent,
        "false_alarms": found.false_alarms,
        "unanswerable_queries": float(found.unanswerable),
    }
    if tracked:
        total = combined(tracked)
        figures |= {
            "idf1": total.identity.idf1,
            "idp": total.identity.idp,
            "idr": total.identity.idr,
            "mask_iou": total.mean_iou,
            "objects": float(total.objects),
            "objects_matched": float(total.matched),
            "tracks": float(total.tracks),
        }
    return figures


def combined(parts: Sequence[TrackScores]) -> TrackScores:
    """Several videos taken as one."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _best_shown(footage: Footage) -> str | None:
    """Label of the object of a video that shows on most frames."""
    sights = {t.label: visible_sights(t) for t in footage.truth}
    label = max(sights, key=lambda name: sights[name], default=None)
    return label if label is not None and label in answers([footage]) else None


def _measured(text: str, result: SearchAndTrackResult, footage: Sequence[Footage]) -> TrackScores:
    one = next(f for f in footage if f.path.name == Path(result.video).name)
    return track_scores(one.showing(text), result.tracks)


def _section(text: str, moments: Sequence[Moment], results: Sequence[SearchAndTrackResult]) -> QuerySection:
    videos = tuple(video_card(result.tracks, result.files) for result in results)
    return QuerySection(text, moment_cards(moments), videos)


def _search_table(found: SearchScores, scenes: int) -> FigureTable:
    about = (
        f"All {found.answerable} things that show in the {scenes} videos,"
        f" and {found.unanswerable} that do not, asked for by name."
    )
    return FigureTable(
        "Search",
        (
            Figure("Right video first", found.first_right, "share of answerable queries"),
            Figure("Silent though there", found.silent, "share of answerable queries that found nothing"),
            Figure("False alarms", found.false_alarms, "share of unanswerable queries that found something"),
        ),
        about,
    )


def _track_table(tracked: Sequence[TrackScores]) -> FigureTable:
    if not tracked:
        return FigureTable("Tracks", (), "Nothing was tracked.")
    total = combined(tracked)
    return FigureTable(
        "Tracks",
        (
            Figure("IDF1", total.identity.idf1, "identities kept, at mask IoU 0.5"),
            Figure("Mask IoU", total.mean_iou, "mean over matched objects and all their frames"),
            Figure(
                "Objects found", total.matched / max(total.objects, 1), f"{total.matched} of {total.objects}"
            ),
        ),
        f"{len(tracked)} videos tracked from text alone, against the world's exact masks.",
    )


def _through_film(library: Library, out: Path, progress: Progress | None) -> FilmResult:
    """Draw the film, index it once the figures of the scenes are told, and follow its car and bus."""
    film = write_film(out / "film" / "film.mp4")
    library.index(film.path, sampling=_FILM_FRAMES, progress=progress)
    return follow_film(library, film, out / "tracks" / "film", progress=progress)


def _film_table(through: FilmResult) -> FigureTable:
    return FigureTable(
        "The film",
        (
            Figure("IDF1", through.scores.identity.idf1, "identities kept, at mask IoU 0.5"),
            Figure("Mask IoU", through.scores.mean_iou, "mean over matched objects and all their frames"),
            Figure("Inside the moments", through.covered, "of the time one of both shows"),
            Figure("Showing", through.inside, "of the moments' time"),
        ),
        "A minute in five shots: a car crosses a bus, hides behind a wall, leaves and comes back.",
    )


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
