"""DICOM files: a series of grey slices, and the segmentation object of its masks (PS3.3 A.51)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_AXIAL = [1, 0, 0, 0, 1, 0]
_DIMENSIONS = ((0x0062000B, 0x0062000A), (0x00200032, 0x00209113))
"""Tags frames are ordered by, and the sequences they lie in: number of the segment, then position."""
_MADE = {"StudyDate": "20000101", "StudyTime": "000000", "ContentDate": "20000101", "ContentTime": "000000"}


class Person:
    """Whose scan it is, with the identifiers of all that belongs to it; equal names give equal ones."""

    def __init__(self, name: str) -> None:
        self.name = name

    def uid(self, part: str) -> Any:
        """Identifier of a part: ``study``, ``series``, ``slice 3``."""
        from pydicom.uid import generate_uid

        return generate_uid(entropy_srcs=["seektrack world", self.name, part])

    def common(self) -> dict[str, Any]:
        """What every file of the study says."""
        return {
            "PatientName": f"World^{self.name}",
            "PatientID": self.name,
            "PatientBirthDate": "",
            "PatientSex": "",
            "StudyID": "1",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
            "Manufacturer": "seektrack",
            "StudyInstanceUID": self.uid("study"),
            "FrameOfReferenceUID": self.uid("frame of reference"),
            "PositionReferenceIndicator": "",
            **_MADE,
        }


def write_series(folder: Path, slices: NDArray[np.uint8], person: Person) -> None:
    """Write slices (Z, H, W) as a CT series, ``0000.dcm`` and on, shown from 0 to 255."""
    from pydicom.uid import CTImageStorage

    folder.mkdir(parents=True, exist_ok=True)
    for z, picture in enumerate(slices):
        _save(
            folder / f"{z:04d}.dcm",
            CTImageStorage,
            person.uid(f"slice {z}"),
            **person.common(),
            Modality="CT",
            SeriesInstanceUID=person.uid("series"),
            SeriesNumber=1,
            AcquisitionNumber=1,
            InstanceNumber=z + 1,
            ImageType=["DERIVED", "SECONDARY", "AXIAL"],
            ImagePositionPatient=[0, 0, z],
            ImageOrientationPatient=_AXIAL,
            PixelSpacing=[1, 1],
            SliceThickness=1,
            KVP=None,
            RescaleSlope=1,
            RescaleIntercept=0,
            WindowCenter=127.5,
            WindowWidth=255,
            **_pixels(picture.shape, bits=8),
            PixelData=_even(np.ascontiguousarray(picture).tobytes()),
        )


def write_segmentation(path: Path, labels: NDArray[np.uint8], names: dict[int, str], person: Person) -> None:
    """Write label pictures (Z, H, W) as a binary segmentation object of one bit a pixel.

    Frames without a pixel are left out; when nothing is labelled at all, one empty frame of the first
    segment stays.

    Args:
        path: The file.
        labels: 0 is background, other values the number of a segment.
        names: Number of a segment to its label.
        person: Whose series it was drawn on.
    """
    from pydicom.pixels.utils import pack_bits
    from pydicom.uid import SegmentationStorage

    numbers = [n for n in names if (labels == n).any()] or [1]
    # Segments count from 1 without a gap, so those between are listed too.
    segments = [_segment(n, names.get(n, "nothing")) for n in range(1, max(numbers) + 1)]
    frames = [(z, n) for n in numbers for z in range(len(labels)) if (labels[z] == n).any()] or [(0, 1)]
    shapes = np.stack([labels[z] == n for z, n in frames]).astype(np.uint8)
    instance = person.uid("segmentation")
    series = _item(
        SeriesInstanceUID=person.uid("series"),
        ReferencedInstanceSequence=[_reference(person, z) for z in range(len(labels))],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(
        path,
        SegmentationStorage,
        instance,
        **person.common(),
        Modality="SEG",
        SeriesInstanceUID=person.uid("segmentation series"),
        SeriesNumber=2,
        InstanceNumber=1,
        ImageType=["DERIVED", "PRIMARY"],
        ContentLabel="OBJECTS",
        ContentDescription="what the scene shows",
        ContentCreatorName="seektrack",
        ManufacturerModelName="world",
        DeviceSerialNumber="1",
        SoftwareVersions="1",
        SegmentationType="BINARY",
        LossyImageCompression="00",
        ReferencedSeriesSequence=[series],
        SegmentSequence=segments,
        DimensionOrganizationSequence=[_item(DimensionOrganizationUID=person.uid("dimensions"))],
        DimensionIndexSequence=[
            _item(
                DimensionOrganizationUID=person.uid("dimensions"),
                DimensionIndexPointer=tag,
                FunctionalGroupPointer=group,
            )
            for tag, group in _DIMENSIONS
        ],
        SharedFunctionalGroupsSequence=[
            _item(
                PlaneOrientationSequence=[_item(ImageOrientationPatient=_AXIAL)],
                PixelMeasuresSequence=[_item(PixelSpacing=[1, 1], SliceThickness=1, SpacingBetweenSlices=1)],
            )
        ],
        PerFrameFunctionalGroupsSequence=[
            _item(
                FrameContentSequence=[_item(DimensionIndexValues=[n, z + 1])],
                PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, z])],
                SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=n)],
            )
            for z, n in frames
        ],
        NumberOfFrames=len(frames),
        **_pixels(labels.shape[1:], bits=1),
        PixelData=_even(pack_bits(shapes)),
    )


def _segment(number: int, label: str) -> Any:
    return _item(
        SegmentNumber=number,
        SegmentLabel=label,
        SegmentAlgorithmType="MANUAL",
        SegmentedPropertyCategoryCodeSequence=[_code("260787004", "Physical object")],
        SegmentedPropertyTypeCodeSequence=[_code("260787004", "Physical object")],
    )


def _code(value: str, meaning: str) -> Any:
    return _item(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)


def _reference(person: Person, z: int) -> Any:
    from pydicom.uid import CTImageStorage

    return _item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=person.uid(f"slice {z}"))


def _pixels(hw: tuple[int, ...], *, bits: int) -> dict[str, Any]:
    return {
        "Rows": hw[0],
        "Columns": hw[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
    }


def _item(**attributes: Any) -> Any:
    from pydicom.dataset import Dataset

    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def _save(path: Path, storage: Any, instance: Any, **attributes: Any) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = storage, instance
    made = _item(SOPClassUID=storage, SOPInstanceUID=instance, **attributes)
    made.file_meta = meta
    made.save_as(path, enforce_file_format=True)
