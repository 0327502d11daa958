"""Files in ranges of bytes, whose refusals have the shape of every other."""

from __future__ import annotations

import os

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from seektrack.serving.refusals import RefusedError, answer


class Ranged(FileResponse):
    """A file, or the ranges of it that are asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; of a range that is none say so."""
        refused: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in (400, 416):
                refused = message
            elif refused is None:
                await send(message)

        await super().__call__(scope, receive, sending)
        if refused is not None:
            size = os.stat(self.path).st_size
            error = RefusedError(
                refused["status"],
                "bad_range",
                "the file has no such range of bytes",
                hint=f"it has {size} bytes; bytes=0-99 are the first hundred",
                headers={"Content-Range": f"bytes */{size}"},
            )
            await answer(error)(scope, receive, send)
