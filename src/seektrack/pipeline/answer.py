"""What was found, together with the question it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from seektrack.query import Query

T = TypeVar("T")


class Answer(list[T]):
    """A list of results, best first, that knows what was asked.

    Attributes:
        query: The question as it was read; None where a picture was asked for.
        notices: What of the question could not be answered, or only in part, one line each.
        unanswered: Of several libraries those that did not answer, by path, each with the reason; what they
            hold is not among the results.
    """

    def __init__(
        self,
        found: Iterable[T] = (),
        *,
        query: Query | None = None,
        notices: Iterable[str] = (),
        unanswered: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(found)
        self.query = query
        self.notices = tuple(dict.fromkeys(notices))
        self.unanswered = dict(unanswered or {})
