"""What is wrong with a file is told by its source; what is only unusual is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seektrack.video import Damage, open_video
from seektrack.video.filtered import FilteredSource

N = 60


@pytest.fixture(scope="module")
def films(tmp_path_factory, write_film, pictures) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for suffix, codec in {"ts": "libx264", "mkv": "libx264", "avi": "mpeg4", "mp4": "libx264"}.items():
        how = {"container_options": {"movflags": "+faststart"}} if suffix == "mp4" else {}
        made[suffix] = write_film(folder / f"a.{suffix}", pictures(N), codec=codec, **how)
    return made


def passed(path: Path, data: bytes) -> tuple[Damage | None, int]:
    path.write_bytes(data)
    source = open_video(path)
    n = len(list(source))
    return source.damage, n


@pytest.mark.parametrize("suffix", ["ts", "mkv", "avi", "mp4"])
def test_a_sound_file_is_not_called_damaged(suffix: str, films: dict[str, Path], tmp_path: Path) -> None:
    assert passed(tmp_path / f"a.{suffix}", films[suffix].read_bytes()) == (None, N)


def test_two_recordings_joined_are_not_damage(films, tmp_path: Path, write_film, pictures) -> None:
    whole = films["ts"].read_bytes()
    assert passed(tmp_path / "joined.ts", whole + whole) == (None, 2 * N)
    loud = write_film(tmp_path / "s.ts", pictures(20), sound_s=0.0).read_bytes()
    assert passed(tmp_path / "loud.ts", loud + loud + loud) == (None, 60)
    later = write_film(tmp_path / "l.ts", pictures(20), ms=[9000 + 100 * i for i in range(20)]).read_bytes()
    assert passed(tmp_path / "later.ts", whole + later) == (None, N + 20)


def test_half_a_download_says_so(films: dict[str, Path], tmp_path: Path) -> None:
    """Room was made for all of it, head and tail have come."""
    whole = films["ts"].read_bytes()
    third = len(whole) // 3 // 188 * 188
    damage, n = passed(tmp_path / "a.ts", whole[:third] + bytes(len(whole) - 2 * third) + whole[-third:])
    assert damage is not None and damage.errors and damage.frames == n
    assert n < N - 10
    whole = films["mp4"].read_bytes()
    third = len(whole) // 3
    damage, _ = passed(tmp_path / "a.mp4", whole[:third] + bytes(len(whole) - 2 * third) + whole[-third:])
    assert damage is not None and damage.errors and damage.missing


def test_a_lost_packet_says_so(films: dict[str, Path], tmp_path: Path) -> None:
    whole = films["ts"].read_bytes()
    middle = len(whole) // 2 // 188 * 188
    damage, _ = passed(tmp_path / "a.ts", whole[:middle] + whole[middle + 188 * 5 :])
    assert damage is not None


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4"])
def test_a_file_cut_short_is_known_before_it_is_read(
    suffix: str, films: dict[str, Path], tmp_path: Path
) -> None:
    whole = films[suffix].read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    source = open_video(path)
    assert source.damage is not None and source.damage.cut_short
    assert "cut short" in str(source.damage)
    n = len(list(source))
    assert source.damage.frames == n < N


def test_who_wraps_a_source_hands_its_damage_on(films: dict[str, Path], tmp_path: Path) -> None:
    whole = films["mkv"].read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    kept = open_video(path, cache="raw")
    list(kept)
    assert kept.damage and FilteredSource(kept, lambda image: image).damage == kept.damage
    assert open_video([np.zeros((4, 4, 3), np.uint8)]).damage is None
