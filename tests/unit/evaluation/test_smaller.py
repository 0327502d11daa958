"""One table of smaller forms: each is measured on the same scenes, and what cannot be made says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from seektrack.errors import InputError
from seektrack.evaluation.smaller import SmallerSettings, evaluate_smaller

FEW = SmallerSettings(crops=12, frames=3, scenes=1, clips=1, n_frames=3, demo_scenes=0, objects=1, rounds=1)


def test_forms_are_measured_alike_and_one_that_is_none_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    fp32, none, bf16 = evaluate_smaller("pocket", ("fp32", empty, "bf16"), settings=FEW)
    assert [fp32.way, none.way, bf16.way] == ["fp32", empty, "bf16"]
    assert "config.json" in none.why and none.named is None
    assert not fp32.why and not bf16.why and fp32.sam2_mb == bf16.sam2_mb
    for row in (fp32, bf16):
        assert row.named is not None and row.j is not None and 0 <= row.named <= 1 and 0 < row.j <= 1
        assert row.picture_ms and row.frame_ms and row.idf1 is None
    assert fp32.j != bf16.j


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"there is no form 'int4'.*int8-static"):
        evaluate_smaller("pocket", ("int4",))
