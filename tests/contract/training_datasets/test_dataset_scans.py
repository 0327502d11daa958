"""Readers of medical scans with masks, over tiny files made here; the truth is what was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.training.datasets import Dataset, MaskClip, decathlon, scans

Write = Callable[..., Path]
Told = tuple[Dataset[MaskClip], dict[str, Any]]
H, W = 6, 8


def write_decathlon(root: Path, kit: Any, _: Write, write_nifti: Write) -> Told:
    labels = np.stack(kit.label_pictures(3, void=False))
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir()
    scan = np.arange(3 * H * W, dtype=np.int16).reshape(3, H, W) * 5
    write_nifti(root / "imagesTr/liver_1.nii.gz", scan, axes="RAS")
    write_nifti(root / "labelsTr/liver_1.nii.gz", labels)
    pair = {"image": "./imagesTr/liver_1.nii.gz", "label": "./labelsTr/liver_1.nii.gz"}
    own = {**pair, "labels": {"background": 0, "spleen": 3}}
    names = {"0": "background", "1": "liver", "3": "cancer"}
    (root / "dataset.json").write_text(json.dumps({"training": [pair, own], "labels": names}))
    grey = np.repeat((scan * (255 / 1024)).round().astype(np.uint8)[..., None], 3, axis=-1)
    return decathlon(root, window=(512, 1024)), {
        "images": {f"0000{i}/{z}": image for i in (0, 1) for z, image in enumerate(grey)},
        "labels": {key: list(labels) for key in ("00000", "00001")},
        "categories": {"00000": {1: "liver", 3: "cancer"}, "00001": {3: "spleen"}},
    }


def write_scans(root: Path, kit: Any, write_dicom: Write, write_nifti: Write) -> Told:
    """A DICOM series, once with a NIfTI label map and once with a DICOM one."""
    labels = np.stack(kit.label_pictures(3, void=False))
    for folder in ("ct", "ct-labels"):
        (root / folder).mkdir()
    for z, ids in enumerate(labels):
        write_dicom(root / f"ct/{9 - z}.dcm", np.full((H, W), 50 * z, np.int16), InstanceNumber=z)
        write_dicom(root / f"ct-labels/{z}.dcm", ids, InstanceNumber=z)
    write_nifti(root / "labels.nii.gz", labels.astype(np.float32), axes="RAS")
    pairs = [(root / "ct", root / "labels.nii.gz"), (root / "ct", root / "ct-labels")]
    return scans(pairs, categories={1: "liver"}, window=(127.5, 255)), {
        "images": {f"0000{i}/{z}": np.full((H, W, 3), 50 * z, np.uint8) for i in (0, 1) for z in range(3)},
        "labels": {key: list(labels) for key in ("00000", "00001")},
        "categories": {key: {1: "liver"} for key in ("00000", "00001")},
    }


def write_segmentation(path: Path, labels: np.ndarray, write_dicom: Write, *, first_mm: float = 0.0) -> Path:
    """A segmentation object of one bit a pixel, its frames in no order, empty ones left out."""
    from pydicom.dataset import Dataset as Attributes
    from pydicom.pixels.utils import pack_bits

    def holder(sequence: str, **attributes: object) -> Attributes:
        item, around = Attributes(), Attributes()
        for name, value in attributes.items():
            setattr(item, name, value)
        setattr(around, sequence, [item])
        return around

    frames, groups = [], []
    for z in reversed(range(len(labels))):
        for number in (3, 1):
            if (labels[z] == number).any():
                frames.append(labels[z] == number)
                group = holder("PlanePositionSequence", ImagePositionPatient=[0, 0, first_mm + 2 * z])
                group.update(holder("SegmentIdentificationSequence", ReferencedSegmentNumber=number))
                groups.append(group)
    segments = [Attributes(), Attributes()]
    for segment, number, label in zip(segments, (1, 3), ("liver", "cyst"), strict=True):
        segment.SegmentNumber, segment.SegmentLabel = number, label
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    pixels = np.stack(frames).astype(np.uint8)
    return write_dicom(
        path, pixels, Modality="SEG", SegmentationType="BINARY", SegmentSequence=segments,
        PerFrameFunctionalGroupsSequence=groups, PixelData=pack_bits(pixels), **bits,
    )  # fmt: skip


def write_segmented(root: Path, kit: Any, write_dicom: Write, _: Write) -> Told:
    labels = np.stack(kit.label_pictures(3, void=False))
    (root / "ct").mkdir()
    for z in range(3):
        place = {"ImagePositionPatient": [0, 0, 2 * z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_dicom(root / f"ct/{9 - z}.dcm", np.full((H, W), 50 * z, np.int16), **place)
    write_segmentation(root / "seg.dcm", labels, write_dicom)
    return scans([(root / "ct", root / "seg.dcm")], window=(127.5, 255)), {
        "images": {f"00000/{z}": np.full((H, W, 3), 50 * z, np.uint8) for z in range(3)},
        "labels": {"00000": list(labels)},
        "categories": {"00000": {1: "liver", 3: "cyst"}},
    }


SOURCES = {"decathlon": write_decathlon, "dicom": write_scans, "dicom-seg": write_segmented}


@pytest.mark.parametrize("name", SOURCES)
def test_slices_come_with_their_masks(
    name: str, tmp_path: Path, kit: Any, write_dicom: Write, write_nifti: Write
) -> None:
    data, told = SOURCES[name](tmp_path, kit, write_dicom, write_nifti)
    kit.check_sequence(data)
    kit.check_masks(data, **told)
    kit.check_frames_asked_for(data[0])


@pytest.mark.parametrize(
    ("labels", "kw", "message"),
    [
        (np.zeros((2, H, W), np.uint8), {}, "has 2 slices, the scan .* 3"),
        (
            np.ones((3, H, W - 1), np.uint8),
            {},
            "masks of frame 0 are 7x6, the frame is 8x6|elsewhere in space",
        ),
        (np.full((3, H, W), 0.5, np.float32), {}, "no whole numbers in slice 0"),
        (np.ones((3, H, W), np.uint8), {"shift_mm": 1.0}, "lies elsewhere in space"),
    ],
)
def test_a_label_map_that_does_not_fit_its_scan_is_refused(
    tmp_path: Path, kit: Any, write_nifti: Write, labels: np.ndarray, kw: dict[str, float], message: str
) -> None:
    scan = write_nifti(tmp_path / "scan.nii.gz", np.zeros((3, H, W), np.int16))
    drawn = write_nifti(tmp_path / "labels.nii.gz", labels, **kw)
    kit.check_refused(lambda: scans([(scan, drawn)]), message)


def test_a_segmentation_of_other_slices_is_refused(
    tmp_path: Path, kit: Any, write_dicom: Write, write_nifti: Write
) -> None:
    labels = np.stack(kit.label_pictures(3, void=False))
    write_segmented(tmp_path, kit, write_dicom, write_nifti)
    other = write_segmentation(tmp_path / "other.dcm", labels, write_dicom, first_mm=3.5)
    told = r"frame 0 of .*other\.dcm lies on no slice .* 3\.5 mm away"
    kit.check_refused(lambda: scans([(tmp_path / "ct", other)]), told)
    volume = write_nifti(tmp_path / "v.nii.gz", labels)
    kit.check_refused(lambda: scans([(volume, other)]), "needs slices with positions")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"training": [], "labels": {"1": "liver"}}', r"no scans in .*dataset\.json"),
        ('{"training": [{"image": "a.nii"}], "labels": {}}', "not in the decathlon's layout: KeyError"),
        ('{"training": [{"image": "a", "label": "b", "labels": 3}], "labels": {}}', "decathlon's layout"),
        ('{"training": 3, "labels": {}}', "decathlon's layout"),
        ('{"labels": {}}', "lacks training"),
    ],
)
def test_a_malformed_list_of_scans_is_refused(text: str, message: str, tmp_path: Path, kit: Any) -> None:
    (tmp_path / "dataset.json").write_text(text)
    kit.check_refused(lambda: decathlon(tmp_path), message)


def test_scans_need_pairs() -> None:
    with pytest.raises(InputError, match="no scans"):
        scans([])
