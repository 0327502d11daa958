"""What the tracking bench says of results that are right, and wrong in known ways."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from seektrack.errors import InputError
from seektrack.evaluation.kept import kept_identities
from seektrack.evaluation.tracking import evaluate_tracking
from seektrack.evaluation.tracks import compare_tracks
from seektrack.metrics import frame_matches
from seektrack.outputs import load_tracks
from seektrack.types import Track
from seektrack.world.staged import StagedTruth, stage, staged_frames


@pytest.fixture(scope="module")
def shown():
    kept = {}

    def show(condition):
        if condition not in kept:
            staged = stage(condition, 0)
            truth = StagedTruth(staged, fps=Fraction(8), path="clip.mp4")
            for _, shot, ids, full in staged_frames(staged):
                truth.add(shot, ids, full)
            tracks = truth.tracks()
            asked = tuple(t for t in tracks if t.label == staged.label)
            kept[condition] = staged, replace(tracks, tracks=asked), tracks
        return kept[condition]

    return show


def judged(staged, wanted, found):
    return kept_identities(staged, wanted, frame_matches(wanted, found, by="mask"))


def split(track, frame, new_id):
    """The track up to a frame, and under another id from there on."""
    early = tuple(o for o in track.observations if o.frame_index < frame)
    late = tuple(o for o in track.observations if o.frame_index >= frame)
    return replace(track, observations=early), replace(track, obj_id=new_id, observations=late)


def test_an_object_back_under_its_id_has_returned_and_one_under_another_has_not(shown):
    staged, wanted, _ = shown("returning")
    right = judged(staged, wanted, wanted)
    assert right.returns == right.returned >= 1
    parts = [part for t in wanted for part in split(t, 48, t.obj_id + 50)]
    wrong = judged(staged, wanted, replace(wanted, tracks=tuple(p for p in parts if p.observations)))
    assert wrong.returns == right.returns and wrong.returned < right.returned


def test_ids_that_change_hands_at_a_crossing_are_counted(shown):
    staged, wanted, _ = shown("look-alikes")
    assert (judged(staged, wanted, wanted).crossings, judged(staged, wanted, wanted).uncrossed) == (1, 1)
    one, two = (split(t, 48, 0) for t in wanted.tracks)
    swapped = tuple(
        Track(t.obj_id, t.label, 1.0, mine[0].observations + other[1].observations)
        for t, mine, other in zip(wanted.tracks, (one, two), (two, one), strict=True)
    )
    assert judged(staged, wanted, replace(wanted, tracks=swapped)).uncrossed == 0


def test_an_id_on_somebody_else_after_a_cut_is_a_stranger(shown):
    staged, wanted, everyone = shown("cuts")
    right = judged(staged, wanted, wanted)
    assert right.after_cut > 0 and right.strangers == 0
    first, second = staged.cuts
    other = next(t for t in everyone if t.label != staged.label and t.at(first + 2) is not None)
    walked = tuple(o for o in other.observations if first <= o.frame_index < second)
    main = next(t for t in wanted if t.obj_id == 1)
    early = tuple(o for o in main.observations if o.frame_index < first)
    found = replace(wanted, tracks=(replace(main, observations=early + walked),))
    assert judged(staged, wanted, found).strangers == len([o for o in walked if o.mask and o.mask.area])


def test_figures_of_a_perfect_and_of_an_empty_result(shown):
    _, wanted, _ = shown("plain")
    perfect = compare_tracks(wanted, wanted, by="mask")
    assert (perfect["hota"], perfect["mota"], perfect["idf1"]) == pytest.approx((1.0, 1.0, 1.0))
    nothing = compare_tracks(wanted, replace(wanted, tracks=()))
    assert nothing["recall"] == nothing["idf1"] == 0.0 and nothing["fn"] == perfect["tp"]
    with pytest.raises(InputError, match="the truth holds no"):
        compare_tracks(replace(wanted, tracks=()), wanted)


def test_unknown_conditions_and_ways_are_refused_before_anything_is_drawn():
    with pytest.raises(InputError, match="no condition 'foggy'"):
        evaluate_tracking(conditions=["foggy"])
    with pytest.raises(InputError, match="no way 'psychic'"):
        evaluate_tracking(ways=["psychic"])


def test_the_pocket_network_and_the_reference_follow_the_same_true_masks(tmp_path, monkeypatch):
    how = {"conditions": ["plain"], "clips": 1, "n_frames": 48, "ways": ["masks", "reference"]}
    report = evaluate_tracking(**how, folder=tmp_path)
    rows = report.figures()["plain"]
    assert set(rows) == {"masks", "reference"}
    for row in rows.values():
        assert 0.5 < row["idf1"] <= 1 and 0.3 < row["hota"] <= 1 and row["frames_per_s"] > 0
    assert "mean" not in report.figures()

    drawn = []
    monkeypatch.setattr("seektrack.evaluation.tracking.write_staged", lambda *given: drawn.append(given))
    again = evaluate_tracking(**how, folder=tmp_path)
    assert again.figures() == report.figures() and not drawn
    with pytest.raises(TypeError):  # of another length nothing is known: it is drawn
        evaluate_tracking(**{**how, "n_frames": 49, "ways": ["masks"]}, folder=tmp_path)
    assert len(drawn) == 1
    assert load_tracks(tmp_path / "plain-000.masks.tracks.json", "json").tracks


def test_a_result_on_disk_is_judged_from_the_command_line(tmp_path, shown):
    import json

    from typer.testing import CliRunner

    from seektrack.cli import app
    from seektrack.outputs import save_tracks

    _, wanted, _ = shown("plain")
    shorter = tuple(replace(t, observations=t.observations[:48]) for t in wanted)
    save_tracks(wanted, tmp_path / "truth.txt", "mot")
    save_tracks(replace(wanted, tracks=shorter), tmp_path / "found.json", "json")
    asked = ["eval", "tracks", str(tmp_path / "truth.txt"), str(tmp_path / "found.json"), "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["precision"] == 1.0 and figures["recall"] == pytest.approx(0.5, abs=0.1)
    assert figures["switches"] == 0 and figures["fn"] == sum(len(t) for t in wanted) - figures["tp"]
