from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_windowing

from seektrack.errors import InputError, VideoError
from seektrack.video import open_video
from seektrack.video.medical import MedicalSource

Write = Callable[..., Path]

AXIAL = [1, 0, 0, 0, 1, 0]


def shown(path: Path, **kw: object) -> np.ndarray:
    """The pictures (Z, H, W) of a scan, which must be grey."""
    images = np.stack([f.image for f in open_video(path, **kw)])  # type: ignore[arg-type]
    assert (images == images[..., :1]).all()
    return images[..., 0]


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 2000, (3, 5, 7)).astype(np.int16)


def write_series(folder: Path, volume: np.ndarray, write_dicom: Write, **attributes: object) -> Path:
    """Slices whose names and instance numbers run against their positions."""
    folder.mkdir(exist_ok=True)
    for z, pixels in enumerate(volume):
        place = {"ImagePositionPatient": [0, 0, -40 + 2 * z], "ImageOrientationPatient": AXIAL}
        write_dicom(folder / f"{9 - z}.dcm", pixels, InstanceNumber=9 - z, **place, **attributes)
    return folder


def test_windowed_slices_equal_what_pydicom_makes_of_them(
    tmp_path: Path, volume: np.ndarray, write_dicom: Write
) -> None:
    attributes = {
        "RescaleSlope": "2",
        "RescaleIntercept": "-1024",
        "WindowCenter": "500",
        "WindowWidth": "900",
    }
    folder = write_series(tmp_path / "s", volume, write_dicom, VOILUTFunction="LINEAR_EXACT", **attributes)
    for z, picture in enumerate(shown(folder)):
        file = pydicom.dcmread(folder / f"{9 - z}.dcm")
        wanted = apply_windowing(apply_modality_lut(file.pixel_array, file), file)
        scaled = (wanted - wanted.min()) / np.ptp(wanted) * 255
        assert (picture.min(), picture.max()) == (0, 255)
        assert np.abs(picture.astype(float) - scaled).max() <= 0.51
    source = MedicalSource(folder)
    assert source.window == (500, 900)
    np.testing.assert_array_equal(source.values(1), volume[1] * 2.0 - 1024)


def test_a_window_given_goes_before_the_files_own(tmp_path: Path, write_dicom: Write) -> None:
    ramp = np.arange(0, 400, 10, dtype=np.int16).reshape(1, 1, 40)
    folder = write_series(tmp_path / "s", ramp, write_dicom, WindowCenter="50", WindowWidth="10")
    grey = shown(folder, window=(200, 100))[0, 0]
    assert grey[15] == 0 and grey[25] == 255 and grey[20] == 128
    assert (np.diff(grey[15:26].astype(int)) > 0).all()


def test_slices_lie_in_order_of_position_then_of_number(
    tmp_path: Path, volume: np.ndarray, write_dicom: Write
) -> None:
    placed = MedicalSource(write_series(tmp_path / "placed", volume, write_dicom))
    assert all(np.array_equal(placed.values(z), volume[z]) for z in range(3))
    (tmp_path / "numbered").mkdir()
    for z, pixels in enumerate(volume):
        write_dicom(tmp_path / "numbered" / f"1.2.{9 - z}", pixels, InstanceNumber=z + 1)
    numbered = open_video(tmp_path / "numbered")
    assert isinstance(numbered, MedicalSource)
    assert all(np.array_equal(numbered.values(z), volume[z]) for z in range(3))


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PSR", "AIL"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_volume_shows_the_same_pictures_as_the_axial_series(
    tmp_path: Path, volume: np.ndarray, write_dicom: Write, write_nifti: Write, axes: str, suffix: str
) -> None:
    series = write_series(tmp_path / "s", volume, write_dicom)
    path = write_nifti(tmp_path / f"v{suffix}", volume, axes=axes)
    np.testing.assert_array_equal(shown(path, window=(900, 1500)), shown(series, window=(900, 1500)))
    np.testing.assert_array_equal(shown(path), shown(series))


def test_stored_scale_of_a_volume_is_applied(tmp_path: Path, rng: np.random.Generator) -> None:
    image = nibabel.Nifti1Image(rng.normal(3, 50, (6, 5, 4)), np.diag([-1, -1, 1, 1]))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "v.nii.gz")
    told = nibabel.load(tmp_path / "v.nii.gz").get_fdata()
    source = MedicalSource(tmp_path / "v.nii.gz")
    for z in range(4):
        np.testing.assert_allclose(source.values(z), told[:, :, z].T, rtol=1e-5, atol=1e-4)


def test_without_a_window_one_is_chosen_for_the_whole_scan(tmp_path: Path, write_nifti: Write) -> None:
    dark, bright = np.linspace(0, 100, 100), np.linspace(100, 1000, 100)
    volume = np.stack([dark, bright]).reshape(2, 10, 10).astype(np.float32)
    grey = shown(write_nifti(tmp_path / "v.nii.gz", volume))
    assert grey[0].max() < 30
    assert grey[1].max() == 255
    level, width = MedicalSource(tmp_path / "v.nii.gz").window
    np.testing.assert_allclose((level - width / 2, level + width / 2), np.percentile(volume, (0.5, 99.5)))


def test_values_that_are_no_numbers_are_black(tmp_path: Path, write_nifti: Write) -> None:
    volume = np.linspace(-50, 50, 36, dtype=np.float32).reshape(1, 6, 6)
    volume[0, 3, 3] = np.nan
    grey = shown(write_nifti(tmp_path / "v.nii.gz", volume))
    assert grey[0, 3, 3] == 0
    assert grey[0, 5, 5] == 255


def test_monochrome1_is_inverted(tmp_path: Path, write_dicom: Write) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_dicom(tmp_path / "a.dcm", ramp, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(shown(tmp_path / "a.dcm", window=(127.5, 255))[0], 255 - ramp)


def test_a_recording_has_its_own_rate_unless_told_otherwise(tmp_path: Path, write_dicom: Write) -> None:
    frames = np.arange(4, dtype=np.uint8).repeat(30).reshape(4, 5, 6)
    path = write_dicom(tmp_path / "a.dcm", frames, FrameTime="40.5")
    assert open_video(path).times() == [Fraction(81 * i, 2000) for i in range(4)]
    assert open_video(path, fps=10).times() == [Fraction(i, 10) for i in range(4)]


def test_colour_stays_colour(tmp_path: Path, write_dicom: Write, rng: np.random.Generator) -> None:
    frames = rng.integers(0, 256, (2, 5, 6, 3)).astype(np.uint8)
    images = [f.image for f in open_video(write_dicom(tmp_path / "a.dcm", frames))]
    np.testing.assert_array_equal(np.stack(images), frames)


def test_rescaling_of_an_enhanced_file_lies_with_its_frames(tmp_path: Path, write_dicom: Write) -> None:
    def group(slope: int) -> Dataset:
        transformation, item = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = slope, 5
        item.PixelValueTransformationSequence = [transformation]
        return item

    frames = np.arange(1, 3, dtype=np.int16).repeat(4).reshape(2, 2, 2)
    groups = [group(10), group(100)]
    path = write_dicom(tmp_path / "a.dcm", frames, PerFrameFunctionalGroupsSequence=groups)
    source = MedicalSource(path)
    assert [float(source.values(i)[0, 0]) for i in range(2)] == [15, 205]


def test_several_series_in_a_folder_are_told_apart(tmp_path: Path, write_dicom: Write) -> None:
    for i in range(3):
        write_dicom(tmp_path / f"{i}.dcm", np.zeros((4, 4), np.uint8), SeriesInstanceUID=f"1.2.{i % 2}")
    with pytest.raises(VideoError, match=r"holds 2 DICOM series: 1\.2\.0 \(2 files\), 1\.2\.1 \(1 files\)"):
        open_video(tmp_path)


def test_slices_of_different_size_are_refused(tmp_path: Path, write_dicom: Write) -> None:
    write_dicom(tmp_path / "0.dcm", np.zeros((4, 4), np.uint8), InstanceNumber=1)
    write_dicom(tmp_path / "1.dcm", np.zeros((4, 5), np.uint8), InstanceNumber=2)
    with pytest.raises(VideoError, match=r"1\.dcm is 5x4, the first slice is 4x4"):
        list(open_video(tmp_path, window=(0, 1)))


def test_damaged_scans_are_refused(tmp_path: Path, write_dicom: Write, write_nifti: Write) -> None:
    cut = write_nifti(tmp_path / "cut.nii.gz", np.zeros((3, 40, 40), np.int16))
    cut.write_bytes(cut.read_bytes()[:60])
    (tmp_path / "text.nii").write_text("no volume")
    (tmp_path / "text.dcm").write_text("no picture")
    half = write_dicom(tmp_path / "half.dcm", np.zeros((40, 40), np.uint8))
    half.write_bytes(half.read_bytes()[:-800])
    for path in (cut, tmp_path / "text.nii", tmp_path / "text.dcm", half):
        with pytest.raises(VideoError, match=f"cannot read the .*{path.name}"):
            open_video(path)
    with pytest.raises(VideoError, match="no such file"):
        open_video(tmp_path / "gone.nii.gz")


def test_a_header_that_makes_no_sense_is_refused() -> None:
    path = Path(pydicom.data.get_testdata_file("badVR.dcm", download=False))
    with pytest.raises(VideoError, match=r"header in .*badVR\.dcm cannot be understood"):
        open_video(path)


def test_a_palette_is_looked_up() -> None:
    path = Path(pydicom.data.get_testdata_file("examples_palette.dcm", download=False))
    file = pydicom.dcmread(path)
    wanted = pydicom.pixels.apply_color_lut(file.pixel_array, file)
    np.testing.assert_array_equal(open_video(path).frame_at(0).image, wanted >> 8 * (wanted.itemsize - 1))


def test_several_volumes_in_a_file_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3, 2), np.int16), np.eye(4)), tmp_path / "v.nii.gz")
    with pytest.raises(VideoError, match=r"\(4, 4, 3, 2\), not one grey volume"):
        open_video(tmp_path / "v.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3, 1), np.int16), np.eye(4)), tmp_path / "w.nii.gz")
    assert open_video(tmp_path / "w.nii.gz").len_frames() == 3


@pytest.mark.parametrize("window", [(40, 0), (40, -1), (float("nan"), 3), (40, float("inf")), (1, 2, 3)])
def test_an_impossible_window_is_refused(
    tmp_path: Path, window: tuple[float, float], write_nifti: Write
) -> None:
    path = write_nifti(tmp_path / "v.nii", np.zeros((1, 2, 2), np.int16))
    with pytest.raises(InputError, match="level, width"):
        open_video(path, window=window)


def test_a_window_for_what_is_no_scan_is_refused() -> None:
    with pytest.raises(InputError, match="no medical scan"):
        open_video(np.zeros((1, 4, 4, 3), np.uint8), window=(40, 400))


@pytest.mark.parametrize(("name", "package"), [("v.nii.gz", "nibabel"), ("v.dcm", "pydicom")])
def test_a_missing_package_is_named_with_the_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VideoError, match=rf"{package} is not installed .*pip install 'seektrack\[medical\]'"):
        open_video(tmp_path / name)


def test_a_folder_of_pictures_stays_one(tmp_path: Path, write_dicom: Write) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "0.png"), np.full((4, 4, 3), 7, np.uint8))
    write_dicom(tmp_path / "noname", np.zeros((4, 4), np.uint8))
    assert not isinstance(open_video(tmp_path), MedicalSource)
