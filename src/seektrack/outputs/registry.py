"""One table of the formats tracks are written in and read from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from seektrack import files
from seektrack.errors import InputError
from seektrack.outputs import coco, davis, mot, native, npz, youtube_vis
from seektrack.types import Tracks, VideoInfo

Writer = Callable[[Tracks, Path], None]
Reader = Callable[[Path, VideoInfo | None], Tracks]


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
    """

    name: str
    filename: str
    about: str
    write: Writer
    read: Reader | None = None
    is_folder: bool = False


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("json", "tracks.json", "everything, lossless", native.write_json, native.read_json),
        Format("csv", "tracks.csv", "one row an observation, with velocity", native.write_csv),
        Format("mot", "tracks.mot.txt", "MOT Challenge boxes", mot.write_mot, mot.read_mot),
        Format("mots", "tracks.mots.txt", "MOTS Challenge masks", mot.write_mots, mot.read_mots),
        Format("coco", "tracks.coco.json", "COCO masks with track ids", coco.write_coco, coco.read_coco),
        Format("ytvis", "tracks.ytvis.json", "YouTube-VIS", youtube_vis.write_youtube_vis),
        Format("davis", "davis", "DAVIS palette PNG, a frame each", davis.write_davis, is_folder=True),
        Format("masks-png", "masks", "a PNG an object and frame", davis.write_masks_png, is_folder=True),
        Format("npz", "masks.npz", "masks as NumPy arrays", npz.write_npz),
    )
}


def save_tracks(tracks: Tracks, path: str | Path, format: str) -> Path:
    """Write tracks in one format; the result appears complete or not at all.

    Args:
        tracks: What to write.
        path: The file, or the folder for ``davis`` and ``masks-png``; missing parents are made.
        format: A name in `FORMATS`.

    Returns:
        The path written.

    Raises:
        InputError: The format is unknown, an ``obj_id`` occurs twice, or a mask is not of the video's size.
        OutputError: The path cannot be written or is the video, or the format cannot hold these tracks.
    """
    chosen, target = _format(format), Path(path)
    _check(tracks)
    sources = (tracks.video.path,)
    with (
        files.new_folder(target, ours=davis.is_export, sources=sources)
        if chosen.is_folder
        else files.new_file(target, sources=sources)
    ) as temporary:
        chosen.write(tracks, temporary)
    return target


def save_formats(tracks: Tracks, folder: str | Path, formats: Iterable[str]) -> dict[str, Path]:
    """Write several formats into one folder under their usual names.

    Every name is checked before the first file is written.

    Returns:
        The path of each format.
    """
    chosen = [_format(name) for name in formats]
    return {f.name: save_tracks(tracks, Path(folder) / f.filename, f.name) for f in chosen}


def load_tracks(path: str | Path, format: str, *, video: VideoInfo | None = None) -> Tracks:
    """Read tracks back.

    Args:
        path: The file.
        format: ``json``, ``mot``, ``mots`` or ``coco``.
        video: The video they belong to, for formats that do not say; see the readers for what is assumed.

    Raises:
        InputError: The format has no reader, or the file is missing or not of that format.
    """
    chosen, source = _format(format), Path(path)
    if chosen.read is None:
        readable = ", ".join(f.name for f in FORMATS.values() if f.read)
        raise InputError(f"tracks cannot be read back from {format}", hint=f"formats that can: {readable}")
    try:
        return chosen.read(source, video)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {source}") from error
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{source} is not a readable {format} file: {error!r}") from error


def _check(tracks: Tracks) -> None:
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


def _format(name: str) -> Format:
    try:
        return FORMATS[name]
    except KeyError:
        raise InputError(f"unknown format {name!r}", hint=f"use one of {', '.join(FORMATS)}") from None
