"""constraints.txt pins exactly what pyproject.toml reaches, transitively."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def direct_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [
        Requirement(line) for line in project["dependencies"] + [one for extra in extras for one in extra]
    ]


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [
        re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines if line and not line.startswith("#")
    ]
    assert all(found), "constraints.txt holds a line that is not name==version"
    return {canonicalize_name(m[1]): Version(m[2]) for m in found if m}


def reached() -> set[str]:
    waiting, seen = direct_requirements(), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        environments = [{"extra": extra} for extra in requirement.extras or {""}]
        if (name, tuple(requirement.extras)) in seen:
            continue
        seen.add((name, tuple(requirement.extras)))
        for line in metadata.requires(requirement.name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate(e) for e in environments):
                waiting.append(needed)
    return {name for name, _ in seen}


def test_everything_reached_is_pinned_and_nothing_else():
    assert reached() == set(pins())


def test_pins_lie_within_the_bounds_of_pyproject():
    pinned = pins()
    outside = [
        str(r) for r in direct_requirements() if not r.specifier.contains(pinned[canonicalize_name(r.name)])
    ]
    assert outside == []
