"""Things found by name: those of this package, and what other packages bring by an entry point."""

from __future__ import annotations

import difflib
import functools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Generic, Protocol, TypeVar

from seektrack.errors import InputError


class Named(Protocol):
    """What can be found by name."""

    @property
    def name(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name: ours, then those of other packages, which are looked for when first needed.

    What another package brings is left out, with a warning, where it cannot be loaded, is of another kind or
    takes a name that is ours.

    Args:
        kind: Their class.
        group: The group of entry points that names further ones.
        own: Those of this package.
        what: What one of them is called in messages.
    """

    def __init__(self, kind: type[T], group: str, own: Iterable[T], *, what: str) -> None:
        self.kind, self.group, self.what = kind, group, what
        self.own = {one.name: one for one in own}

    @functools.cached_property
    def _all(self) -> dict[str, T]:
        found = dict(self.own)
        for point in metadata.entry_points(group=self.group):
            try:
                one = point.load()
            except Exception as error:  # another package's fault must not take ours away
                warnings.warn(f"the {self.what} {point.name} cannot be loaded: {error!r}", stacklevel=2)
                continue
            if not isinstance(one, self.kind) or one.name in found:
                warnings.warn(f"the entry point {point.name} is no new {self.kind.__name__}", stacklevel=2)
                continue
            found[one.name] = one
        return found

    def __getitem__(self, name: str) -> T:
        return self.own[name] if name in self.own else self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def named(self, name: str) -> T:
        """The one of that name.

        Raises:
            InputError: There is none.
        """
        if name in self:
            return self[name]
        close = difflib.get_close_matches(name, list(self), n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"unknown {self.what} {name!r}", hint=f"{meant}use one of {', '.join(self)}")
