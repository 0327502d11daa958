"""The demo's film, a minute in five shots: a car crosses a bus, hides, leaves and comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.errors import InputError
from seektrack.evaluation.footage import Footage, write_staged
from seektrack.evaluation.measures import TrackScores, track_scores
from seektrack.files import write_text
from seektrack.outputs import load_tracks, save_tracks
from seektrack.pipeline import Library, SearchAndTrackResult, track_objects
from seektrack.types import Moment, Progress
from seektrack.world.captions import noun
from seektrack.world.scene import Actor, Scene
from seektrack.world.sights import Staged
from seektrack.world.stagings import STAGES

FPS = Fraction(4)
LABELS = ("a red car", "a red bus")
QUERY = "; ".join(LABELS)
SIDE, FRAMES = 256, 48
_SHOTS = (
    ("plain", 300_050_199),
    ("plain", 300_050_382),
    ("look-alikes", 300_050_286),
    ("occluded", 300_051_148),
    ("returning", 300_050_359),
)
"""What happens in each shot, and the seed that stages it."""
_LEADS = {"look-alikes": 2, "occluded": 1, "returning": 1}
"""Objects that are left in a shot, the first ones; all in others. The first is always the same car."""


@dataclass(frozen=True)
class FilmResult:
    """What was found in the film and followed through it.

    Attributes:
        moments: In which it is found.
        result: The tracks, with their files.
        scores: The tracks against the truth.
        inside: Share of the moments' time in which it shows.
        covered: Share of the time it shows that lies inside the moments.
    """

    moments: tuple[Moment, ...]
    result: SearchAndTrackResult
    scores: TrackScores
    inside: float
    covered: float

    @property
    def figures(self) -> dict[str, float]:
        """Name → value of everything measured."""
        return {
            "film_idf1": self.scores.identity.idf1,
            "film_mask_iou": self.scores.mean_iou,
            "film_moments": float(len(self.moments)),
            "film_covered": self.covered,
            "film_inside": self.inside,
        }


def staged_film() -> Staged:
    """The film's five shots: a car in the last three, crossed in the first of them by a bus of the second."""
    shots: list[Scene] = []
    numbers: list[tuple[int, ...]] = []
    cast: dict[str, tuple[Actor, int]] = {}
    count = 0
    for condition, seed in _SHOTS:
        staged = STAGES[condition](np.random.default_rng((seed, 7)), seed, FRAMES, SIDE)
        if staged is None:
            raise InputError(f"the seed {seed} stages no {condition}")
        scene = staged.shots[0]
        actors = list(scene.actors[: _LEADS.get(condition, len(scene.actors))])
        if condition == "look-alikes" and LABELS[1] in cast:
            actors[1] = _on_the_way_of(actors[1], cast[LABELS[1]][0])
        own = []
        for at, actor in enumerate(actors):
            name = noun(actor.colour, actor.category) if actor.colour and actor.category else ""
            if name in LABELS and name in cast:
                actors[at] = _on_the_way_of(actor, cast[name][0])
                own.append(cast[name][1])
                continue
            count += 1
            own.append(count)
            if name in LABELS:
                cast[name] = actor, count
        shots.append(replace(scene, actors=tuple(actors)))
        numbers.append(tuple(own))
    return Staged("film", _SHOTS[0][1], LABELS[0], tuple(shots), tuple(numbers))


def _on_the_way_of(actor: Actor, other: Actor) -> Actor:
    """Another object in the place and on the way of one."""
    names = ("obj_id", "x", "y", "angle", "depth", "facing", "direction")
    taken: dict[str, Any] = {name: getattr(actor, name) for name in names}
    return replace(other, size=np.full(FRAMES, float(other.size[0])), **taken)


def write_film(path: Path) -> Footage:
    """Draw the film with its truth beside it; one that is there is used again.

    Raises:
        OutputError: The folder cannot be written.
    """
    truth, note = path.with_suffix(".truth.json"), path.with_suffix(".scene.json")
    recipe = repr((_SHOTS, SIDE, FRAMES, FPS))
    if path.exists() and truth.exists() and note.exists() and note.read_text() == recipe:
        return Footage(path, load_tracks(truth, "json"))
    told = write_staged(staged_film(), path, fps=FPS)
    save_tracks(told, truth, "json")
    write_text(note, recipe)
    return Footage(path, told)


def follow_film(
    library: Library, film: Footage, out: Path, *, progress: Progress | None = None
) -> FilmResult:
    """Ask the library for the car and the bus of the film, follow them, and compare with its truth."""
    moments = tuple(sorted(library.search(QUERY, video=film.path, k=20), key=lambda m: m.start_s))
    seeds = [moment.key for moment in moments]
    tracks = track_objects(film.path, QUERY, model=library.models, seeds=seeds, out=out, progress=progress)
    files = {"json": out / "tracks.json", "overlay": out / "overlay.mp4"}
    result = SearchAndTrackResult(str(film.path), moments, tracks, files, out)
    truth = replace(film.truth, tracks=tuple(t for t in film.truth if t.label in LABELS))
    times = np.array(sorted(film.truth.frame_times.values()))
    shown = np.zeros(len(times), dtype=bool)
    for track in truth:
        shown[[seen.frame_index for seen in track.observations if seen.visible]] = True
    found = np.zeros(len(times), dtype=bool)
    for moment in moments:
        found |= (times >= moment.start_s) & (times <= moment.end_s)
    both = float((shown & found).sum())
    return FilmResult(
        moments,
        result,
        track_scores(truth, tracks),
        both / max(float(found.sum()), 1.0),
        both / max(float(shown.sum()), 1.0),
    )
