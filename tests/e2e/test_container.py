"""Dockerfile and compose.yaml say what this version of the program takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_container_starts_a_server_with_options_that_are_there(monkeypatch, tmp_path):
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    words = [json.loads(found) for found in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", text, re.MULTILINE)]
    entry, arguments = words
    assert entry == ["seektrack"]
    served: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "seektrack.cli.serve._run", lambda settings, host, port, *_, **__: served.append((host, port))
    )
    from seektrack.cli import main

    (tmp_path / "films").mkdir()
    here = [re.sub(r"^/(?=library/|films)", f"{tmp_path}/", word) for word in arguments]
    with pytest.raises(SystemExit) as ended:
        main(here)
    assert not ended.value.code and served == [("0.0.0.0", 8642)]


def test_compose_publishes_the_port_to_this_machine_alone():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["seektrack"]
    exposed = re.search(r"^EXPOSE (\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert exposed and service["ports"] == [f"127.0.0.1:{exposed[1]}:{exposed[1]}"]


def test_every_copied_file_is_let_through():
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists() and f"!{name}" in let_through
