"""What smaller forms of a model cost: size and speed beside what each names, finds, segments and follows."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints import find, parse_model
from seektrack.checkpoints.graphs import GraphPrecision, has_graphs, read_graphs
from seektrack.encoders import Encoder, load_encoder
from seektrack.errors import InputError, SeekTrackError
from seektrack.evaluation.bench.following import contestant, race
from seektrack.evaluation.bench.rows import Row
from seektrack.evaluation.demo import evaluate_demo
from seektrack.evaluation.pocket_clip import named_and_found
from seektrack.evaluation.pocket_sam2 import EngineFollower, clip_figures, frame_figures, world_settings
from seektrack.evaluation.pocket_set import PocketSet, collect
from seektrack.segmentation import Sam2, load_sam2
from seektrack.types import Progress

TORCH = ("fp32", "bf16")
GRAPHS: dict[str, tuple[GraphPrecision, bool]] = {
    "onnx": ("fp32", False),
    "fp16": ("fp16", False),
    "int8": ("int8", False),
    "int8-static": ("int8", True),
}
"""Graphs by name: what they compute in, and whether activations are of a fixed range."""
WAYS = (*TORCH, *GRAPHS)


@dataclass(frozen=True, kw_only=True)
class SmallerSettings:
    """How much is measured.

    Attributes:
        crops, frames: Of held-out scenes, to be named, and to be found by their captions.
        scenes, clips, n_frames: Single frames, clips and their length, to be segmented and followed.
        demo_scenes: Scenes for text to tracks; 0 leaves it out.
        objects, rounds: Followed at once while the clock runs, and for how many frames.
    """

    crops: int = 400
    frames: int = 60
    scenes: int = 20
    clips: int = 3
    n_frames: int = 24
    demo_scenes: int = 4
    objects: int = 8
    rounds: int = 8


@dataclass(frozen=True, kw_only=True)
class SmallerRow:
    """One form of the model.

    Attributes:
        way: Its name: one of :data:`WAYS`, or a model folder.
        clip_mb, sam2_mb: Size of its weights and graphs in MB, of a segmenter's one set of weights.
        picture_ms, frame_ms: Medians of a picture's vector, and of a frame with the objects asked for.
        named: Share of crops named right among 90 names.
        r1: Share of captions whose frame comes first.
        j, jf: J of single frames and J&F of clips, from a box.
        idf1: Of text to tracks.
        stays: Parts that stay in fp32, since they would lose too much.
        why: Why it was not measured; empty where it was.
    """

    way: str
    clip_mb: float | None = None
    sam2_mb: float | None = None
    picture_ms: float | None = None
    frame_ms: float | None = None
    named: float | None = None
    r1: float | None = None
    j: float | None = None
    jf: float | None = None
    idf1: float | None = None
    stays: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, eq=False)
class _Form:
    row: SmallerRow
    encoder: Encoder
    sam2: Sam2
    model: str | None


def evaluate_smaller(
    model: str = "pocket",
    ways: Sequence[str] = WAYS,
    *,
    settings: SmallerSettings | None = None,
    pictures: Sequence[NDArray[np.uint8]] = (),
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> list[SmallerRow]:
    """Measure forms of a model on held-out scenes, all on the same ones, their frames timed in turn.

    Args:
        model: As for ``--model``, with weights on this machine.
        ways: Of :data:`WAYS`, or model folders such as those that were pruned.
        settings: How much is measured.
        pictures: RGB uint8 (H, W, 3) that calibrate ``int8-static``; drawn ones when none are given.
        keep: Folder the graphs stay in, and are taken from where they are there; a temporary one when None.
        progress: Called with ``(done, total, stage)``.

    Raises:
        InputError: A way is no name and no folder.
    """
    for way in ways:
        if way not in WAYS and not Path(way).is_dir():
            raise InputError(f"there is no form {way!r}", hint=f"take {', '.join(WAYS)}, or a model folder")
    chosen = settings or SmallerSettings()
    found = collect(112, crops=chosen.crops, frames=chosen.frames)
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(keep or temporary)
        shown = list(pictures) or list(found.frames[:24])
        forms, rows = [], []
        for n, way in enumerate(ways):
            if progress:
                progress(n, 2 * len(ways), f"making {way}")
            try:
                forms.append(_form(model, way, base, shown))
            except SeekTrackError as error:
                rows.append(SmallerRow(way=way, why=str(error)))
        timed = _frame_times(forms, chosen)
        for n, (form, frame_ms) in enumerate(zip(forms, timed, strict=True)):
            if progress:
                progress(len(ways) + n, 2 * len(ways), f"measuring {form.row.way}")
            rows.append(replace(_measured(form, found, chosen), frame_ms=frame_ms))
    if progress:
        progress(2 * len(ways), 2 * len(ways), "measuring")
    order = {way: n for n, way in enumerate(ways)}
    return sorted(rows, key=lambda row: order[row.way])


def _form(model: str, way: str, base: Path, pictures: Sequence[NDArray[np.uint8]]) -> _Form:
    """Load a form, written first where it is graphs that are not there yet."""
    clip, sam2 = parse_model(model)
    if way in TORCH:
        dtype = "bfloat16" if way == "bf16" else "float32"
        encoder = load_encoder(clip, device="cpu", dtype=dtype, runtime="torch")
        network = load_sam2(sam2, device="cpu", precision=way, runtime="torch")
        return _Form(
            _sized(SmallerRow(way=way), clip, sam2), encoder, network, model if way == "fp32" else None
        )
    folder = str(base / way) if way in GRAPHS else way
    if way in GRAPHS and not (base / way / "sam2").is_dir():
        from seektrack.compression import export_model

        precision, fixed = GRAPHS[way]
        export_model(model, to=folder, precision=precision, pictures=pictures if fixed else ())
    clip, sam2 = parse_model(folder)
    row = _sized(SmallerRow(way=way), clip, sam2)
    return _Form(row, load_encoder(clip), load_sam2(sam2), folder)


def _sized(row: SmallerRow, clip: str, sam2: str) -> SmallerRow:
    """With the size of its files, and which graphs stay in fp32."""
    sizes: list[float | None] = []
    stays: list[str] = []
    for name, part in ((clip, "text"), (sam2, "mask")):
        folder = find(name, part).folder  # type: ignore[arg-type]
        if folder is None:
            sizes.append(None)
            continue
        computed = (folder / "model.safetensors").is_file()
        files = [*folder.glob("*.safetensors"), *([] if computed else folder.glob("*.onnx"))]
        sizes.append(round(sum(file.stat().st_size for file in files) / 1e6, 1))
        if has_graphs(folder) and not computed:
            stays += [key for key, one in read_graphs(folder).files.items() if one.why]
    return replace(row, clip_mb=sizes[0], sam2_mb=sizes[1], stays=tuple(stays))


def _frame_times(forms: Sequence[_Form], settings: SmallerSettings) -> list[float]:
    """Milliseconds a frame, each frame seen by every form before the next comes."""
    racing = [
        contestant(form.sam2, Row(stage="follow", runtime=form.row.way), settings.objects) for form in forms
    ]
    race(racing, settings.objects, settings.rounds)
    return [round(1000 * statistics.median(one.seconds), 1) for one in racing]


def _measured(form: _Form, found: PocketSet, settings: SmallerSettings) -> SmallerRow:
    figures = named_and_found(form.encoder, found)
    follow = EngineFollower(form.sam2, "seen")
    figures |= frame_figures(follow, world_settings(1), settings.scenes)
    figures |= clip_figures(follow, world_settings(settings.n_frames), settings.clips)
    idf1 = None
    if settings.demo_scenes and form.model is not None:
        idf1 = evaluate_demo(scenes=settings.demo_scenes, model=form.model)["idf1"]
    return replace(
        form.row,
        picture_ms=round(1000 * statistics.median(_seconds(form.encoder, found)), 2),
        named=figures["crop90"],
        r1=figures["text_to_frame_r1"],
        j=figures["J_box"],
        jf=figures["JF_box"],
        idf1=idf1,
    )


def _seconds(encoder: Encoder, found: PocketSet) -> Iterator[float]:
    """Of one picture, over batches of eight."""
    for start in range(0, min(64, len(found.crops)), 8):
        batch = found.crops[start : start + 8]
        began = time.perf_counter()
        encoder.embed_images(batch)
        yield (time.perf_counter() - began) / len(batch)
