"""Pictures and videos with captions: COCO, Flickr30k, MSR-VTT, and plain mp4 with all the truth beside it.

A picture layout shows the frame in the middle of each scene.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from seektrack.geometry import xyxy_to_xywh
from seektrack.types import Mask, Tracks
from seektrack.world.layouts.base import LayoutSettings, write_json, write_lines, write_picture
from seektrack.world.layouts.video import write_mp4
from seektrack.world.render import Clip
from seektrack.world.telling import clip_texts, named, picture_texts
from seektrack.world.truth import truth


class Coco:
    """``<split>2017/`` and ``annotations/{captions,instances}_<split>2017.json``."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root, settings
        self._images: list[dict[str, Any]] = []
        self._captions: list[dict[str, Any]] = []
        self._instances: list[dict[str, Any]] = []
        self._categories: dict[str, int] = {}

    def add(self, name: str, clip: Clip) -> None:
        """Write the middle of one scene."""
        middle, image_id = len(clip.frames) // 2, len(self._images) + 1
        file = f"{name}.{self.settings.pictures}"
        write_picture(self.root / f"{self.settings.split}2017" / file, clip.frames[middle])
        height, width = clip.ids[middle].shape
        self._images.append({"id": image_id, "file_name": file, "width": width, "height": height})
        for text in picture_texts(clip, middle, languages=self.settings.languages):
            self._captions.append({"id": len(self._captions) + 1, "image_id": image_id, "caption": text})
        for actor in named(clip, middle):
            mask = Mask.from_array(clip.ids[middle] == actor.obj_id)
            kind = self._categories.setdefault(str(actor.category), len(self._categories) + 1)
            self._instances.append(
                {
                    "id": len(self._instances) + 1,
                    "image_id": image_id,
                    "category_id": kind,
                    "segmentation": mask.to_coco(),
                    "area": mask.area,
                    "bbox": list(xyxy_to_xywh(mask.box)) if mask.box else [0, 0, 0, 0],
                    "iscrowd": 0,
                }
            )

    def finish(self) -> None:
        """Write the captions and the instances."""
        folder, split = self.root / "annotations", f"{self.settings.split}2017.json"
        kinds = [{"id": number, "name": name} for name, number in self._categories.items()]
        common = {"info": {"description": "seektrack's procedural world"}, "images": self._images}
        write_json(folder / f"captions_{split}", {**common, "annotations": self._captions})
        instances = {**common, "categories": kinds, "annotations": self._instances}
        write_json(folder / f"instances_{split}", instances)


class Flickr30k:
    """``flickr30k-images/``, ``results_20130124.token`` and Karpathy's ``dataset_flickr30k.json``."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root, settings
        self._texts: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, clip: Clip) -> None:
        """Write the middle of one scene."""
        middle, file = len(clip.frames) // 2, f"{name}.{self.settings.pictures}"
        write_picture(self.root / "flickr30k-images" / file, clip.frames[middle])
        self._texts[file] = picture_texts(clip, middle, languages=self.settings.languages)

    def finish(self) -> None:
        """Write the captions."""
        lines = [f"{file}#{n}\t{text}" for file, texts in self._texts.items() for n, text in enumerate(texts)]
        write_lines(self.root / "results_20130124.token", lines)
        images = [
            {
                "imgid": number,
                "filename": file,
                "split": self.settings.split,
                "sentences": [{"raw": text, "imgid": number, "tokens": text.split()} for text in texts],
            }
            for number, (file, texts) in enumerate(self._texts.items())
        ]
        write_json(self.root / "dataset_flickr30k.json", {"dataset": "flickr30k", "images": images})


class MsrVtt:
    """``videos/video<scene>.mp4`` and ``train_val_videodata.json``."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root, settings
        self._videos: list[dict[str, Any]] = []
        self._sentences: list[dict[str, Any]] = []

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        key, fps = f"video{name}", self.settings.fps
        write_mp4(self.root / "videos" / f"{key}.mp4", clip.frames, fps=fps)
        video = {"video_id": key, "id": len(self._videos), "category": 0, "url": ""}
        times = {"start time": 0.0, "end time": float(len(clip.frames) / fps)}
        self._videos.append({**video, **times, "split": self.settings.split})
        for text in clip_texts(clip, languages=self.settings.languages):
            self._sentences.append({"sen_id": len(self._sentences), "video_id": key, "caption": text})

    def finish(self) -> None:
        """Write the captions."""
        content = {"info": {"description": "seektrack's procedural world"}, "videos": self._videos}
        write_json(self.root / "train_val_videodata.json", {**content, "sentences": self._sentences})


class Mp4:
    """``<scene>.mp4``, its truth in ``<scene>.json`` as seektrack's own JSON, and ``captions.csv``."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root, settings
        self._rows: list[tuple[str, str, str]] = []

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        write_mp4(self.root / f"{name}.mp4", clip.frames, fps=self.settings.fps)
        told = truth(clip.scene, clip.ids, clip.full_area, fps=self.settings.fps)
        write_json(self.root / f"{name}.json", _tracks_to_json(told, f"{name}.mp4"))
        for language in self.settings.languages:
            self._rows += [(name, language, text) for text in clip_texts(clip, languages=(language,))]

    def finish(self) -> None:
        """Write the captions."""
        with (self.root / "captions.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("video_id", "language", "sentence"))
            writer.writerows(self._rows)


def _tracks_to_json(tracks: Tracks, path: str) -> dict[str, Any]:
    """The form `seektrack.outputs` reads as ``json``."""
    video = tracks.video
    return {
        "format": "seektrack.tracks",
        "version": 1,
        "video": {
            "path": path,
            "width": video.width,
            "height": video.height,
            "fps": str(video.fps),
            "duration_s": video.duration_s,
            "n_frames": video.n_frames,
        },
        "query": tracks.query,
        "frames": [[index, tracks.frame_times[index]] for index in tracks.frame_indices],
        "tracks": [
            {
                "obj_id": track.obj_id,
                "label": track.label,
                "score": track.score,
                "observations": [
                    {
                        "frame_index": o.frame_index,
                        "time_s": o.time_s,
                        "box": list(o.box),
                        "mask": o.mask.to_coco() if o.mask is not None else None,
                        "score": o.score,
                        "visible": o.visible,
                    }
                    for o in track.observations
                ],
            }
            for track in tracks
        ],
    }
