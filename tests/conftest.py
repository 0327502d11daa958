"""What every test runs under: one thread, no network, the same random numbers each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("seektrack", deadline=None, derandomize=True)
settings.load_profile("seektrack")


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def write_dicom() -> Callable[..., Path]:
    """Writes one DICOM file of given pixels; keywords are its attributes, replacing the usual ones."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    def write(path: Path, pixels: np.ndarray, **attributes: object) -> Path:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"1.2.3.{abs(hash(path))}"
        colour = pixels.shape[-1] == 3
        bits = pixels.dtype.itemsize * 8
        shown = pixels.shape[:-1] if colour else pixels.shape
        usual = {
            "SOPClassUID": CTImageStorage,
            "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "SeriesInstanceUID": "1.2.3",
            "Rows": shown[-2],
            "Columns": shown[-1],
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "SamplesPerPixel": 3 if colour else 1,
            "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
            "PixelData": pixels.tobytes(),
        }
        if colour:
            usual["PlanarConfiguration"] = 0
        if len(shown) == 3:
            usual["NumberOfFrames"] = shown[0]
        dataset = Dataset()
        dataset.file_meta = meta
        for name, value in (usual | attributes).items():
            setattr(dataset, name, value)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def write_nifti() -> Callable[..., Path]:
    """Writes slices (Z, H, W), shown as `seektrack` shows them, as a volume stored along ``axes``."""
    import nibabel
    from nibabel import orientations

    def write(path: Path, slices: np.ndarray, *, axes: str = "LPS", shift_mm: float = 0.0) -> Path:
        affine = np.diag([-1.0, -1.0, 2.0, 1.0])
        affine[:3, 3] = shift_mm
        image = nibabel.Nifti1Image(np.ascontiguousarray(slices.transpose(2, 1, 0)), affine)
        turn = orientations.ornt_transform(
            orientations.axcodes2ornt(("L", "P", "S")), orientations.axcodes2ornt(tuple(axes))
        )
        nibabel.save(image.as_reoriented(turn), path)
        return path

    return write
