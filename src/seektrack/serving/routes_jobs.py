"""Jobs: how far they are, as they go, and stopping, repeating and forgetting them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from seektrack.serving.answers import JobAnswer
from seektrack.serving.events import changes
from seektrack.serving.jobs import Job, JobState
from seektrack.serving.routes import JobId, Served, router
from seektrack.serving.service import Service

job_routes = router("jobs")

_WAIT_S = 60.0
"""Longest that one request waits for a job to end."""


def told(service: Service, job: Job) -> dict[str, Any]:
    """A job as JSON tells it."""
    step = service.pool.step_of(job.id)
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "priority": job.priority,
        "owner": job.owner,
        "request": job.request,
        "created_s": job.created_s,
        "started_s": job.started_s,
        "ended_s": job.ended_s,
        "attempts": job.attempts,
        "cancelling": job.cancelling,
        "progress": None if step is None or job.ended else vars(step),
        "error": job.error,
        "result": job.result,
    }


@job_routes.get("/jobs")
def list_jobs(
    service: Served,
    state: Annotated[JobState | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> dict[str, Any]:
    """Jobs, the newest first."""
    found = service.jobs.listed(state=state, limit=limit, offset=offset)
    return {"jobs": [told(service, job) for job in found], "counts": service.jobs.counts()}


@job_routes.get("/jobs/{job_id}", response_model=JobAnswer)
async def get_job(
    job_id: JobId,
    service: Served,
    wait: Annotated[
        float, Query(ge=0, le=_WAIT_S, allow_inf_nan=False, description="Seconds to wait for its end.")
    ] = 0.0,
) -> dict[str, Any]:
    """One job, now or when it has ended."""
    until = asyncio.get_running_loop().time() + wait
    with service.board.listening(job_id) as changed:
        while True:
            changed.clear()
            job = await asyncio.to_thread(service.jobs.get, job_id)
            left = until - asyncio.get_running_loop().time()
            if job.ended or left <= 0:
                return told(service, job)
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                continue


@job_routes.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def job_events(job_id: JobId, service: Served) -> StreamingResponse:
    """A job as it goes: an event ``job`` with all of it whenever it changes, the last when it has ended."""
    await asyncio.to_thread(service.jobs.get, job_id)

    def look() -> tuple[dict[str, Any], bool]:
        job = service.jobs.get(job_id)
        return told(service, job), job.ended

    return StreamingResponse(
        changes(service.board, job_id, look, name="job"),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


@job_routes.post("/jobs/{job_id}/cancel", response_model=JobAnswer)
def cancel_job(job_id: JobId, service: Served) -> dict[str, Any]:
    """Stop a job: one that waits at once, one that runs at its next step."""
    return told(service, service.pool.cancel(job_id))


@job_routes.post("/jobs/{job_id}/retry", status_code=202, response_model=JobAnswer)
def retry_job(job_id: JobId, service: Served) -> dict[str, Any]:
    """Do a job again that failed or was cancelled."""
    job = service.jobs.retry(job_id)
    service.pool.wake()
    return told(service, job)


@job_routes.delete("/jobs/{job_id}", status_code=204, response_model=None)
def remove_job(job_id: JobId, service: Served) -> None:
    """Forget a job that has ended, and what it made."""
    service.jobs.remove(job_id)
    service.results.remove(job_id)
