"""The world on disk, in the layouts training data comes in.

Written so that the readers of `seektrack.training.datasets`, and anyone else's, read back exactly what the
world knows: masks, boxes, identities, captions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from seektrack.errors import InputError
from seektrack.files import new_folder
from seektrack.types import Progress
from seektrack.world.layouts.base import LayoutSettings, Writer
from seektrack.world.layouts.boxes import Mot
from seektrack.world.layouts.masks import Davis, YoutubeVos
from seektrack.world.layouts.scans import Dicom, Nifti
from seektrack.world.layouts.texts import Coco, Flickr30k, Mp4, MsrVtt
from seektrack.world.render import render
from seektrack.world.scene import Scene

__all__ = ["LAYOUTS", "Layout", "LayoutSettings", "Written", "write_layout"]


@dataclass(frozen=True)
class Layout:
    """A way to lay scenes out on disk.

    Attributes:
        name: As it is asked for.
        holds: What it keeps of a scene.
        reader: How to read it again, with ``{root}`` for the folder and ``{split}`` for the split.
        writer: Writes it.
        pictures: Whether it keeps one picture of a scene, the middle one, instead of all.
    """

    name: str
    holds: str
    reader: str
    writer: type[Writer]
    pictures: bool = False


_ALL = (
    Layout("mp4", "videos, captions, all the truth as JSON", 'msr_vtt("{root}/captions.csv", "{root}")', Mp4),
    Layout("davis", "pictures, masks", 'davis("{root}", split="{split}")', Davis),
    Layout("youtube-vos", "pictures, masks", 'youtube_vos("{root}/{split}")', YoutubeVos),
    Layout("mot", "pictures, boxes", 'mot_challenge("{root}/{split}", classes=None)', Mot),
    Layout(
        "coco",
        "one picture a scene, captions, masks",
        'coco_captions("{root}/annotations/captions_{split}2017.json", "{root}/{split}2017")',
        Coco,
        pictures=True,
    ),
    Layout(
        "flickr30k",
        "one picture a scene, captions",
        'flickr30k("{root}/results_20130124.token", "{root}/flickr30k-images")',
        Flickr30k,
        pictures=True,
    ),
    Layout(
        "msr-vtt",
        "videos, captions",
        'msr_vtt("{root}/train_val_videodata.json", "{root}/videos", split="{split}")',
        MsrVtt,
    ),
    Layout("dicom", "grey slices, segmentation objects", 'decathlon("{root}")', Dicom),
    Layout("nifti", "grey volumes, label maps", 'decathlon("{root}", window=(127.5, 255))', Nifti),
)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _ALL}
"""By name."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: Where.
        layout, split: What.
        scenes, frames: How many scenes and pictures.
        reader: A call of `seektrack.training.datasets` that reads it.
    """

    folder: Path
    layout: str
    split: str
    scenes: int
    frames: int
    reader: str


def write_layout(
    scenes: Iterable[Scene],
    folder: str | Path,
    *,
    layout: str,
    split: str = "train",
    fps: Fraction | int = 25,
    pictures: str = "jpg",
    languages: Iterable[str] = ("en",),
    total: int = 0,
    progress: Progress | None = None,
) -> Written:
    """Render scenes into a folder that appears whole, or not at all.

    Args:
        scenes: One after another; each is named by its seed.
        folder: New or empty.
        layout: One of :data:`LAYOUTS`.
        split: Its name in the layout, such as ``train`` or ``val``.
        fps: Frames per second.
        pictures: ``jpg``, as the layouts have it, or ``png``, which loses nothing.
        languages: Of captions.
        total: How many scenes there are, for ``progress``, where they are made one by one.
        progress: Called with ``(done, total, stage)``; a total of 0 is unknown.

    Raises:
        InputError: An unknown layout, no scenes, the same seed twice, or an option that cannot be.
        OutputError: The folder holds something, or cannot be written.
    """
    if layout not in LAYOUTS:
        raise InputError(f"no layout {layout!r}", hint=f"layouts: {', '.join(LAYOUTS)}")
    kind = LAYOUTS[layout]
    settings = LayoutSettings(
        split=split, fps=Fraction(fps), pictures=pictures, languages=tuple(dict.fromkeys(languages))
    )
    total = len(scenes) if isinstance(scenes, Sized) else total
    names: set[str] = set()
    n_frames = 0
    with new_folder(folder) as temporary:
        writer = kind.writer(temporary, settings)
        for scene in scenes:
            if progress:
                progress(len(names), total, "rendering scenes")
            name = f"{scene.seed:09d}"
            if name in names:
                raise InputError(
                    f"the scene of seed {scene.seed} came twice", hint="scenes are named by seed"
                )
            writer.add(name, render(scene))
            names.add(name)
            n_frames += 1 if kind.pictures else scene.settings.n_frames
        if not names:
            raise InputError("no scenes to write, got none", hint="sample_scene makes one of a seed")
        writer.finish()
    if progress:
        progress(len(names), len(names), "rendering scenes")
    reader = kind.reader.format(root=folder, split=split)
    return Written(Path(folder), layout, split, len(names), n_frames, reader)
