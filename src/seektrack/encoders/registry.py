"""Encoders by name: the built-in ones, folders, hub ids, and whatever others register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from seektrack.checkpoints import names_of
from seektrack.encoders.base import Encoder
from seektrack.errors import InputError


class EncoderFactory(Protocol):
    """Makes an encoder; ``device`` and ``dtype`` are None when it may choose."""

    def __call__(self, *, device: str | None, dtype: str | None) -> Encoder: ...  # noqa: D102


_FACTORIES: dict[str, EncoderFactory] = {}


def register_encoder(name: str) -> Callable[[EncoderFactory], EncoderFactory]:
    """Make an encoder available to `load_encoder` and to every ``--model`` option under a name.

    Example::

        @register_encoder("mine")
        def make(*, device=None, dtype=None):
            return MyEncoder(...)

    Raises:
        InputError: The name is taken by a built-in model.
    """
    if name in names_of("text"):
        raise InputError(f"the encoder name {name!r} is taken by a built-in model", hint="choose another")

    def add(factory: EncoderFactory) -> EncoderFactory:
        _FACTORIES[name] = factory
        return factory

    return add


def encoder_names() -> list[str]:
    """Names `load_encoder` knows beside folders and hub ids."""
    return [*names_of("text"), *sorted(_FACTORIES)]


def registered(name: str) -> EncoderFactory | None:
    """The maker of an encoder somebody registered, or None."""
    return _FACTORIES.get(name)
