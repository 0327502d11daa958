"""Footage of which the encoder knows nothing, from indexing to what a person reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seektrack.cli import main
from seektrack.library import DistanceShelf, LibraryStore
from seektrack.library.database import seal_video
from seektrack.outputs import load_tracks
from seektrack.pipeline import Library, search_and_track, track_objects, track_videos
from seektrack.pipeline.models import Models
from seektrack.video import Opening, VideoWriter
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds


def write(path: Path, frames: list[np.ndarray]) -> Path:
    with VideoWriter(path, width=frames[0].shape[1], height=frames[0].shape[0], fps=8) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A drawn street with a red car, and slices of a scan."""
    folder = tmp_path_factory.mktemp("films")
    settings = SceneSettings(n_frames=12, cast=(("car", "red"),), street_only=True)
    street = render(sample_scene(seeds(Split.TEST, 1, start=3)[0], settings))
    slices = render(sample_scene(seeds(Split.TEST, 1)[0], SceneSettings(n_frames=12, style="scan")))
    return (
        write(folder / "street.mp4", list(street.frames)),
        write(folder / "scan.mp4", list(slices.frames)),
    )


def ask(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, " ".join(err.split())


def test_unknown_footage_is_said_when_it_is_indexed_and_its_confidence_is_told_as_unknown(
    films: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    street, scan = films
    library = tmp_path / "library"
    how = ("--library", library, "--sampling", "every=3", "--regions", "none")
    status, out, err = ask(capsys, "index", street, scan, *how, "--json")
    assert status == 0 and json.loads(out)["outside"] == [str(scan)]
    assert err.startswith("warning:") and "--model" in err
    nearest = ("--hits", "--min-confidence", "0", "--library", library)
    status, out, err = ask(capsys, "search", "a red car", *nearest, "--json")
    hits = json.loads(out)
    assert status == 0 and err.count("warning:") == 1
    for hit in hits:
        if hit["video"] == str(scan):
            assert hit["domain"] == "outside" and hit["confidence"] is None and "not shown" in hit["warning"]
        else:
            assert hit["domain"] == "inside" and 0 <= hit["confidence"] <= 1 and "warning" not in hit
    kinds = [hit["domain"] for hit in hits]
    assert kinds == sorted(kinds) and {"inside", "outside"} == set(kinds)  # what is known comes first
    _, out, _ = ask(capsys, "search", "a red car", *nearest)
    assert "unknown" in out and "1.00" not in [line.split()[0] for line in out.splitlines() if "scan" in line]
    found = Library(library).hits("a red car", min_confidence=0.0)
    assert {hit.domain for hit in found} == {"inside", "outside"}


def test_an_older_library_is_measured_without_being_indexed_anew(films: tuple[Path, Path], tmp_path: Path):
    folder = tmp_path / "library"
    with Library(folder) as library:
        library.index(films, sampling="every=4", regions="none")
    with LibraryStore.open(folder) as store, store.writing() as old:  # as before distances were measured
        old.execute("DELETE FROM video_extras WHERE kind = 'distance'")
        for (video_id,) in old.execute("SELECT id FROM videos").fetchall():
            seal_video(old, video_id)
    with Library(folder) as library:
        assert {hit.domain for hit in library.hits("a red car", min_confidence=0)} == {"unmeasured"}
        report = library.index(films, sampling="every=4", regions="none")
        assert (report.indexed, report.skipped, report.measured) == (0, 2, 2)
        assert report.outside == [str(films[1])]
        assert library.index(films, sampling="every=4", regions="none").measured == 0
        assert library.remove(films[1])
        assert library.index(films[:1], sampling="every=4", regions="none").outside == []


def test_distances_belong_to_a_video_and_a_domain(films: tuple[Path, Path], tmp_path: Path):
    with Library(tmp_path / "library") as library:
        library.index(films[0], sampling="every=4", regions="none")
        digest = library.models.encoder.domain.digest  # type: ignore[attr-defined]
    with LibraryStore.open(tmp_path / "library") as store:
        shelf = DistanceShelf(store)
        assert shelf.domain_of(films[0]) == digest and shelf.unmeasured(digest) == []
        assert shelf.unmeasured("another") == [str(films[0])]
        shelf.put(films[0], {0: 9.0, 4: 9.0, 8: 9.0}, "another")
        assert shelf.known() == {str(films[0]): {0: "outside", 4: "outside", 8: "outside"}}


def test_an_empty_result_of_unknown_footage_says_why_on_every_way_out(
    films: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    asked = ("track", films[1], "--text", "a red car", "--frames", "4", "--out", out, "--no-overlay")
    status, told, err = ask(capsys, *asked, "--json")
    (one,) = json.loads(told)
    assert status == 6 and one["tracks"] == [] and one["domain"] == "outside"
    assert one["missed"][0]["confidence"] is None and "warning" in one
    assert err.count("outside what this encoder knows") == 1 and "other words" not in err
    assert "--model base" in err and "models fetch" in err and "seektrack frame" in err
    for name in ("tracks.json", "tracks.coco.json"):
        read = load_tracks(out / name)
        assert read.domain == "outside" and len(read) == 0
        assert [why.stage for why in read.missed] == [one["missed"][0]["stage"]]


def test_what_an_earlier_run_left_still_says_why_nothing_was_found(films: tuple[Path, Path], tmp_path: Path):
    models = Models("pocket")
    for before in (False, True):
        (one,) = track_videos(
            [films[1]],
            "a red car",
            model=models,
            opening=Opening(end_s=0.4),
            out=tmp_path,
            formats=["json"],
            overlay=False,
        )
        assert one.unchanged is before and one.remarks.domain == "outside"
        assert "outside what this encoder knows" in one.remarks.missed[0].reason


def test_damage_is_in_the_result_and_told_once(
    films: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = bytearray(films[0].read_bytes())
    middle, end = len(data) * 6 // 10, len(data) * 8 // 10  # several pictures
    data[middle:end] = bytes((7 * b + 13) % 256 for b in data[middle:end])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    how = ("--box", "40,40,160,160@0", "--out", tmp_path / "out", "--no-overlay", "--json")
    status, told, err = ask(capsys, "track", broken, *how)
    assert status == 0 and "missing" in json.loads(told)[0]["damage"]
    assert err.count("damaged") == 1 and err.startswith("warning:")
    assert load_tracks(tmp_path / "out" / "tracks.json").damage == json.loads(told)[0]["damage"]


def test_what_search_is_sure_of_track_finds_though_no_mask_is_proposed(
    films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Library(tmp_path / "library") as library:
        library.index(films[0], sampling="every=3", regions="objects")
        (moment,) = library.search("a red car", k=1)
        assert moment.confidence > 0.88
        monkeypatch.setattr("seektrack.tracking.engine.Sam2Engine.propose", lambda *_: [])
        (found,) = search_and_track(library, "a red car")
        alone = track_objects(films[0], "a red car", model=library.models, end_s=0.5)
    assert alone.missed and not len(alone)
    best = found.tracks.tracks[0]
    assert best.label == "a red car" and best.score >= 0.5 and "box of the search" in found.tracks.notices[-1]
    assert sum(o.visible for o in best.observations) >= 6


def test_track_says_what_of_a_folder_it_passed_over(
    films: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(films[0].read_bytes())
    for name in ("notes.txt", "more.txt"):
        (folder / name).write_text("no video")
    how = ("--box", "40,40,160,160@0", "--frames", "2", "--out", tmp_path / "out", "--no-overlay")
    status, out, err = ask(capsys, "track", folder, *how)
    assert status == 0 and out.count("over 2 frames") == 2
    assert "passed over: 2 × " in err and ".txt" in err
