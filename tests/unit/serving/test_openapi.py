"""The service against its own OpenAPI schema: no answer it does not tell of, no fault, whatever is asked."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
EXAMPLES = 4
ENDLESS = r"/events$"
"""Streams that go on for as long as one listens."""


@pytest.fixture(scope="module")
def known(live: str, live_app: FastAPI) -> dict[str, str]:
    """What there is on the server, by the names paths have for it."""
    api = f"{live}/api/v1"
    video = httpx.post(f"{api}/videos", json={"video": "road.mp4"}).json()["id"]
    prompt = {"obj_id": 1, "box": [30.0, 30.0, 90.0, 80.0]}
    job = httpx.post(f"{api}/track_objects", json={"video": video, "prompts": [prompt]}).json()["id"]
    tracks = httpx.get(f"{api}/jobs/{job}?wait=60", timeout=90).json()["result"]["tracks"][0]["id"]
    session = httpx.post(f"{api}/sessions", json={"video": video, "tracks": tracks}, timeout=60).json()["id"]
    live_app.state.service.pool.stop()  # what is asked for is taken, and not done
    return {
        "library": "films", "video_id": video, "job_id": job, "tracks_id": tracks, "session_id": session
    }  # fmt: skip


def lead_to(known: dict[str, str], case: Any) -> None:
    """Have a request ask of what there is, where it would ask of what there is not."""
    if case.method != "DELETE":
        case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
    if isinstance(case.body, dict) and isinstance(case.body.get("video"), str):
        case.body["video"] = known["video_id"]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_no_fault_and_no_violation(mode: GenerationMode, live: str, known: dict[str, str]):
    schema = schemathesis.openapi.from_url(f"{live}/openapi.json").exclude(path_regex=ENDLESS)
    wrong: list[str] = []
    seen: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                lead_to(known, case)
            answer = case.call()
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:  # nothing can be wrong with a request that takes nothing
            assert mode is GenerationMode.NEGATIVE
        except BaseException as error:
            wrong.append(f"{operation.label}: {error}")
    assert wrong == []
    if mode is GenerationMode.POSITIVE:
        assert {200, 201, 202, 422} <= set(seen), seen


def test_everything_is_told_with_an_example_or_by_its_name(served: TestClient):
    told = served.get("/openapi.json").json()
    assert len(told["paths"]) > 40
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description") or operation.get("summary"), (method, path)
            assert operation["responses"]["4XX"]["content"]["application/json"]["example"]["error"]["code"]
    asked = told["components"]["schemas"]
    for name in (
        "SearchAsked",
        "MomentsAsked",
        "TrackAsked",
        "SegmentAsked",
        "IndexAsked",
        "CorrectionAsked",
    ):
        assert name == "SearchAsked" or asked[name].get("examples"), name
    assert "http" not in json.dumps(told).replace("https://", "").replace("http_", "")
