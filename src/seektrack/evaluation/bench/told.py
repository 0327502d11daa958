"""The benchmark as JSON, as a table in Markdown, and as one picture."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seektrack import __version__
from seektrack.evaluation.bench.rows import Row
from seektrack.files import new_file, write_json, write_text

_STAGES = {
    "follow": "Following objects, frames",
    "text": "A question's vector",
    "pictures": "Pictures' vectors",
    "cold": "A search from the shell",
    "index": "A film indexed, its frames",
    "ask": "A question put to a library",
    "track": "Text to tracks, frames of a film",
}
_COLUMNS = (
    *("what", "runtime", "device", "precision", "side", "objects"),
    *("per s", "p50 ms", "p95 ms", "MB", "× reference", "alike"),
)


_LEGEND = (
    "Side: of what the network sees, pixels. Per s, p50 and p95: of one frame, picture or question. MB: what "
    "the process holds by then. × reference: times transformers' own loop in this run. Alike: IoU with its "
    "masks; of vectors the cosine, and of tracks the IoU, with the first runtime's."
)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import os

    return {
        "seektrack": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def markdown(rows: Sequence[Row], parts: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """A table of all rows; those not measured say why below it."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    for row in rows:
        if not row.why:
            cells = (
                _STAGES[row.stage],
                row.runtime,
                row.device,
                row.precision,
                row.resolution or "",
                row.objects or "",
                *(
                    "" if v is None else f"{v:.4g}"
                    for v in (row.per_second, row.p50_ms, row.p95_ms, row.memory_mb, row.ratio, row.agreement)
                ),
            )
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", _LEGEND]
    missing = [f"- {_STAGES[r.stage]}, {r.runtime} {r.precision}: {r.why}" for r in rows if r.why]
    if missing:
        lines += ["", "Not measured:", "", *dict.fromkeys(missing)]
    for name, spent in (parts or {}).items():
        lines += ["", f"{name}, milliseconds a frame:", "", "| part | ms |", "|---|---|"]
        lines += [f"| {part} | {ms:.2f} |" for part, ms in spent.items()]
    return "\n".join(lines) + "\n"


def write_bench(
    rows: Sequence[Row], folder: str | Path, *, parts: Mapping[str, Mapping[str, float]] | None = None
) -> list[Path]:
    """Write ``bench.json``, ``bench.md`` and, with matplotlib, ``bench.png``.

    Returns:
        The files.

    Raises:
        OutputError: One cannot be written.
    """
    into = Path(folder)
    into.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine(), "rows": [asdict(row) for row in rows], "parts": parts or {}}
    write_json(into / "bench.json", told, indent=1)
    about = ", ".join(f"{key} {value}" for key, value in machine().items() if value not in ("", None))
    write_text(into / "bench.md", f"{about}\n\n{markdown(rows, parts)}")
    written = [into / "bench.json", into / "bench.md"]
    if _draw(rows, into / "bench.png"):
        written.append(into / "bench.png")
    return written


def _draw(rows: Sequence[Row], path: Path) -> bool:
    """Frames a second against objects, a line a runtime, precision and side; False without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.stage == "follow" and row.per_second is not None:
            name = f"{row.runtime} {row.precision}, {row.resolution} px, {row.device}"
            lines.setdefault(name, []).append((row.objects, row.per_second))
    if not lines:
        return False
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, points in lines.items():
        xs, ys = zip(*sorted(points), strict=True)
        axes.plot(xs, ys, marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for which in ("major", "minor"):
        getattr(axes.yaxis, f"set_{which}_formatter")("{x:g}")
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel("objects followed at once")
    axes.set_ylabel("frames a second")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
    with new_file(path) as temporary:
        FigureCanvasAgg(figure).print_figure(str(temporary), format="png", dpi=110)
    return True
