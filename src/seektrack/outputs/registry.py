"""One table of the formats tracks are written in and read from.

Packages add formats of their own by an entry point of the group ``seektrack.formats`` whose object is a
`Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from seektrack import files
from seektrack.errors import InputError
from seektrack.outputs import (
    arrays,
    coco,
    cvat,
    davis,
    label_studio,
    mot,
    mots,
    native,
    protobuf,
    tables,
    yolo,
    youtube_vis,
)
from seektrack.outputs.logs import LOGS, Log, save_log
from seektrack.outputs.recognise import recognise
from seektrack.registry import Registry
from seektrack.types import Tracks, VideoInfo

GROUP = "seektrack.formats"

Writer = Callable[[Tracks, Path], None]
Reader = Callable[[Path, VideoInfo | None], Tracks]


def _nothing_beside(tracks: Tracks) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Format:
    """One way to write tracks.

    Attributes:
        name: What the user calls it.
        filename: What it is called inside an output folder.
        about: One line on what it holds.
        write: Writes to a path that does not exist yet.
        read: Reads it back, or None.
        is_folder: Whether the result is a folder.
        beside: What goes into files beside it, by the end of their names, which replaces the last suffix.
        is_export: Of a folder, whether it holds nothing but an earlier result in this format.
    """

    name: str
    filename: str
    about: str
    write: Writer
    read: Reader | None = None
    is_folder: bool = False
    beside: Callable[[Tracks], dict[str, str]] = _nothing_beside
    is_export: Callable[[Path], bool] = lambda folder: False


_OWN = (
    Format("json", "tracks.json", "everything, lossless", native.write_json, native.read_json),
    Format("json-frames", "frames.json", "all, frame by frame", native.write_frames, native.read_frames),
    Format("csv", "tracks.csv", "one row an observation, with velocity", tables.write_csv, tables.read_csv),
    Format("parquet", "tracks.parquet", "everything, as a table", tables.write_parquet, tables.read_parquet),
    Format("protobuf", "tracks.pb", "all, as a message", protobuf.write_protobuf, protobuf.read_protobuf),
    Format(
        "mot", "tracks.mot.txt", "MOT Challenge boxes", mot.write_mot, mot.read_mot, beside=mot.labels_beside
    ),
    Format(
        "mot-sequence", "mot", "MOT Challenge sequence: gt.txt, seqinfo.ini", mot.write_sequence,
        mot.read_mot, is_folder=True, is_export=mot.is_export,
    ),
    Format(
        "cvat-mot", "cvat-mot", "MOT for CVAT: gt.txt, labels.txt", mot.write_cvat_mot, mot.read_mot,
        is_folder=True, is_export=mot.is_export,
    ),
    Format(
        "mots", "tracks.mots.txt", "MOTS Challenge masks", mots.write_mots, mots.read_mots,
        beside=mots.objects_beside,
    ),
    Format(
        "kitti-mots", "tracks.kitti-mots.txt", "KITTI MOTS masks, frames from 0", mots.write_kitti_mots,
        mots.read_kitti_mots, beside=mots.objects_beside,
    ),
    Format("coco", "tracks.coco.json", "COCO masks with track ids", coco.write_coco, coco.read_coco),
    Format("cocovid", "tracks.cocovid.json", "CocoVID", coco.write_coco_vid, coco.read_coco),
    Format(
        "ytvis", "tracks.ytvis.json", "YouTube-VIS truth", youtube_vis.write_youtube_vis,
        youtube_vis.read_youtube_vis,
    ),
    Format(
        "ytvis-results", "results.ytvis.json", "YouTube-VIS results", youtube_vis.write_results,
        youtube_vis.read_results, beside=youtube_vis.objects_beside,
    ),
    Format("cvat", "tracks.cvat.xml", "CVAT for video: boxes", cvat.write_cvat, cvat.read_cvat),
    Format(
        "label-studio", "tracks.label-studio.json", "Label Studio video: boxes",
        label_studio.write_label_studio, label_studio.read_label_studio,
    ),
    Format(
        "yolo", "yolo", "YOLO boxes with track ids", yolo.write_yolo, yolo.read_yolo, is_folder=True,
        is_export=yolo.is_export,
    ),
    Format(
        "yolo-dataset", "yolo-dataset", "YOLO to train on: data.yaml, boxes", yolo.write_dataset,
        yolo.read_dataset, is_folder=True, is_export=yolo.is_dataset_export,
    ),
    Format(
        "davis", "davis", "DAVIS palette PNG, a frame each", davis.write_davis, davis.read_davis,
        is_folder=True, is_export=davis.is_export,
    ),
    Format(
        "masks-png", "masks", "a PNG an object and frame, 0 and 255", davis.write_masks_png,
        davis.read_masks_png, is_folder=True, is_export=davis.is_export,
    ),
    Format("npz", "masks.npz", "masks as NumPy arrays", arrays.write_npz, arrays.read_npz),
    Format(
        "npy", "masks.npy", "one NumPy array of object numbers", arrays.write_npy, arrays.read_npy,
        beside=arrays.objects_beside,
    ),
)  # fmt: skip


FORMATS: Registry[Format] = Registry(Format, GROUP, _OWN, what="format")


def save_tracks(tracks: Tracks, path: str | Path, format: str) -> Path:
    """Write tracks in one format; the result appears complete or not at all.

    Args:
        tracks: What to write.
        path: The file, or the folder for formats that are one; missing parents are made.
        format: A name in `FORMATS`.

    Returns:
        The path written.

    Raises:
        InputError: The format is unknown, an ``obj_id`` occurs twice, or a mask is not of the video's size.
        OutputError: The path cannot be written or is the video, or the format cannot hold these tracks.
    """
    chosen, target = format_named(format), Path(path)
    check_tracks(tracks)
    beside, sources = chosen.beside(tracks), (tracks.video.path,)
    with (
        files.new_folder(target, ours=chosen.is_export, sources=sources)
        if chosen.is_folder
        else files.new_file(target, sources=sources)
    ) as temporary:
        chosen.write(tracks, temporary)
    for end, text in beside.items():
        files.write_text(target.with_name(target.stem + end), text, sources=sources)
    return target


def written_forms() -> dict[str, Format | Log]:
    """Everything a result is written as, by name: formats, then logs."""
    return {**FORMATS, **LOGS}


def save_formats(tracks: Tracks, folder: str | Path, formats: Iterable[str]) -> dict[str, Path]:
    """Write several formats, and logs (`LOGS`), into one folder under their usual names.

    Every name is checked before the first file is written.

    Returns:
        The path of each format.
    """
    chosen = [LOGS[name] if name in LOGS else format_named(name) for name in formats]
    return {
        f.name: (save_log if isinstance(f, Log) else save_tracks)(tracks, Path(folder) / f.filename, f.name)
        for f in chosen
    }


def load_tracks(path: str | Path, format: str | None = None, *, video: VideoInfo | None = None) -> Tracks:
    """Read tracks; what a file says is checked before it is believed.

    Args:
        path: The file or folder.
        format: A name in `FORMATS`; recognised from the file when None.
        video: The video they belong to, for formats that do not say; see the readers for what is assumed.

    Raises:
        InputError: The format has no reader, or the file is missing, not of that format, or holds a value
            that cannot be: an object twice on a frame, NaN, a mask that does not fill its picture.
    """
    source = Path(path)
    if not source.exists():
        raise InputError(f"no such file: {source}")
    try:
        chosen = format_named(recognise(source) if format is None else format)
        if chosen.read is None:
            readable = ", ".join(f.name for f in FORMATS.values() if f.read)
            raise InputError(
                f"tracks cannot be read from {chosen.name}", hint=f"formats that can: {readable}"
            )
        tracks = chosen.read(source, video)
        check_tracks(tracks)
    except InputError as error:
        if str(source) in error.message:
            raise
        raise InputError(f"{source}: {error.message}", hint=error.hint) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError,
            RecursionError, MemoryError) as error:  # fmt: skip
        raise InputError(f"{source} is not a readable {format or 'tracks'} file: {error!r}") from error
    return tracks


def check_tracks(tracks: Tracks) -> None:
    """See that tracks go together.

    Raises:
        InputError: An id occurs twice, or a mask is not of the video's size.
    """
    ids = [t.obj_id for t in tracks]
    if len(set(ids)) != len(ids):
        raise InputError(f"tracks must have unique ids, got {ids}")
    for track in tracks:
        for o in track.observations:
            if o.mask is not None and o.mask.size != tracks.video.hw:
                raise InputError(
                    f"track {track.obj_id}, frame {o.frame_index}: mask of size {o.mask.size} (H, W) "
                    f"in a video of {tracks.video.hw}",
                    hint="masks belong in source pixels; see geometry.resize_mask",
                )


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        InputError: There is none.
    """
    return FORMATS.named(name)
