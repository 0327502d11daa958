"""Medical forms: NIfTI volumes with label maps, DICOM series with segmentation objects.

A scene is a scan whose slices are its frames in grey, 1 mm a pixel and a slice. Both forms carry the
Medical Segmentation Decathlon's ``dataset.json``, in which each scan also names its own labels.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.world.captions import actor_caption
from seektrack.world.layouts.base import VOID, LayoutSettings, labels_with_void, write_json
from seektrack.world.layouts.dicom import Person, write_segmentation, write_series
from seektrack.world.render import Clip
from seektrack.world.telling import named


def require(module: str, layout: str) -> Any:
    """Import pydicom or nibabel.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"the layout {layout} needs the package {module}, which is not installed",
            hint="pip install 'seektrack[medical]'",
        ) from error


class Nifti:
    """``{imagesTr,labelsTr}/<scene>.nii.gz`` and ``dataset.json``; labels are object ids."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self._nibabel = require("nibabel", "nifti")
        self.root, self._cases = root, list[dict[str, Any]]()

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        image, label = (f"{folder}/{name}.nii.gz" for folder in ("imagesTr", "labelsTr"))
        self._write(self.root / image, grey(clip))
        self._write(self.root / label, known_labels(clip))
        self._cases.append(_case(image, label, clip))

    def finish(self) -> None:
        """Write the list of scans."""
        write_json(self.root / "dataset.json", _dataset(self._cases))

    def _write(self, path: Path, slices: NDArray[np.uint8]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Stored along left, posterior, superior: an axial slice then has its rows and columns as shown.
        volume = self._nibabel.Nifti1Image(slices.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
        volume.header["cal_max"] = 255
        self._nibabel.save(volume, path)


class Dicom:
    """``imagesTr/<scene>/0000.dcm``, ``labelsTr/<scene>.dcm`` and ``dataset.json``.

    Each series has a window that shows it as drawn; each segmentation object has a segment an object, whose
    number is the object's id.
    """

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        require("pydicom", "dicom")
        self.root, self._cases = root, list[dict[str, Any]]()

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        image, label = f"imagesTr/{name}", f"labelsTr/{name}.dcm"
        person = Person(name)
        write_series(self.root / image, grey(clip), person)
        labels = known_labels(clip)
        names = {a.obj_id: actor_caption(a) for a in clip.scene.actors}
        write_segmentation(self.root / label, labels, names, person)
        self._cases.append(_case(image, label, clip))

    def finish(self) -> None:
        """Write the list of scans."""
        write_json(self.root / "dataset.json", _dataset(self._cases))


def grey(clip: Clip) -> NDArray[np.uint8]:
    """The frames in grey, (T, H, W)."""
    return np.stack([np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in clip.frames])


def known_labels(clip: Clip) -> NDArray[np.uint8]:
    """Object ids (T, H, W); objects of too few pixels to count as seen are background."""
    labels = np.stack([labels_with_void(ids) for ids in clip.ids])
    labels[labels == VOID] = 0
    return labels


def _case(image: str, label: str, clip: Clip) -> dict[str, Any]:
    names = {str(a.obj_id): actor_caption(a) for a in named(clip)}
    return {"image": f"./{image}", "label": f"./{label}", "labels": {"0": "background", **names}}


def _dataset(cases: list[dict[str, Any]]) -> dict[str, Any]:
    most = max((int(n) for case in cases for n in case["labels"]), default=0)
    return {
        "name": "World",
        "description": "seektrack's procedural world",
        "tensorImageSize": "3D",
        "modality": {"0": "grey"},
        "labels": {"0": "background", **{str(n): f"object {n}" for n in range(1, most + 1)}},
        "numTraining": len(cases),
        "numTest": 0,
        "training": cases,
        "test": [],
    }
