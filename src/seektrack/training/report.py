"""What a fine-tuning changed: figures and examples before and after, and a model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.files import new_file, write_text

Picture = NDArray[np.uint8]
FOLDER = "report"
MOST = 4
"""Examples shown of each kind."""
SIDE = 256
"""Height of a picture in the report, pixels."""
_GAP = 6


@dataclass(frozen=True, eq=False)
class Example:
    """One thing that was measured before and after.

    Attributes:
        name: What it is.
        before, after: Its figure, higher being better.
        pictures: Side by side, RGB uint8 (H, W, 3), what was there before on the left.
        says: A line under it.
    """

    name: str
    before: float
    after: float
    pictures: tuple[Picture, ...] = ()
    says: str = ""

    @property
    def gain(self) -> float:
        """By how much it got better."""
        return self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model card says.

    Attributes:
        kind: What the folder holds, such as ``text encoder``.
        start: What it was trained from.
        data: What it was trained on.
        use: How to use it, a line of a shell.
        recipe: How it was trained.
        notes: Further lines.
        tags: For those who list models.
    """

    kind: str
    start: str
    data: str
    use: str
    recipe: Mapping[str, Any]
    notes: Sequence[str] = ()
    tags: Sequence[str] = field(default_factory=lambda: ("seektrack",))


def write_report(
    out: str | Path, card: Card, figures: Mapping[str, Any], examples: Sequence[Example], *, figure: str
) -> Path:
    """Write ``report/report.md`` with its pictures, and the model card ``README.md``, into a model's folder.

    Args:
        out: The folder.
        card: What the model is.
        figures: What was measured; those of a name and of the same with ``_before`` stand side by side.
        examples: Everything measured one by one; the few that changed most are shown.
        figure: What the examples' figure is called.

    Returns:
        The report.
    """
    home = Path(out)
    better = sorted((e for e in examples if e.gain > 0), key=lambda e: -e.gain)[:MOST]
    worse = sorted((e for e in examples if e.gain < 0), key=lambda e: e.gain)[:MOST]
    counts = [sum(test(e.gain) for e in examples) for test in (_up, _down, _same)]
    lines = [f"# Before and after: {card.kind}", "", *_table(figures), "", *_kept(figures)]
    if examples:
        lines += [
            f"Of {len(examples)} held-out examples {counts[0]} got better by {figure}, {counts[1]} worse, "
            f"{counts[2]} stayed as they were.", "",
        ]  # fmt: skip
    else:
        lines += ["Nothing was held out, so no example can be shown.", ""]
    for title, chosen in (("Better", better), ("Worse", worse)):
        if chosen:
            lines += [f"## {title}", ""]
        for number, one in enumerate(chosen, start=1):
            lines += [f"**{one.name}**: {figure} {one.before:.3f} → {one.after:.3f}", ""]
            if one.pictures:
                name = f"{title.lower()}-{number}.jpg"
                write_picture(home / FOLDER / name, one.pictures)
                lines += [f"![{one.name}]({name})", ""]
            if one.says:
                lines += [one.says, ""]
    report = home / FOLDER / "report.md"
    write_text(report, "\n".join(lines))
    write_text(home / "README.md", _card(card, figures))
    return report


def _up(gain: float) -> bool:
    return gain > 0


def _down(gain: float) -> bool:
    return gain < 0


def _same(gain: float) -> bool:
    return gain == 0


def _table(figures: Mapping[str, Any]) -> list[str]:
    """Figures with one before, side by side."""
    pairs = [n.removesuffix("_before") for n in figures if n.endswith("_before")]
    both = [n for n in pairs if n in figures]
    lines = ["| figure | before | after |", "|---|---:|---:|"]
    lines += [f"| {n} | {_shown(figures[f'{n}_before'])} | {_shown(figures[n])} |" for n in both]
    return lines if both else []


def _card(card: Card, figures: Mapping[str, Any]) -> str:
    skip = {n for name in figures if name.endswith("_before") for n in (name, name.removesuffix("_before"))}
    rest = {n: v for n, v in figures.items() if n not in skip and n != "folder"}
    lines = [
        "---", "library_name: seektrack", f"tags: [{', '.join(card.tags)}]",
        f"base_model: {json.dumps(card.start)}",
        "---", "", f"# A {card.kind}, trained with seektrack", "",
        f"Trained from `{card.start}` on {card.data}.", "", "```sh", card.use, "```", "",
        *_table(figures), "",
        *_kept(figures),
        *(f"- {n}: {_shown(v)}" for n, v in rest.items()), "",
        f"What changed is shown in [{FOLDER}/report.md]({FOLDER}/report.md).", "",
        *card.notes, "",
        "## Recipe", "", "```json", json.dumps(card.recipe, indent=1, default=str), "```", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _kept(figures: Mapping[str, Any]) -> list[str]:
    """What is said where no weights measured better than those at the start."""
    if figures.get("best_step") != 0:
        return []
    return ["Nothing measured better than what the training started from: these are its weights.", ""]


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_picture(path: Path, pictures: Sequence[Picture]) -> None:
    """Pictures side by side in one JPEG, each ``SIDE`` pixels high."""
    import cv2

    shown: list[Picture] = []
    for one in pictures:
        width = max(1, round(one.shape[1] * SIDE / one.shape[0]))
        if shown:
            shown.append(np.full((SIDE, _GAP, 3), 255, np.uint8))
        shown.append(np.asarray(cv2.resize(one, (width, SIDE), interpolation=cv2.INTER_AREA), np.uint8))
    done, packed = cv2.imencode(".jpg", np.hstack(shown)[..., ::-1])
    if done:
        with new_file(path) as temporary:
            temporary.write_bytes(packed.tobytes())


def outlined(image: Picture, masks: Sequence[tuple[NDArray[np.bool_], tuple[int, int, int]]]) -> Picture:
    """A picture with the outlines of masks (H, W), each in a colour."""
    import cv2

    out = np.ascontiguousarray(image).copy()
    for mask, colour in masks:
        found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, found, -1, colour, max(1, out.shape[0] // 150))
    return out
