"""A session's file keeps every setting that following has, whatever settings are added to it."""

from __future__ import annotations

from seektrack.pipeline.session_asked import Asked, packed, unpacked
from seektrack.query import read
from seektrack.tracking import FollowSettings
from seektrack.video import Opening


def test_what_is_asked_by_default_comes_back_from_the_file():
    asked = Asked(read("two red cars moving left -night"), (), Opening(), None, "auto", FollowSettings())
    assert unpacked(packed(asked)) == asked
