"""What is looked at before anything is computed: outputs can be written, prompts lie in the video."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack.errors import InputError, PromptError
from seektrack.files import check_folder, check_target
from seektrack.geometry import clip_box
from seektrack.types import Prompt

if TYPE_CHECKING:
    import os

    from seektrack.outputs import OverlayStyle
    from seektrack.video import VideoSource


def check_outputs(
    out: str | Path | None,
    formats: Iterable[str],
    *,
    overlay: bool | str | OverlayStyle = True,
    sources: Sequence[str | os.PathLike[str]] = (),
) -> tuple[str, ...]:
    """The formats, once they are known to exist and their files known to be writable and no source.

    Nothing is made: a run that fails leaves no folder behind.

    Raises:
        InputError: A format or render mode is unknown.
        OutputError: The folder or a file in it cannot be written, or is read from.
    """
    from seektrack.outputs import overlay_style
    from seektrack.outputs.registry import Format, written_forms

    chosen, style = tuple(formats), overlay_style(overlay)
    known = written_forms()
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise InputError(f"unknown format {unknown[0]!r}", hint=f"use one of {', '.join(known)}")
    if out is not None:
        check_folder(out)
        forms = [known[name] for name in chosen]
        names = [f.filename for f in forms if not (isinstance(f, Format) and f.is_folder)]
        for name in (*names, *([] if style is None else [style.filename])):
            check_target(Path(out) / name, sources=sources)
    return chosen


_SURE_S = 1.0
"""A part this long, so far from the stated end, shows pictures without a look at their times."""


def check_shown(source: VideoSource) -> None:
    """Refuse a part of a video in which no picture begins.

    Raises:
        InputError: It lies between two pictures, or behind the time of the last.
    """
    start, end, stated = source._start_s or 0.0, source._end_s, source.info.duration_s
    long = end is None or end - start >= _SURE_S
    if source.live or (long and (stated is None or start + _SURE_S < stated)) or source.len_frames():
        return
    until = "the end" if end is None else f"{end:g} s"
    times = source._all_times()
    last = f"; the last begins at {float(times[-1]):.3f} s" if times else ""
    raise InputError(
        f"no picture of {source.info.path} begins from {start:g} s to {until}{last}",
        hint="choose an earlier start, or a later end",
    )


def check_prompts(prompts: Sequence[Prompt], source: VideoSource) -> None:
    """Refuse prompts that lie outside the video, and say what of a box does, before anything is followed.

    Raises:
        PromptError: One lies on a frame that is not shown or outside the picture, or says what an object is
            not and never what it is.
    """
    if not prompts:
        return
    from seektrack.segmentation.prompts import check_prompt

    (start, stop), hw = source._range(), source.info.hw
    for prompt in prompts:
        check_prompt(prompt, hw)
        if not start <= prompt.frame_index < stop:
            raise PromptError(
                f"object {prompt.obj_id} is pointed at on frame {prompt.frame_index}, which is not shown",
                hint=f"frames are {start} to {stop - 1}" if stop > start else "the part shown has no frames",
            )
        if prompt.box is not None and clip_box(prompt.box, hw) != tuple(map(float, prompt.box)):
            edges = ", ".join(f"{v:g}" for v in prompt.box)
            warnings.warn(
                f"the box {edges} reaches beyond the {hw[1]}x{hw[0]} picture and is cut at its edge",
                stacklevel=3,
            )
    for obj_id in {prompt.obj_id for prompt in prompts}:
        if not any(_says_where(prompt) for prompt in prompts if prompt.obj_id == obj_id):
            raise PromptError(
                f"object {obj_id} has only points that lie outside it",
                hint="add a point inside it, label 1, or a box around it",
            )


def _says_where(prompt: Prompt) -> bool:
    labels = () if prompt.point_labels is None else prompt.point_labels
    return prompt.box is not None or prompt.mask is not None or any(int(label) == 1 for label in labels)
