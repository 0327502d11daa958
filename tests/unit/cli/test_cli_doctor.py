from __future__ import annotations

import json

import pytest

from seektrack.cli import doctor, main
from seektrack.cli.models import model_rows


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(args)
    return int(ended.value.code or 0), capsys.readouterr().out


def test_the_doctor_writes_and_reads_video_and_finds_its_libraries():
    for look in (doctor._python, doctor._libraries, doctor._torch, doctor._video):
        assert look()[0] == "ok"


def test_a_look_that_breaks_is_a_bad_line_not_a_traceback(capsys, monkeypatch: pytest.MonkeyPatch):
    def broken() -> tuple[str, str]:
        raise ImportError("no module named\nav")

    monkeypatch.setattr(doctor, "_LOOKS", {"video": broken, "Python": doctor._python})
    status, out = run(capsys, "doctor")
    assert status == 1
    assert "ImportError: no module named av" in out
    assert "not ready" in out


def test_when_all_is_well_the_status_is_0(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_LOOKS", {"Python": doctor._python, "hub": doctor._hub})
    status, out = run(capsys, "doctor", "--json")
    told = json.loads(out)
    assert (status, told["ready"]) == (0, True)
    assert [c["name"] for c in told["checks"]] == ["Python", "hub"]


def test_models_lists_every_name_the_loaders_know(capsys, monkeypatch, tmp_path):
    from seektrack.checkpoints import names_of
    from seektrack.encoders import encoder_names, registry

    monkeypatch.setattr(registry, "_FACTORIES", {})  # what other tests registered is no built-in model
    rows = model_rows()
    assert {r.name for r in rows if r.part == "text"} == set(encoder_names())
    assert {r.name for r in rows if r.part == "mask"} == set(names_of("mask"))
    status, out = run(capsys, "models", "--json")
    assert status == 0
    assert len(json.loads(out)) == len(rows)
