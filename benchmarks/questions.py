"""Weights and exclusions, asked of footage whose truth is known.

    python benchmarks/questions.py                 # scenes of the held-out split, drawn and indexed now
    python benchmarks/questions.py demo-out        # what `make demo` left

Weights: every label in view that is found as it is, asked again with 1.2, 1.5, 2 and 3 on its colour; more
weight never hides what matches. Exclusions: "A -B" for every two labels; no key frame shows B.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seektrack import Library, Tracks
from seektrack.evaluation.footage import write_footage
from seektrack.outputs import load_tracks
from seektrack.types import Moment
from seektrack.world import SceneSettings, Split, seeds

WEIGHTS = (1.2, 1.5, 2.0, 3.0)
_SEEN = 20
"""Pixels of an object from which on a frame shows it."""


def truths(folder: Path) -> dict[str, Tracks]:
    """What is in every video, by its file's name."""
    return {
        f"{path.name.removesuffix('.truth.json')}.mp4": load_tracks(path, "json")
        for path in sorted((folder / "videos").glob("*.truth.json"))
    }


def drawn(folder: Path, scenes: int, start: int) -> dict[str, Tracks]:
    """Held-out scenes of half a street's things each, indexed as usual into ``library``, and their truth."""
    settings = SceneSettings(n_frames=12, actors=(3, 4), street_only=True)
    (folder / "videos").mkdir()
    footage = write_footage(folder / "videos", seeds(Split.TEST, scenes, start=start), settings)
    with Library(folder / "library") as library:
        library.index([one.path for one in footage], sampling="every=4")
    return {Path(one.path).name: one.truth for one in footage}


def shows(truth: Tracks, label: str, start_s: float, end_s: float) -> bool:
    """Whether a thing of that label is in view between two times."""
    return any(
        o.visible and start_s - 1e-3 <= o.time_s <= end_s + 1e-3 and (o.mask is None or o.mask.area >= _SEEN)
        for track in truth
        if track.label == label
        for o in track.observations
    )


def right(truth: dict[str, Tracks], moments: list[Moment], label: str) -> bool:
    """Whether one of the moments shows the label."""
    return any(shows(truth[Path(m.video).name], label, m.start_s, m.end_s) for m in moments)


def weighted(label: str, weight: float) -> str:
    """The label with a weight on its colour: its first word behind the article."""
    article, colour, *rest = label.split()
    return f"{article} ({colour}:{weight}) {' '.join(rest)}"


def answers(library: Library, labels: list[str]) -> Iterator[tuple[str, Moment]]:
    """Every answer to every "A -B", and the B that it must not show."""
    for a, b in itertools.permutations(labels, 2):
        for moment in library.search(f"{a} -({b})" if len(b.split()) > 2 else f"{a} -{b}", k=50):
            yield b, moment


def main() -> None:
    """Ends with status 1 where something was hidden or shown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--scenes", type=int, default=14)
    parser.add_argument("--start", type=int, default=5000, help="first of the scenes")
    given = parser.parse_args()
    if given.folder is not None:
        sys.exit(judged(given.folder, truths(given.folder)))
    with tempfile.TemporaryDirectory() as room:
        sys.exit(judged(Path(room), drawn(Path(room), given.scenes, given.start)))


def judged(folder: Path, truth: dict[str, Tracks]) -> bool:
    """Ask a library, print what came, and tell whether something was hidden or shown."""
    labels = sorted({t.label for tracks in truth.values() for t in tracks if len(t.label.split()) > 2})
    bad = 0
    with Library(folder / "library") as library:
        found = [label for label in labels if right(truth, list(library.search(label, k=50)), label)]
        print(f"{len(labels)} labels in view, {len(found)} found at weight 1")
        for weight in WEIGHTS:
            kept = [x for x in found if right(truth, list(library.search(weighted(x, weight), k=50)), x)]
            more = [x for x in labels if x not in found]
            more = [x for x in more if right(truth, list(library.search(weighted(x, weight), k=50)), x)]
            bad += len(found) - len(kept)
            print(f"  at {weight}: {len(kept)} of them, and {len(more)} more")
        told, shown = 0, []
        for b, moment in answers(library, labels):
            told += 1
            if shows(truth[Path(moment.video).name], b, moment.key.time_s, moment.key.time_s):
                shown.append((b, Path(moment.video).name, moment.key.time_s))
        print(f'{told} answers to "A -B", {len(shown)} of whose key frames show B: {shown}')
    return bool(bad or shown)


if __name__ == "__main__":
    main()
