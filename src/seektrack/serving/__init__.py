"""Everything over HTTP: libraries, searches, videos, jobs and results behind one guard, and its client.

It calls `seektrack.pipeline` and holds no logic of search or tracking. FastAPI and uvicorn come with the
extra ``serve``; the client needs httpx alone.
"""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily
from seektrack.serving.settings import Bounds, ServerSettings, read_keys

if TYPE_CHECKING:
    from seektrack.serving.app import create_app
    from seektrack.serving.client import Client

__all__ = ["Bounds", "Client", "ServerSettings", "create_app", "read_keys"]

__getattr__, __dir__ = lazily(__name__, {"app": "create_app", "client": "Client"})
