"""Medical scans with masks: DICOM series or NIfTI volumes, and a label map of the same slices."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset, FrameMasks, MaskClip
from seektrack.training.datasets.files import read_json
from seektrack.training.datasets.segments import Segmentation, is_segmentation
from seektrack.video import VideoSource, open_video
from seektrack.video.medical import Slices, open_slices

Window = tuple[float, float]
Case = tuple[Path, Path, Mapping[int, str]]
"""Scan, its labels, and what they are."""


def scans(
    pairs: Sequence[tuple[str | Path, str | Path]],
    *,
    categories: Mapping[int, str] | None = None,
    window: Window | None = None,
) -> Dataset[MaskClip]:
    """Scans with label maps; an object id is the label's value.

    Args:
        pairs: ``(scan, labels)``: each a NIfTI file, a DICOM file or the folder of a DICOM series. The label
            map has the scan's slices, in the same order once opened, and whole numbers, 0 being background.
            Axial DICOM and NIfTI may be mixed. With a DICOM series, the labels may be its DICOM segmentation
            object (SEG), whose frames are laid on the slices by position.
        categories: Label to what it is; a segmentation object's own names unless given.
        window: ``(level, width)``, see `seektrack.video.medical.MedicalSource`.

    Raises:
        InputError: No pairs.
    """
    if not pairs:
        raise InputError("no scans: got an empty list", hint="give pairs (scan, labels)")
    return _dataset([(Path(scan), Path(labels), dict(categories or {})) for scan, labels in pairs], window)


def decathlon(root: str | Path, *, window: Window | None = None) -> Dataset[MaskClip]:
    """A task of the Medical Segmentation Decathlon, or an nnU-Net folder whose list names its files.

    Args:
        root: Folder with ``dataset.json``: ``training[{image, label}]`` and ``labels``. A scan whose objects
            are its own has ``labels`` beside its image, which replace those of all.
        window: ``(level, width)``, see `seektrack.video.medical.MedicalSource`.

    Raises:
        InputError: ``dataset.json`` is missing or malformed.
    """
    base = Path(root)
    listed = base / "dataset.json"
    data = read_json(listed, what="list of scans", needs=("training", "labels"))
    try:
        found = [
            (base / one["image"], base / one["label"], _names(one.get("labels", data["labels"])))
            for one in data["training"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{listed} is not in the decathlon's layout: {error!r}",
            hint='"training" lists {"image", "label"}, "labels" reads {"1": "liver"} or {"liver": 1}',
        ) from error
    if not found:
        raise InputError(f"no scans in {listed}", hint='"training" lists {"image", "label"}')
    return _dataset(found, window)


class LabelledScan:
    """A scan and its label map, each opened when first asked for.

    Args:
        scan, labels: Their paths.
        window: ``(level, width)`` of the scan.
    """

    def __init__(self, scan: Path, labels: Path, *, window: Window | None) -> None:
        self.scan, self.labels, self.window = scan, labels, window

    @cached_property
    def _source(self) -> VideoSource:
        return open_video(self.scan, window=self.window)

    @cached_property
    def _segments(self) -> Segmentation | None:
        return Segmentation(self.labels) if is_segmentation(self.labels) else None

    @property
    def categories(self) -> dict[int, str]:
        """What the labels call themselves; only a segmentation object does."""
        return {} if self._segments is None else self._segments.categories

    @cached_property
    def _label_slices(self) -> Slices:
        slices, n = open_slices(self.labels), self._source.len_frames()
        if len(slices) != n:
            raise InputError(
                f"the label map {self.labels} has {len(slices)} slices, the scan {self.scan} {n}",
                hint="pair each label map with the scan it was drawn on",
            )
        own, drawn_on = slices.affine, getattr(self._source, "affine", None)
        if own is not None and drawn_on is not None and _apart(own, drawn_on, (*self._source.info.hw, n)):
            raise InputError(
                f"the label map {self.labels} lies elsewhere in space than the scan {self.scan}",
                hint="copy the scan's affine into the label map, if their voxels do belong together",
            )
        return slices

    def open(self) -> VideoSource:
        """The scan, slice after slice."""
        return self._source

    def annotation(self, index: int) -> FrameMasks | None:
        """Masks of one slice; None outside the map.

        Raises:
            InputError: The map does not fit the scan, or holds values that are no labels.
        """
        if self._segments is not None:
            inside = 0 <= index < self._source.len_frames()
            positions = getattr(self._source, "positions", None)
            return self._segments.masks(index, positions) if inside else None
        if not 0 <= index < len(self._label_slices):
            return None
        values = self._label_slices.values(index)
        labels = np.rint(np.nan_to_num(values)).astype(np.int64)
        if values.ndim != 2 or not np.allclose(labels, values, atol=1e-3):
            raise InputError(
                f"the label map {self.labels} holds values that are no whole numbers in slice {index}",
                hint="is it the scan itself? the pair is (scan, labels)",
            )
        return FrameMasks.from_labels(labels)

    def __getstate__(self) -> dict[str, object]:
        return {"scan": self.scan, "labels": self.labels, "window": self.window}


def _names(labels: Mapping[str, Any]) -> dict[int, str]:
    """Label to what it is, from ``{"1": "liver"}`` or ``{"liver": 1}``."""
    named = [(k, v) if str(k).isdigit() else (v, k) for k, v in labels.items()]
    return {int(i): str(name) for i, name in named if int(i) != 0}


def _dataset(found: Sequence[Case], window: Window | None) -> Dataset[MaskClip]:
    cases = {f"{i:05d}": case for i, case in enumerate(found)}
    return Dataset(list(cases), partial(_clip, cases, window))


def _clip(cases: Mapping[str, Case], window: Window | None, key: str) -> MaskClip:
    scan, labels, categories = cases[key]
    pair = LabelledScan(scan, labels, window=window)
    return MaskClip(key, pair.open, pair.annotation, categories or pair.categories)


def _apart(a: NDArray[np.float64], b: NDArray[np.float64], hwz: tuple[int, int, int]) -> bool:
    """Whether two (4, 4) affines put a corner of the volume more than half a voxel apart."""
    h, w, z = hwz
    corners = np.array(list(itertools.product((0, w - 1), (0, h - 1), (0, z - 1), (1,))), dtype=np.float64)
    voxel = float(np.linalg.norm(b[:3, :3], axis=0).min())
    return float(np.linalg.norm((corners @ (a - b).T)[:, :3], axis=1).max()) > voxel / 2
