"""``seektrack serve``: libraries over HTTP, with a page."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Annotated, Any

import typer

from seektrack.cli.common import Device, Model, Quiet, Screen, placed
from seektrack.errors import InputError, OutputError
from seektrack.library.made_with import model_for
from seektrack.serving.settings import Bounds, ServerSettings, is_loopback, read_keys, read_streams

HOST, PORT = "127.0.0.1", 8642
_USUAL = Bounds()


def serve(
    libraries: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders or addresses of libraries; one need not exist yet, it is made by what is uploaded.",
            callback=placed,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Name or address to listen at; other machines only reach another.")
    ] = HOST,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = PORT,
    roots: Annotated[
        list[Path] | None,
        typer.Option("--root", help="A folder whose videos may be named; may be given more than once."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", help="Folder for jobs, results and uploads; beside the first library when left out."
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="File of API keys, one a line, as NAME KEY.")
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open", help="Serve other machines without API keys.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name this server is reached by.")
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            metavar="NAME",
            help="A grounder, translator or depth network that may be asked for, as hf:ID; may be repeated.",
        ),
    ] = None,
    streams: Annotated[
        list[str] | None,
        typer.Option(
            "--stream",
            metavar="NAME=ADDRESS",
            help="A live stream that may be watched: rtsp://, http://, a camera's number; may be repeated.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Jobs at work at a time.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="The Ray cluster that does the jobs, HOST:PORT of its head or auto; this process otherwise.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=256,
            help="Threads of one calculation; 1 with pocket models, else OMP_NUM_THREADS or all cores.",
        ),
    ] = None,
    max_body_mb: Annotated[
        int, typer.Option("--max-body", min=1, help="MiB of one request but an upload.")
    ] = _USUAL.body_mb,
    max_upload_mb: Annotated[
        int, typer.Option("--max-upload", min=1, help="MiB of one upload.")
    ] = _USUAL.upload_mb,
    max_video_s: Annotated[
        float, typer.Option("--max-video", min=1, help="Seconds of one video that are followed.")
    ] = _USUAL.video_s,
    max_queue: Annotated[int, typer.Option("--max-queue", min=1, help="Jobs that wait.")] = _USUAL.queued,
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", min=1, help="Requests that wait for the processor.")
    ] = _USUAL.waiting,
    click_s: Annotated[
        float, typer.Option("--max-request", min=1, help="Seconds of one request.")
    ] = _USUAL.click_s,
    job_s: Annotated[float, typer.Option("--max-job", min=1, help="Seconds of one job.")] = _USUAL.job_s,
    model: Model = "pocket",
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """Serve libraries over HTTP: a page, a REST service, jobs that survive the server.

    Only this machine can reach it unless another --host is given. GET /openapi.json lists what can be asked.
    """
    if not libraries:
        raise InputError("no library given", hint="name one: seektrack serve my-library")
    keys = {} if api_key_file is None else read_keys(api_key_file)
    if not is_loopback(host) and not keys and not open_to_all:
        raise InputError(
            f"other machines could reach {host} and no API key is asked of them",
            hint="give --api-key-file FILE, or --open if whoever reaches it may use it",
        )
    settings = ServerSettings(
        tuple(libraries),
        roots=tuple(roots or ()),
        state=state,
        model=model,
        device=device,
        workers=workers,
        ray=ray,
        api_keys=keys,
        hosts=tuple(allow_host or ()),
        networks=tuple(networks or ()),
        streams=read_streams(streams or ()),
        bounds=Bounds(
            body_mb=max_body_mb,
            upload_mb=max_upload_mb,
            video_s=max_video_s,
            queued=max_queue,
            waiting=max_waiting,
            click_s=click_s,
            job_s=job_s,
        ),
    )
    names = "+".join([model, *(model_for(path) for path in libraries)])
    if threads is None and set(names.split("+")) == {"pocket"} and "OMP_NUM_THREADS" not in os.environ:
        threads = 1
    _run(settings, host, port, Screen(quiet=quiet), threads=threads)


def _run(settings: ServerSettings, host: str, port: int, screen: Screen, *, threads: int | None) -> None:
    """Serve until a signal.

    Raises:
        InputError: What serves is not installed.
        OutputError: The address is taken or not of this machine.
        SeekTrackError: The service cannot begin, as where nobody answers at ``--ray``.
    """
    from seektrack.outputs.optional import needed

    uvicorn = needed("uvicorn", "serve")
    for name in ("fastapi", "python_multipart", "threadpoolctl"):
        needed(name, "serve")
    from seektrack.serving.threads import hold_threads, share_heaps

    share_heaps()
    if threads is not None:
        hold_threads(threads)
    from seektrack.serving.app import create_app

    app = create_app(settings, warm=True)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        server_header=False,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=64 * 1024,
    )
    try:
        socket = config.bind_socket()
    except SystemExit as error:
        raise OutputError(
            f"cannot listen at {host}:{port}", hint="another program has the port; give another --port"
        ) from error
    # Asyncio leaves this out where no protocol is named, and every answer waits 40 ms to be acknowledged.
    socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    socket.listen(config.backlog)  # who comes before all is loaded waits, and is not refused
    where, at = socket.getsockname()[:2]
    shown = f"[{where}]" if ":" in where else where
    screen.note(f"serving {', '.join(settings.named_libraries)} at http://{shown}:{at} — Ctrl-C ends it")
    signal.set_wakeup_fd(-1)  # a server needs longer to put its jobs away than a command is given
    server: Any = uvicorn.Server(config)
    loud = logging.getLogger("uvicorn.error")

    def begun(_: logging.LogRecord) -> bool:
        return not hasattr(app.state, "refused")  # else its traceback would stand before our one line

    loud.addFilter(begun)
    try:
        server.run(sockets=[socket])
    finally:
        loud.removeFilter(begun)
        socket.close()
        if hasattr(app.state, "refused"):
            raise app.state.refused
