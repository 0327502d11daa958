import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from seektrack import files
from seektrack.errors import OutputError


def names(folder):
    return sorted(p.name for p in folder.rglob("*"))


def test_a_file_has_its_name_when_it_is_whole_and_not_before(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with files.new_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "whole" and names(tmp_path) == ["a.txt", "new"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")]
)
def test_an_error_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises((OutputError, KeyboardInterrupt, ValueError)), files.new_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_the_file_being_read_is_never_the_target(tmp_path):
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"video")
    hard, soft = tmp_path / "hard.mp4", tmp_path / "soft.mp4"
    os.link(source, hard)
    soft.symlink_to(source)
    for target in (source, hard, soft, tmp_path / "x" / ".." / "clip.mp4"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="is the file being read"):
            files.write_bytes(target, b"overlay", sources=["http://camera/clip.mp4", source])
        with pytest.raises(OutputError, match="is the file being read"):
            files.check_target(target, sources=[source])
    with (
        pytest.raises(OutputError, match="is the file being read"),
        files.new_files(tmp_path, sources=[source]) as t,
    ):
        (t / "clip.mp4").write_bytes(b"overlay")
    with (
        pytest.raises(OutputError, match="is being read"),
        files.new_folder(tmp_path, ours=lambda folder: True, sources=[source]),
    ):
        pass
    assert source.read_bytes() == b"video" and os.stat(source).st_nlink == 2


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    real, link, dangling = tmp_path / "real" / "a.csv", tmp_path / "link.csv", tmp_path / "later.csv"
    real.parent.mkdir()
    real.write_text("old")
    link.symlink_to(real)
    dangling.symlink_to("real/b.csv")
    files.write_text(link, "new")
    files.write_text(dangling, "first")
    assert link.is_symlink() and real.read_text() == "new"
    assert dangling.is_symlink() and (tmp_path / "real" / "b.csv").read_text() == "first"


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes")
def test_devices_pipes_and_streams_are_refused(tmp_path):
    pipe, null = tmp_path / "pipe", tmp_path / "null"
    os.mkfifo(pipe)
    null.symlink_to(os.devnull)
    for target in (pipe, null, os.devnull, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        with pytest.raises(OutputError, match=r"device|pipe|stream"):
            files.write_text(target, "x")
    assert stat.S_ISFIFO(pipe.stat().st_mode) and stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_names_that_are_none_and_folders_in_the_way(tmp_path):
    (tmp_path / "file").write_text("x")
    for target in ("", "a\0b", tmp_path, tmp_path / "file" / "b", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError, match="cannot write"):
            files.write_text(target, "x")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OutputError, match="cannot write"):
        files.write_text(loop, "x")
    assert names(tmp_path) == ["file", "loop"]


def test_the_longest_name_can_be_written(tmp_path):
    files.write_text(tmp_path / ("ü" * 127), "x")
    assert names(tmp_path) == ["ü" * 127]


def test_rights_of_a_file_stay(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    files.write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_folder_is_replaced_whole_and_only_when_it_is_ours(tmp_path):
    path = tmp_path / "masks"

    def write(text):
        with files.new_folder(path, ours=lambda folder: (folder / "mark").exists()) as temporary:
            (temporary / text).mkdir()
            (temporary / text / "mask").write_text(text)
            (temporary / "mark").touch()

    write("one")
    write("two")
    assert names(tmp_path) == ["mark", "mask", "masks", "two"]
    (path / "mark").unlink()
    with pytest.raises(OutputError, match="not an earlier export"):
        write("three")
    assert names(tmp_path) == ["mask", "masks", "two"]
    shutil.rmtree(path)
    path.write_text("a file")
    with pytest.raises(OutputError, match="it is a file"):
        write("four")


def test_a_folder_that_cannot_take_its_name_gives_back_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "masks"
    path.mkdir()
    (path / "old").touch()
    replace = os.replace

    def once(source, target):
        if str(source).endswith(".part"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", once)
    with (
        pytest.raises(OutputError, match="Input/output"),
        files.new_folder(path, ours=lambda folder: True) as t,
    ):
        (t / "new").touch()
    assert names(tmp_path) == ["masks", "old"]


def test_new_files_leave_the_others(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "a").write_text("old")
    with files.new_files(tmp_path) as temporary:
        (temporary / "a").write_text("new")
        (temporary / "deep").mkdir()
        (temporary / "deep" / "b").write_text("new")
    assert names(tmp_path) == ["a", "b", "deep", "notes.txt"] and (tmp_path / "a").read_text() == "new"


def test_whether_one_can_write_is_found_out_without_a_trace(tmp_path):
    mine = tmp_path / ".seektrack-write-test"
    mine.write_text("mine")
    files.check_folder(tmp_path)
    files.check_folder(tmp_path / "a" / "b")
    assert mine.read_text() == "mine" and names(tmp_path) == [mine.name]
    for bad in (mine / "x", os.devnull + "/x", tmp_path / ("n" * 300), "/proc/nothing"):
        with pytest.raises(OutputError, match="cannot write into"):
            files.check_folder(bad)


KILLED = """
import os, signal, sys
from seektrack import files
with files.new_file({path!r}) as temporary, files.new_folder({folder!r}) as unfinished:
    temporary.write_text("half")
    (unfinished / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path):
    path = tmp_path / "a.txt"
    code = textwrap.dedent(KILLED).format(path=str(path), folder=str(tmp_path / "b"))
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2 and not path.exists()
    for kept in (".notes.part", ".mine.abcdef-notapid-00000000.part", "plain.part"):
        (tmp_path / kept).write_text("mine")
    files.write_text(path, "whole")
    assert names(tmp_path) == sorted(
        [".notes.part", ".mine.abcdef-notapid-00000000.part", "plain.part", "a.txt"]
    )


def test_what_is_at_work_is_not_swept(tmp_path):
    with files.new_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        foreign = tmp_path / f".b.000000-{2**22 + 1}-00000000.part"
        foreign.touch()
        files.sweep(tmp_path, again=True)
        assert temporary.exists() and foreign.exists()
        os.utime(foreign, (0, 0))
        files.sweep(tmp_path, again=True)
        assert temporary.exists() and not foreign.exists()


def test_a_folder_set_aside_by_a_killed_run_comes_back(tmp_path):
    with files.new_file(tmp_path / "x") as temporary:
        machine = temporary.name.split(".")[2].split("-")[0]
        temporary.touch()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    aside = tmp_path / f".masks.{machine}-{dead.pid}-00000000.old"
    aside.mkdir()
    (aside / "old").touch()
    files.sweep(tmp_path, again=True)
    assert names(tmp_path) == ["masks", "old", "x"]


def test_numbers_json_does_not_know_are_said(tmp_path):
    with pytest.raises(OutputError, match="finite"):
        files.write_json(tmp_path / "a.json", {"score": float("nan")})
    assert names(tmp_path) == []
