"""The doors hostile input comes through: for each, healthy examples and what a user does with them."""

from __future__ import annotations

import functools
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import later_doors as later
import numpy as np
from mutate import EDGES, mutated


@dataclass(frozen=True)
class Door:
    """One way in.

    Attributes:
        make: Writes healthy examples into a folder.
        spoil: Makes a hostile version of one of them in another folder, and returns its path or a text.
        use: Does with it what a user would.
    """

    make: Callable[[Path], None]
    spoil: Callable[[np.random.Generator, Path, Path], object]
    use: Callable[[object], None]


def one_file(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """A hostile version of one file, under its own name."""
    files = sorted(p for p in healthy.rglob("*") if p.is_file())
    chosen = files[int(rng.integers(len(files)))]
    target = room / chosen.name
    target.write_bytes(mutated(rng, chosen.read_bytes(), chosen.name))
    return target


def whole_folder(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """A folder with one of its files spoilt."""
    folders = sorted(p for p in healthy.iterdir() if p.is_dir())
    chosen = folders[int(rng.integers(len(folders)))]
    target = room / chosen.name
    shutil.copytree(chosen, target)
    files = sorted(p for p in target.rglob("*") if p.is_file() and p.stat().st_size)
    spoilt = files[int(rng.integers(len(files)))]
    spoilt.write_bytes(mutated(rng, spoilt.read_bytes(), spoilt.name))
    return target


def _pictures(n: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(n)]


def make_videos(folder: Path) -> None:
    """Short films in several containers and codecs."""
    import av

    kinds = (
        ("a.mp4", "libx264", "yuv420p"),
        ("b.mkv", "libx264", "yuv420p"),
        ("c.ts", "libx264", "yuv420p"),
        ("d.avi", "mjpeg", "yuvj420p"),
        ("e.webm", "libvpx", "yuv420p"),
        ("f.gif", "gif", "rgb8"),
        ("g.mov", "prores_ks", "yuv422p10le"),
        ("h.mpg", "mpeg2video", "yuv420p"),
    )
    for name, codec, pixels in kinds:
        with av.open(str(folder / name), "w") as out:
            stream = out.add_stream(codec, rate=25 if name == "h.mpg" else 10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
            for picture in _pictures():
                for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                    out.mux(packet)
            for packet in stream.encode():
                out.mux(packet)


def use_video(path: object) -> None:
    """Open, go through, seek and go backwards."""
    from seektrack.video import open_video

    with open_video(str(path)) as source:
        for _ in itertools.islice(source, 40):
            pass
        source.frame_at(0)
        for _ in itertools.islice(source.frames_reversed(), 3):
            pass


def make_pictures(folder: Path) -> None:
    """Stills of several kinds, some deep, some turned."""
    from PIL import Image

    picture = Image.fromarray(_pictures(1)[0])
    exif = Image.Exif()
    exif[274] = 6
    picture.save(folder / "a.png")
    picture.save(folder / "b.jpg", exif=exif)
    picture.save(folder / "c.webp", exif=exif)
    picture.save(folder / "d.tif")
    Image.fromarray((np.arange(48 * 64).reshape(48, 64) * 9).astype(np.uint16)).save(folder / "e.png")
    picture.save(folder / "f.bmp")


def use_picture(path: object) -> None:
    """Read one picture."""
    from seektrack.video import read_image

    read_image(str(path))


def make_scans(folder: Path) -> None:
    """A NIfTI volume and a DICOM slice."""
    import nibabel
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    volume = np.random.default_rng(0).integers(0, 900, (12, 10, 6)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / "a.nii")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    slice_ = pydicom.Dataset()
    slice_.file_meta = meta
    slice_.SOPClassUID, slice_.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    slice_.Modality, slice_.Rows, slice_.Columns = "CT", 12, 10
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 1, 1
    slice_.PhotometricInterpretation = "MONOCHROME2"
    slice_.PixelData = volume[:, :, 0].tobytes()
    slice_.save_as(folder / "b.dcm", enforce_file_format=True)


def make_tracks(folder: Path) -> None:
    """One result in every format that is a file and can be read back."""
    from seektrack.outputs import FORMATS, save_tracks
    from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

    def seen(t: int, x: int) -> Observation:
        pixels = np.zeros((48, 64), bool)
        pixels[10:20, x : x + 12] = True
        mask = Mask.from_array(pixels)
        return Observation(t, t / 10, (float(x), 10.0, x + 12.0, 20.0), mask, 0.9)

    tracks = Tracks(
        VideoInfo("clip.mp4", 64, 48, Fraction(10), 0.4, 4),
        "a car",
        tuple(Track(k, "a car", 0.9, tuple(seen(t, 4 * k + t) for t in range(4))) for k in (1, 2)),
        {t: t / 10 for t in range(4)},
    )
    for name, kind in FORMATS.items():
        if kind.read is not None and not kind.is_folder:
            target = folder / name / kind.filename
            target.parent.mkdir()
            try:
                save_tracks(tracks, target, name)
            except Exception:  # a format whose package is not installed has no example
                shutil.rmtree(target.parent)


def use_tracks(path: object) -> None:
    """Read tracks, and look at every mask."""
    from seektrack.outputs import load_tracks

    tracks = load_tracks(str(path))
    for track in tracks:
        for o in track.observations:
            if o.mask is not None:
                o.mask.to_array()
    repr(tracks)


def make_library(folder: Path) -> None:
    """A small library."""
    from seektrack.library import FrameRow, LibraryStore
    from seektrack.types import VideoInfo

    film = folder / "film.mp4"
    film.write_bytes(b"film")
    rng = np.random.default_rng(0)
    with LibraryStore.create(folder / "lib", model="tiny", fingerprint="f", dim=8) as store:
        with store.begin_video(film, VideoInfo(str(film), 64, 48, Fraction(10), 2.0, 20)) as handle:
            for i in range(20):
                v = rng.normal(size=8)
                handle.append([FrameRow(i, Fraction(i, 10), v / np.linalg.norm(v))])
            handle.finish()
        store.keep_array("texts", np.ones((2, 8), np.float32))


def use_library(path: object) -> None:
    """Open, list and search."""
    from seektrack.library import LibraryStore

    with LibraryStore.open(str(path)) as store:
        store.videos()
        store.nearest(np.full(8, 8**-0.5, np.float32), 5)
        store.cached_array("texts")


_SAID = """
a an the some red blue (green:2.0) (black:1.5) ( ) :1e9 -night - -- -> then first without not cars car
dog dogs person ein rotes auto sans voitures sin perros ; , and with " ' [/] [bold] { } 赤い 車 سيارة
ｒｅｄ é 🚗 1 2.5 moving left towards the camera please show me where there is
"""
WORDS = [*_SAID.split(), "\\", "e\u0301", "\x1b[2J", "\u202e", "\x00", "\ud800"]


def spoil_query(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """Words, marks and noise in any order, some thousands long."""
    count = int(rng.integers(0, 12)) if rng.random() < 0.9 else int(rng.integers(500, 4000))
    words = [WORDS[int(i)] for i in rng.integers(len(WORDS), size=count)]
    if rng.random() < 0.2:
        words.append("".join(chr(int(c)) for c in rng.integers(0, 0x2FFF, 30)))
    return (" " if rng.random() < 0.8 else "").join(words)


def use_query(text: object) -> None:
    """Read a question."""
    from seektrack.query import read

    read(str(text))


def make_models(folder: Path) -> None:
    """The encoder that ships."""
    from importlib.resources import files

    shutil.copytree(str(files("seektrack") / "pretrained" / "clip"), folder / "clip")


def spoil_model(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """A model folder with one of its documents spoilt."""
    target = room / "clip"
    shutil.copytree(healthy / "clip", target)
    files = sorted(target.glob("*.json")) + [target / "model.safetensors"]
    chosen = files[int(rng.integers(len(files)))]
    if rng.random() < 0.1:
        chosen.unlink()
    else:
        chosen.write_bytes(mutated(rng, chosen.read_bytes(), chosen.name))
    return target


def use_model(path: object) -> None:
    """Load an encoder, and embed a text and a picture."""
    from seektrack.encoders import load_encoder

    encoder = load_encoder(str(path))
    encoder.embed_texts(["a red car"])
    encoder.embed_images(_pictures(1))


def make_sessions(folder: Path) -> None:
    """A session of the segmenter, saved."""
    from seektrack.segmentation import VideoSession, load_sam2
    from seektrack.types import Prompt

    session = VideoSession(load_sam2("pocket", resolution=64))
    session.add(Prompt(1, 0, box=(4.0, 4.0, 30.0, 30.0)))
    for t, picture in enumerate(_pictures(3)):
        session.step(picture, t)
    session.save(folder / "a.session")


@functools.cache
def _segmenter() -> Any:
    from seektrack.segmentation import load_sam2

    return load_sam2("pocket", resolution=64)


def use_session(path: object) -> None:
    """Load a session and go on."""
    from seektrack.segmentation import VideoSession

    session = VideoSession.load(str(path), _segmenter())
    session.step(_pictures(1)[0], 3)


def spoil_options(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """A command with one option at an edge."""
    film = str(healthy / "a.mp4")
    out = str(room / "out")
    commands = (
        ["track", film, "--box", "1,1,30,30@0", "--out", out, "--no-overlay"],
        ["search", "a red car", "--library", str(room / "none")],
        ["live", film, "--query", "a red car"],
        ["frame", film + "@0", "--out", out + ".png"],
        ["world", "render", out, "--scenes", "1", "--frames", "1", "--size", "64"],
        ["convert", film, out + ".csv"],
    )
    options = (
        "--resolution", "--filter", "--post", "--start", "--end", "--box", "--point", "--cache", "--size",
        "--fps", "--frames", "--device", "--model", "--format", "--window", "--min-confidence", "--every",
        "-k", "--text", "--propagation",
    )  # fmt: skip
    command = list(commands[int(rng.integers(len(commands)))])
    for _ in range(int(rng.integers(1, 3))):
        value = EDGES[int(rng.integers(len(EDGES)))]
        command += [options[int(rng.integers(len(options)))], str(value).replace("\0", "")]
    return command


def use_options(command: object) -> None:
    """Run a command; what `main` lets through is a finding."""
    import contextlib
    import io

    from seektrack.cli import main

    assert isinstance(command, list)
    caught = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(caught):
        try:
            main(command)
        except SystemExit as ended:
            if ended.code == 8:
                raise AssertionError(f"not foreseen: {command}: {caught.getvalue()[-400:]}") from None
    if "Traceback" in caught.getvalue():
        raise AssertionError(f"a traceback: {command}")


DOORS = {
    "video": Door(make_videos, one_file, use_video),
    "picture": Door(make_pictures, one_file, use_picture),
    "scan": Door(make_scans, one_file, use_video),
    "tracks": Door(make_tracks, one_file, use_tracks),
    "library": Door(make_library, whole_folder, use_library),
    "query": Door(lambda folder: None, spoil_query, use_query),
    "model": Door(make_models, spoil_model, use_model),
    "session": Door(make_sessions, one_file, use_session),
    "options": Door(make_videos, spoil_options, use_options),
    "prompts": Door(later.make_prompts, one_file, later.use_prompts),
    "kept": Door(later.make_kept, later.spoil_kept, later.use_kept),
    "settings": Door(later.make_settings, one_file, later.use_settings),
    "graphs": Door(later.make_graphs, later.spoil_graphs, later.use_graphs),
    "server": Door(later.make_served, later.spoil_request, later.use_request),
}
