"""Reaching a Ray cluster, or starting one on this machine, with what goes wrong in one line."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from seektrack.errors import ClusterError

OBJECT_STORE_MB = 256
"""Shared memory of a cluster started here: pieces are small and few are under way."""
REACH_S = 5.0
"""A head that does not take a connection for so long is not there."""


def ray_here() -> ModuleType:
    """The ray package.

    Raises:
        ClusterError: It is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterError(
            "workers need Ray, which is not installed", hint='install it: pip install "seektrack[ray]"'
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    return ray


def check_address(address: str) -> None:
    """Refuse a cluster whose head nobody answers at, before Ray waits for it.

    Args:
        address: ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``.

    Raises:
        ClusterError: It is no address, or nobody answers.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ClusterError(f"{address!r} is no address of a cluster", hint="give HOST:PORT, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise ClusterError(
            f"no Ray cluster answers at {address}: {reason}",
            hint="start its head with: ray start --head --port 6379",
        ) from error


def connect(address: str | None, count: int | None) -> bool:
    """Connect this process with a cluster; one that it is connected with already is taken as it is.

    Args:
        address: Of its head; None to start one on this machine.
        count: Workers a cluster started here has room for; as many as it has cores when None.

    Returns:
        Whether it was connected here, and is to be left at the end.

    Raises:
        ClusterError: Nobody answers, or Ray cannot be started.
    """
    ray = ray_here()
    if address is not None:
        check_address(address)
    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    for name in ("ray", "ray._private", "ray._raylet"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with _handlers_kept():
            _init(ray, address, count, quiet)
        _keep_quiet()
    except Exception as error:  # Ray raises what its parts raise
        where = "on this machine" if address is None else f"at {address}"
        said = " ".join(str(error).split())[:300]
        raise ClusterError(f"Ray cannot be used {where}: {said}", hint="see: ray status") from error
    return True


def _init(ray: ModuleType, address: str | None, count: int | None, quiet: dict[str, Any]) -> None:
    if address is not None:
        ray.init(address=address, **quiet)
        return
    with _without_onlookers():
        ray.init(
            address="local",
            num_cpus=count or len(os.sched_getaffinity(0)),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_MB * 2**20,
            **quiet,
        )


@contextmanager
def _without_onlookers() -> Iterator[None]:
    """Keep Ray from starting what shows a cluster, makes it grow and reads its logs; there is no option.

    Three processes less take 1.4 s of processor less, and the start does not wait for the dashboard's. A
    release of Ray that calls them otherwise starts them.
    """
    try:
        from ray._private.node import Node
    except ImportError:
        yield
        return
    names = ("start_monitor", "start_api_server", "start_log_monitor")
    kept = {name: getattr(Node, name) for name in names if hasattr(Node, name)}
    for name in kept:
        setattr(Node, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Node, name, method)


def _keep_quiet() -> None:
    """Keep Ray from telling of dead workers on standard output, which is for results; there is no option."""
    import ray._private.worker as driver

    if hasattr(driver, "_worker_logs_enabled"):
        driver._worker_logs_enabled = False


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back the handlers of signals that Ray replaces: how a command ends is not Ray's to say."""
    kept = {which: signal.getsignal(which) for which in (signal.SIGTERM, signal.SIGINT)}
    yield
    if threading.current_thread() is threading.main_thread():
        for which, handler in kept.items():
            if handler is not None:
                signal.signal(which, handler)
