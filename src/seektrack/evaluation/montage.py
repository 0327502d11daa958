"""Edited footage with known truth: videos of several shots, each a scene, and what each shot shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.files import write_text
from seektrack.training.temporal.facts import facts
from seektrack.training.temporal.texts import say
from seektrack.types import Progress, Tracks
from seektrack.video import VideoWriter
from seektrack.world import Clip, Scene, SceneSettings, Split, TruthRecorder, frames, sample_scene, seeds

FPS = Fraction(8)
MIN_SIGHTS, MIN_VISIBILITY, MIN_AREA = 4, 0.4, 60
"""A shot shows an object when so many of its frames show this much of it, in this many pixels."""
_WAYS = {1: "moving right", -1: "moving left", 0: "standing still"}


@dataclass(frozen=True)
class Seen:
    """One object of a shot.

    Attributes:
        label: Its name, ``a red car``.
        motion: How it moves, ``moving left``.
        side: Longer side of its box in pixels, on median.
        clear: It shows well enough to be asked for.
    """

    label: str
    motion: str
    side: float
    clear: bool


@dataclass(frozen=True)
class Shot:
    """One scene of a video.

    Attributes:
        video: File name of the video.
        start_s, end_s: Seconds within it.
        seen: Every named object that shows at all.
        happens: Texts of what moves, comes, goes and in which order: ``a red car moving left``.
    """

    video: str
    start_s: float
    end_s: float
    seen: tuple[Seen, ...]
    happens: tuple[str, ...] = ()

    def shows(self, label: str) -> bool:
        """Whether an object of that name shows well."""
        return any(one.label == label and one.clear for one in self.seen)

    @property
    def labels(self) -> frozenset[str]:
        """Names of everything that shows at all."""
        return frozenset(one.label for one in self.seen)


@dataclass(frozen=True)
class Montage:
    """Videos and their shots.

    Attributes:
        folder: Where the videos lie.
        shots: Of all videos, in order.
    """

    folder: Path
    shots: tuple[Shot, ...]

    @property
    def videos(self) -> tuple[str, ...]:
        """File names in order."""
        return tuple(dict.fromkeys(shot.video for shot in self.shots))

    def of(self, video: str) -> tuple[Shot, ...]:
        """Shots of one video in order."""
        return tuple(shot for shot in self.shots if shot.video == video)

    def at(self, video: str, time_s: float) -> int | None:
        """Number of the shot a time lies in."""
        for i, shot in enumerate(self.shots):
            if shot.video == video and shot.start_s <= time_s < shot.end_s:
                return i
        return None


def shot_settings(n_frames: int) -> SceneSettings:
    """Scenes as the montage cuts them: a few objects of all sizes, some nameless, the plain street world."""
    return SceneSettings(
        n_frames=n_frames, actors=(1, 4), things=(0, 2), object_size=(9.0, 50.0), occluders=2, rough=0.35
    )


def write_montage(
    folder: Path,
    *,
    videos: int,
    shots: int,
    n_frames: int = 16,
    start: int = 0,
    split: Split = Split.BENCHMARK,
    progress: Progress | None = None,
) -> Montage:
    """Render videos of several shots; every scene is a seed of its own. What is there already is used again.

    Args:
        folder: Made if missing.
        videos, shots: How many, and shots in each.
        n_frames: Frames in a shot.
        start: Where in the seeds of the split to begin.
        split: Whose seeds.
        progress: Called with ``(done, total, stage)``.

    Raises:
        OutputError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = seeds(split, videos * shots, start=start)
    settings = shot_settings(n_frames)
    note = folder / "montage.json"
    recipe = {"seeds": [chosen[0], len(chosen)], "shots": shots, "settings": asdict(settings), "truth": 2}
    kept = _kept(folder, note, recipe)
    if kept is not None:
        return kept
    numbers = iter(chosen)
    made: list[Shot] = []
    for v in range(videos):
        if progress:
            progress(v, videos, "rendering footage")
        name = f"montage-{v:03d}.mp4"
        with VideoWriter(
            folder / name, width=settings.width, height=settings.height, fps=FPS, crf=16
        ) as writer:
            for s in range(shots):
                scene = sample_scene(next(numbers), settings)
                recorder = TruthRecorder(scene, fps=FPS, path=name)
                drawn = list(frames(scene))
                for t, (picture, ids, full_area) in enumerate(drawn):
                    writer.write(picture, (s * n_frames + t) / FPS)
                    recorder.add(t, ids, full_area)
                begin = float(s * n_frames / FPS)
                end = float((s + 1) * n_frames / FPS)
                clip = Clip(scene, *(np.stack(column) for column in zip(*drawn, strict=True)))
                made.append(Shot(name, begin, end, seen_in(scene, recorder.tracks()), happens_in(clip)))
    if progress:
        progress(videos, videos, "rendering footage")
    text = json.dumps({"recipe": recipe, "shots": [asdict(shot) for shot in made]}, indent=1)
    write_text(note, text)
    return Montage(folder, tuple(made))


def _kept(folder: Path, note: Path, recipe: dict[str, object]) -> Montage | None:
    """What an earlier run rendered by the same recipe, or None."""
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if said["recipe"] != json.loads(json.dumps(recipe)):
        return None
    shots = tuple(
        Shot(
            s["video"],
            s["start_s"],
            s["end_s"],
            tuple(Seen(**one) for one in s["seen"]),
            tuple(s["happens"]),
        )
        for s in said["shots"]
    )
    return Montage(folder, shots) if all((folder / s.video).is_file() for s in shots) else None


def happens_in(clip: Clip) -> tuple[str, ...]:
    """What is true of a clip beside what it shows, in words; nothing is said of a doubtful direction."""
    return tuple(dict.fromkeys(say(fact) for fact in facts(clip) if fact.kind != "object"))


def seen_in(scene: Scene, truth: Tracks) -> tuple[Seen, ...]:
    """What a shot shows, from its truth."""
    ways = {actor.obj_id: _WAYS[actor.direction] for actor in scene.actors}
    out = []
    for track in truth:
        good = [
            o
            for o in track.observations
            if o.score >= MIN_VISIBILITY and o.mask is not None and o.mask.area >= MIN_AREA
        ]
        sides = [max(o.box[2] - o.box[0], o.box[3] - o.box[1]) for o in good or track.observations]
        out.append(Seen(track.label, ways[track.obj_id], float(np.median(sides)), len(good) >= MIN_SIGHTS))
    return tuple(out)


def write_noisy(
    montage: Montage,
    folder: Path,
    *,
    videos: int,
    spoil: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]] | None = None,
    crf: int = 16,
    seed: int = 0,
) -> Montage:
    """The first videos again as a poor camera would have them: by default noise, blur and compression.

    Args:
        montage: The clean ones.
        folder: Made if missing.
        videos: How many.
        spoil: What is done to each frame; `spoiled` when None.
        crf: Rate factor of x264; higher is worse.
        seed: Of the noise.
    """
    from seektrack.video import open_video

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in montage.videos[:videos]:
        if (folder / name).exists():
            continue
        with open_video(montage.folder / name) as source:
            info = source.info
            with VideoWriter(folder / name, width=info.width, height=info.height, fps=FPS, crf=crf) as writer:
                for frame in source:
                    writer.write((spoil or spoiled)(frame.image, rng), frame.timestamp)
    kept = tuple(shot for shot in montage.shots if shot.video in montage.videos[:videos])
    return Montage(folder, kept)


def spoiled(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) with Gaussian noise of 18 grey levels, a blur of 0.8 pixels, and JPEG at 35."""
    noisy = cv2.GaussianBlur(image, (0, 0), 0.8).astype(np.float32) + rng.normal(0, 18, image.shape)
    small = np.clip(noisy, 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 35])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def misspelt(text: str, rng: np.random.Generator) -> str:
    """A slip of the pen in each word of four letters or more: two swapped, one lost, doubled or hit wrong."""
    words = []
    for word in text.split():
        if len(word) >= 4:
            i = int(rng.integers(0, len(word) - 1))
            kind = rng.integers(4)
            letter = "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))]
            word = (
                word[:i] + word[i + 1] + word[i] + word[i + 2 :],
                word[: i + 1] + word[i + 2 :],
                word[: i + 1] + word[i] + word[i + 1 :],
                word[: i + 1] + letter + word[i + 2 :],
            )[kind]
        words.append(word)
    return " ".join(words)


def pairs_in_order(montage: Montage, rng: np.random.Generator, count: int) -> Sequence[tuple[str, str]]:
    """Pairs of names, the first of which shows in a shot before one that shows the second, each pair once.

    Neither may show in the other's shot, so that the order is a fact.
    """
    found: list[tuple[str, str]] = []
    for video in montage.videos:
        shots = montage.of(video)
        for i, first in enumerate(shots):
            for second in shots[i + 1 :]:
                for a in first.seen:
                    for b in second.seen:
                        apart = a.label not in second.labels and b.label not in first.labels
                        if a.clear and b.clear and apart:
                            found.append((a.label, b.label))
    unique = list(dict.fromkeys(found))
    return [unique[int(i)] for i in rng.permutation(len(unique))[:count]]
