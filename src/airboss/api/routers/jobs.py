"""Jobs: spawn, list, show, wait, cancel, retry."""

import hashlib
import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.documents.cursors import decode_cursor, encode_cursor
from airboss.api.documents.errors import error_answers
from airboss.api.documents.headers import answer_headers
from airboss.api.documents.jobs import (
    JobDocument,
    JobPage,
    Moment,
    SpawnBody,
    job_document,
    moment_ms,
    summary_document,
)
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services, principal_of, request_id_of
from airboss.domain.errors import AirbossError
from airboss.domain.identifiers import is_job_id
from airboss.domain.policies import RateKind
from airboss.domain.states import JobState
from airboss.manager.requests import JobView
from airboss.ports.store import Idempotency, JobQuery

MAX_WAIT_SECONDS = 60.0
_KEY = re.compile(r"[\x20-\x7e]{1,255}\Z")
_PREFER_WAIT = re.compile(r"(?:^|[,;]\s*)wait\s*=\s*\"?(\d{1,9}(?:\.\d+)?)\"?\s*(?:$|[,;])", re.IGNORECASE)
_SPAWNED_HEADERS = answer_headers("Location", "Idempotent-Replayed", "Preference-Applied")
_SPAWN_ERRORS = (
    "invalid_json",
    "receive_timeout",
    "body_too_large",
    "invalid_body",
    "invalid_parameter",
    "idempotency_mismatch",
    "unknown_agent",
    "rate_limited",
    "queue_full",
    "draining",
    "storage_unavailable",
)


class JobListQuery(BaseModel):
    """Filters and paging of the list of jobs."""

    model_config = ConfigDict(extra="forbid")

    state: list[JobState] = Field(default_factory=list, description="May be given more than once.")
    agent: str | None = Field(None, max_length=64)
    created_after: Moment | None = None
    created_before: Moment | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=256, description="next_cursor of the page before.")


class WaitQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    timeout_seconds: float = Field(30.0, ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False)


def jobs_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    manager = services.manager

    @router.post(
        "/v1/jobs",
        summary="Spawn a job",
        response_model=JobDocument,
        status_code=202,
        responses={
            200: {"model": JobDocument, "description": "ended within Prefer: wait", **_SPAWNED_HEADERS},
            202: {"description": "it is on disk", **_SPAWNED_HEADERS},
            **error_answers(*_SPAWN_ERRORS),
        },
        openapi_extra=rule(Rule.RUN, rate=RateKind.SPAWN) | _spawn_headers(),
        tags=["jobs"],
    )
    async def spawn(request: Request, body: Annotated[SpawnBody, Body()]) -> Response:
        principal = principal_of(request)
        wait_seconds = _prefer_wait(request)
        idempotency = _idempotency(request, body)
        spawned = await manager.spawn(body.to_request(), principal, request_id_of(request), idempotency)
        view = spawned.view
        headers = {"Location": f"/v1/jobs/{view.job.id}"}
        if spawned.replayed:
            headers["Idempotent-Replayed"] = "true"
        if wait_seconds is not None:
            headers["Preference-Applied"] = f"wait={wait_seconds:g}"
            view = await manager.wait(view.job.id, principal, wait_seconds, spawned=view)
            if view.job.state.is_final:
                return json_response(job_document(view), status=200, headers=headers)
        return json_response(job_document(view), status=202, headers=headers)

    @router.get(
        "/v1/jobs/{job_id}",
        summary="Show a job",
        response_model=JobDocument,
        responses=error_answers("job_not_found"),
        openapi_extra=rule(Rule.READ),
        tags=["jobs"],
    )
    async def show(request: Request, job_id: str) -> Response:
        return _answer(await manager.get(job_id, principal_of(request)))

    @router.get(
        "/v1/jobs",
        summary="List jobs, newest first",
        response_model=JobPage,
        responses=error_answers("invalid_parameter"),
        openapi_extra=rule(Rule.READ),
        tags=["jobs"],
    )
    async def list_jobs(request: Request, query: Annotated[JobListQuery, Query()]) -> Response:
        scope = principal_of(request).scope
        views = await manager.list_jobs(_job_query(query, scope))
        has_more = len(views) > query.limit
        page = views[: query.limit]
        return json_response(
            {
                "data": [summary_document(view) for view in page],
                "next_cursor": encode_cursor("job", page[-1].job.id) if has_more else None,
                "has_more": has_more,
            }
        )

    @router.get(
        "/v1/jobs/{job_id}/wait",
        summary="Wait for a job's end",
        response_model=JobDocument,
        responses=error_answers("job_not_found", "invalid_parameter"),
        openapi_extra=rule(Rule.READ),
        tags=["jobs"],
    )
    async def wait(request: Request, job_id: str, query: Annotated[WaitQuery, Query()]) -> Response:
        return _answer(await manager.wait(job_id, principal_of(request), query.timeout_seconds))

    @router.post(
        "/v1/jobs/{job_id}/cancel",
        summary="Cancel a job",
        response_model=JobDocument,
        responses={
            202: {"model": JobDocument, "description": "the work stops; it will end cancelled"},
            **error_answers("job_not_found", "already_final"),
        },
        openapi_extra=rule(Rule.RUN, rate=None),
        tags=["jobs"],
    )
    async def cancel(request: Request, job_id: str) -> Response:
        view, is_cancelled = await manager.cancel(job_id, principal_of(request), request_id_of(request))
        return json_response(job_document(view), status=200 if is_cancelled else 202)

    @router.post(
        "/v1/jobs/{job_id}/retry",
        summary="Spawn a job again",
        response_model=JobDocument,
        status_code=202,
        responses={
            202: {"description": "a new job, on disk", **answer_headers("Location")},
            **error_answers(
                "job_not_found", "not_final", "unknown_agent", "rate_limited", "queue_full", "draining"
            ),
        },
        openapi_extra=rule(Rule.RUN, rate=RateKind.SPAWN),
        tags=["jobs"],
    )
    async def retry(request: Request, job_id: str) -> Response:
        spawned = await manager.retry(job_id, principal_of(request), request_id_of(request))
        headers = {"Location": f"/v1/jobs/{spawned.view.job.id}"}
        return json_response(job_document(spawned.view), status=202, headers=headers)

    return router


def _answer(view: JobView) -> Response:
    return json_response(job_document(view))


def _job_query(query: JobListQuery, scope: str | None) -> JobQuery:
    before_id = None
    if query.cursor is not None:
        before_id = decode_cursor("job", query.cursor)
        if not is_job_id(before_id):
            raise AirbossError("invalid_parameter", "cursor: take it as it stood in next_cursor")
    return JobQuery(
        tenant=scope,
        states=frozenset(query.state),
        agent=query.agent,
        created_after_ms=moment_ms(query.created_after),
        created_before_ms=moment_ms(query.created_before),
        before_id=before_id,
        # One more than asked for tells whether there is another page.
        limit=query.limit + 1,
    )


def _idempotency(request: Request, body: SpawnBody) -> Idempotency | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    key = keys[0]
    if len(keys) > 1 or not _KEY.match(key):
        raise AirbossError(
            "invalid_parameter", "Idempotency-Key: once, with 1 to 255 printable ASCII characters"
        )
    canonical = json.dumps(body.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return Idempotency(key, hashlib.sha256(canonical.encode()).hexdigest())


def _prefer_wait(request: Request) -> float | None:
    found = _PREFER_WAIT.search(request.headers.get("prefer", ""))
    if found is None:
        return None
    seconds = float(found[1])
    if seconds > MAX_WAIT_SECONDS:
        raise AirbossError("invalid_parameter", f"Prefer: wait is at most {MAX_WAIT_SECONDS:g} seconds")
    return seconds


def _spawn_headers() -> dict[str, Any]:
    return {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "The same key and body give the same job for 24 hours.",
            },
            {
                "name": "Prefer",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
                "description": "wait=SECONDS (at most 60): answer when the job has ended.",
            },
        ]
    }
