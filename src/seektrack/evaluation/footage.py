"""Scenes of the world written as a folder of videos with their truth beside them, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import OutputError
from seektrack.files import write_text
from seektrack.outputs import load_tracks, save_tracks
from seektrack.types import Progress, Tracks
from seektrack.video import VideoWriter
from seektrack.world import Scene, SceneSettings, TruthRecorder, frames, sample_scene
from seektrack.world.staged import Staged, StagedTruth, staged_frames

FPS = Fraction(8)


@dataclass(frozen=True)
class Footage:
    """One rendered video.

    Attributes:
        path: The mp4.
        truth: Every named object in it.
    """

    path: Path
    truth: Tracks

    def showing(self, label: str) -> Tracks:
        """The truth of the objects called ``label``."""
        return replace(self.truth, tracks=tuple(t for t in self.truth if t.label == label))


def write_scene(
    scene: Scene,
    path: Path,
    *,
    fps: Fraction = FPS,
    look: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> Tracks:
    """Render a scene to an H.264 mp4; its truth goes beside it as JSON, MOT and COCO.

    Args:
        scene: What is shown.
        path: Of the mp4.
        fps: Frames a second.
        look: Called with each picture, RGB uint8 (H, W, 3), for what is written in its place.

    Raises:
        OutputError: The folder cannot be written.
    """
    recorder = TruthRecorder(scene, fps=fps, path=str(path))
    s = scene.settings
    with VideoWriter(path, width=s.width, height=s.height, fps=fps, crf=16) as writer:
        for t, (picture, ids, full_area) in enumerate(frames(scene)):
            writer.write(look(picture) if look else picture, t / fps)
            recorder.add(t, ids, full_area)
    truth = recorder.tracks()
    for name, suffix in (("mot", ".mot.txt"), ("coco", ".coco.json"), ("json", ".truth.json")):
        save_tracks(truth, path.with_suffix(suffix), name)
    return truth


def write_staged(staged: Staged, path: Path, *, fps: Fraction = FPS) -> Tracks:
    """Draw a staged clip to an H.264 mp4 and tell its truth.

    Raises:
        OutputError: The folder cannot be written.
    """
    height, width = staged.hw
    recorder = StagedTruth(staged, fps=fps, path=str(path))
    with VideoWriter(path, width=width, height=height, fps=fps, crf=16) as writer:
        for t, (picture, shot, ids, full_area) in enumerate(staged_frames(staged)):
            writer.write(picture, t / fps)
            recorder.add(shot, ids, full_area)
    return recorder.tracks()


def write_footage(
    folder: Path,
    seeds: Sequence[int],
    settings: SceneSettings,
    *,
    casts: Sequence[tuple[tuple[str, str], ...]] = (),
    progress: Progress | None = None,
) -> list[Footage]:
    """Render scenes into a folder, ``street-000.mp4`` and on; those there already are reused.

    Args:
        folder: Made if missing.
        seeds: One scene each.
        settings: Of every scene.
        casts: Objects that must be in the first scenes, one tuple a scene.
        progress: Called with ``(done, total, stage)``.

    Raises:
        OutputError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}", hint="choose another folder") from error
    made = []
    for i, seed in enumerate(seeds):
        if progress:
            progress(i, len(seeds), "rendering footage")
        own = replace(settings, cast=casts[i]) if i < len(casts) else settings
        path, note = folder / f"street-{i:03d}.mp4", folder / f"street-{i:03d}.scene.json"
        recipe = json.dumps({"seed": seed, "settings": asdict(own)})
        if path.exists() and note.exists() and note.read_text() == recipe:
            truth = load_tracks(path.with_suffix(".truth.json"), "json")
        else:
            truth = write_scene(sample_scene(seed, own), path)
            write_text(note, recipe)
        made.append(Footage(path, truth))
    if progress:
        progress(len(seeds), len(seeds), "rendering footage")
    return made
