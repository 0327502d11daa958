"""The commands and options people script against. Change one only on purpose, here and in the changelog."""

from __future__ import annotations

import typer

from seektrack.cli import app

COMMON = ["--json", "--quiet -q"]

FROZEN = {
    "demo": ["--out -o", "--small", *COMMON],
    "index": [
        "PATHS",
        "--library -l",
        "--model -m",
        "--sampling",
        "--regions",
        "--filter",
        "--start",
        "--end",
        "--frames",
        "--fps",
        "--window",
        "--ann",
        "--temporal",
        "--temporal-model",
        "--reindex",
        "--device",
        *COMMON,
    ],
    "search": [
        "TEXT",
        "--library -l",
        "--count -k",
        "--hits",
        "--image",
        "--align",
        "--video",
        "--start",
        "--end",
        "--only",
        "--within",
        "--label",
        "--rank-by",
        "--min-confidence",
        "--translate",
        "--verbatim",
        "--motion",
        "--csv",
        "--frames",
        "--sheet",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "live": [
        "SOURCE",
        "--query",
        "--threshold",
        "--realtime",
        "--sampling",
        "--regions",
        "--filter",
        "--fps",
        "--window",
        "--interpolate",
        "--repeat",
        "--save",
        "--for",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "prompts compare": [
        "TEXTS",
        "--library -l",
        "--count -k",
        "--templates",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "convert": ["SOURCE", "TARGET", "--from", "--to", "--video", "--fps", "--size", *COMMON],
    "label": ["IMAGES", "--labels", "--count -k", "--model -m", "--device", *COMMON],
    "track": [
        "VIDEO",
        "--text -t",
        "--point",
        "--box",
        "--prompts",
        "--library -l",
        "--top",
        "--start",
        "--end",
        "--frames",
        "--fps",
        "--window",
        "--interpolate",
        "--fresh",
        "--out -o",
        "--format -f",
        "--no-overlay",
        "--resolution",
        "--propagation",
        "--every",
        "--flow",
        "--remember",
        "--refine",
        "--post",
        "--mask-threshold",
        "--min-object-score",
        "--exclusive",
        "--predictor",
        "--precision",
        "--cache",
        "--filter",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "videos": ["--library -l", "--remove", "--prune", "--repair", "--summary", *COMMON],
    "eval demo": ["--scenes", "--model -m", "--device", *COMMON],
    "eval tracks": ["TRUTH", "RESULT", "--truth-format", "--result-format", "--by", "--threshold", *COMMON],
    "eval tracking": [
        "--condition",
        "--clips",
        "--frames",
        "--first",
        "--way",
        "--folder",
        "--markdown",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "eval real": [
        "FOLDERS",
        "--only",
        "--prompts",
        "--limit",
        "--frames",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "eval retrieval": [
        "--videos",
        "--shots",
        "--pairs",
        "--temporal",
        "--noise",
        "--model -m",
        "--device",
        *COMMON,
    ],
    "eval pocket": [
        "--folder",
        "--only",
        "--crops",
        "--frames",
        "--scenes",
        "--clips",
        "--resolution",
        "--through",
        "--remember",
        *COMMON,
    ],
    "train clip": [
        "--out -o",
        "--max-minutes --minutes",
        "--proposal-minutes",
        "--sam2",
        "--style",
        "--init",
        "--fresh",
        "--data",
        "--model",
        "--recipe",
        "--epochs",
        "--batch",
        "--learning-rate",
        "--rank",
        "--alignment",
        "--image-to-text",
        "--text-to-image",
        "--balance",
        "--no-augment",
        "--precision",
        "--processes",
        "--held-out",
        "--patience",
        "--seed",
        "--device",
        *COMMON,
    ],
    "train blend": ["FIRST", "SECOND", "--out -o", "--share", *COMMON],
    "train temporal": [
        "--out -o",
        "--max-minutes --minutes",
        "--model",
        "--clips",
        "--steps",
        "--seed",
        "--fresh",
        *COMMON,
    ],
    "train trajectory": [
        "--out -o",
        "--model",
        "--max-minutes --minutes",
        "--scenes",
        "--seed",
        "--fresh",
        *COMMON,
    ],
    "train sam2": [
        "--out -o",
        "--max-minutes --minutes",
        "--recipe",
        "--workers",
        "--fresh",
        "--processes",
        "--accumulate",
        "--style",
        "--init",
        "--pictures",
        "--films",
        "--data",
        "--model",
        "--held-out",
        "--resolution",
        "--steps",
        "--frames",
        "--learning-rate",
        "--rank",
        "--boundary",
        "--consistency",
        "--corrections",
        "--no-augment",
        "--bf16",
        "--patience",
        "--seed",
        "--device",
        *COMMON,
    ],
    "world render": [
        "OUT",
        "--layout",
        "--scenes",
        "--style",
        "--split",
        "--start",
        "--size",
        "--frames",
        "--objects",
        "--categories",
        "--language",
        "--pictures",
        "--fps",
        *COMMON,
    ],
    "models": COMMON,
    "doctor": COMMON,
}


def options_of(command) -> list[str]:
    return [
        " ".join(sorted(p.opts, key=len, reverse=True)) if p.opts[0].startswith("-") else p.name.upper()
        for p in command.params
        if p.name != "help"
    ]


def walk(command, path: str = "") -> dict[str, list[str]]:
    children = getattr(command, "commands", None)
    if children is None:
        return {path: options_of(command)}
    found: dict[str, list[str]] = {}
    for name, child in children.items():
        found |= walk(child, f"{path} {name}".strip())
    return found


def test_commands_and_options_are_the_frozen_ones():
    found = {name: sorted(options) for name, options in walk(typer.main.get_command(app)).items()}
    assert found == {name: sorted(options) for name, options in FROZEN.items()}


def test_everything_has_a_help_text():
    def without_help(command, path: str) -> list[str]:
        missing = [] if command.help else [path]
        missing += [f"{path} {p.name}" for p in command.params if p.name != "help" and not p.help]
        for name, child in getattr(command, "commands", {}).items():
            missing += without_help(child, f"{path} {name}")
        return missing

    assert without_help(typer.main.get_command(app), "seektrack") == []
