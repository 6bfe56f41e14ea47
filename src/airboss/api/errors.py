"""One envelope for every error of every route."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from airboss.api.json_response import json_response
from airboss.api.problem_words import words_of
from airboss.domain.errors import ERROR_CODES, AirbossError, StorageUnavailableError

_STORAGE_RETRY_AFTER_SECONDS = 2


class CarriedError(HTTPException):
    """Takes an error through the framework, which lets only its own exceptions out of body parsing."""

    def __init__(self, error: AirbossError) -> None:
        super().__init__(error.status, error.message)
        self.error = error


def envelope(code: str, message: str, details: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    return {
        "error": {
            "code": code,
            "type": ERROR_CODES[code].type.value,
            "message": message,
            "details": dict(details),
            "request_id": request_id,
        }
    }


def error_response(
    error: AirbossError, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    sent = dict(headers or {})
    if error.retry_after_seconds is not None:
        sent["Retry-After"] = str(error.retry_after_seconds)
    if error.status == 401:  # noqa: PLR2004
        sent["WWW-Authenticate"] = "Bearer"
    document = envelope(error.code, error.message, error.details, request_id)
    return json_response(document, status=error.status, headers=sent)


def internal_error() -> AirbossError:
    return AirbossError("internal", "the server failed; its log has the details under this request_id")


def storage_error() -> AirbossError:
    return AirbossError(
        "storage_unavailable",
        "the store cannot be written or read now; nothing was kept, try again",
        retry_after_seconds=_STORAGE_RETRY_AFTER_SECONDS,
    )


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AirbossError, _on_airboss_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(StorageUnavailableError, _on_storage_error)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_airboss_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AirbossError)  # noqa: S101 - registered for it
    return error_response(error, request.state.request_id)


async def _on_storage_error(request: Request, error: Exception) -> Response:
    request.state.log.warning("storage.unavailable", reason=str(error))
    return error_response(storage_error(), request.state.request_id)


async def _on_unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the edge logs it
    return error_response(internal_error(), request.state.request_id)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    if isinstance(error, CarriedError):
        return error_response(
            error.error, request.state.request_id, {"Connection": "close"} if _cuts(error) else None
        )
    told = {
        404: AirbossError(
            "route_not_found", f"there is no route {request.url.path[:200]}; /openapi.json lists them"
        ),
        405: AirbossError("method_not_allowed", f"{request.method} is not allowed here"),
    }.get(error.status_code)
    if told is None:
        told = AirbossError("invalid_json", "the body could not be read as JSON")
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers  # noqa: PLR2004
    return error_response(told, request.state.request_id, headers)


def _allowed(request: Request) -> str:
    """Return the methods of all routes of a path: the router tells those of the first one only."""
    matching = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in matching for method in getattr(route, "methods", ())}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _cuts(error: CarriedError) -> bool:
    return error.error.code in ("body_too_large", "receive_timeout")


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    problems = [_problem(problem, request) for problem in error.errors()]
    in_body = any(problem["in"] == "body" for problem in problems)
    message = "; ".join(
        f"{problem['field'] or problem['in']}: {problem['message']}" for problem in problems[:5]
    )
    told = AirbossError(
        "invalid_body" if in_body else "invalid_parameter", message, details={"problems": problems[:20]}
    )
    return error_response(told, request.state.request_id)


def _problem(problem: Mapping[str, Any], request: Request) -> dict[str, str]:
    """Keep where and what; leave out what the caller sent, which may be long, secret or no JSON."""
    where, *field = problem["loc"]
    # A parameter has a name only: which of its values it is does not show in an address.
    named = field[:1] if where == "query" else field
    return {
        "in": str(where),
        "field": ".".join(str(part) for part in named)[:200],
        "message": words_of(problem, lambda: _fields_of_body(request)),
    }


def _fields_of_body(request: Request) -> Sequence[str]:
    body = getattr(request.scope.get("route"), "body_field", None)
    model = None if body is None else body.field_info.annotation
    return tuple(getattr(model, "model_fields", ()))
