"""The guide as its reader meets it: every block of every page, in order, on what ``make demo`` made.

A block that cannot run here says so in its first line, ``# needs …``, by one of `NEEDS`; a line that is to
end with another status than 0 says so behind it, ``# status 6``. All pages share the demo's folder, the
blocks of one page their names.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from seektrack.cli import main
from seektrack.evaluation import demo as demo_module

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = ("sh", "python")
SHOWN = ("text", "csv", "json", "toml")
NEEDS = {
    "the base weights": r"--model (base|large|multilingual)\b",
    "a network": r"\bgit clone|\bmodels fetch\b|--grounder hf:",
    "the package trackers": r"--tracker (bytetrack|ocsort)",
    "a camera": r"\b(live|track) (0|rtsp:)",
    "hours": r"seektrack pocket .*minutes|seektrack eval (demo|pocket|tracking)",
    "files of your own": "",
}
"""What a block may need, and how its own text shows that it does; files have to be missing from the demo."""
_MADE = ("make demo", "cd demo-out")
_FILE = re.compile(r"[\w./-]+/[\w./-]*|[\w-]+\.(?:mp4|jpg|json|txt|xml|srt|nii)\b")


def blocks(page: Path) -> list[tuple[str, str]]:
    return FENCE.findall(page.read_text(encoding="utf-8"))


def need(body: str) -> str | None:
    found = re.match(r"# needs ([\w ]+)", body)
    return found[1] if found else None


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``seektrack demo`` leaves, of its first videos and its first question only."""
    out = tmp_path_factory.mktemp("made") / "demo-out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(demo_module._SIZES, True, (4, 24))
        patch.setattr(demo_module, "QUERIES", demo_module.QUERIES[:1])
        demo_module.run_demo(out, small=True)
    return out


def run_shell(body: str) -> None:
    for line in body.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or line.split("#")[0].strip() in _MADE:
            continue
        assert words[0] == "seektrack", f"a block of commands holds {line!r}"
        status = re.search(r"# status (\d+)", line)
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert int(ended.value.code or 0) == int(status[1] if status else 0), line


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
def test_a_page_runs_from_top_to_bottom(
    page: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo_folder)
    names: dict[str, object] = {"__name__": "__main__"}
    for number, (language, body) in enumerate(blocks(page), 1):
        if need(body) or language not in RUN:
            continue
        try:
            if language == "sh":
                run_shell(body)
            else:
                exec(compile(body, f"{page.name}, block {number}", "exec"), names)
        except Exception as error:
            error.add_note(f"in block {number} of {page.name}:\n{body}")
            raise


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
def test_every_block_says_what_it_is_and_what_it_needs_is_so(page: Path, demo_folder: Path) -> None:
    for language, body in blocks(page):
        assert language in (*RUN, *SHOWN), body
        reason = need(body)
        if reason is None:
            continue
        assert language in RUN and reason in NEEDS, body
        assert re.search(NEEDS[reason], body), f"this needs no {reason}:\n{body}"
        if reason == "files of your own":
            assert [f for f in _FILE.findall(body) if not (demo_folder / f).exists()], body


def test_few_blocks_are_not_run() -> None:
    every = [body for page in PAGES for language, body in blocks(page) if language in RUN]
    assert len([body for body in every if need(body)]) <= 0.3 * len(every)


def test_the_check_sees_a_block_that_fails(demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_folder)
    run_shell('seektrack search "a red car" --library library\n')
    run_shell('seektrack search "a purple boat" --library library  # status 6: no video shows one\n')
    with pytest.raises(AssertionError, match="no-such"):
        run_shell("seektrack videos --library no-such\n")
