"""Which pages of other origins may call the API from a browser (CORS): those that the settings name."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

#: What callers of the API send, beside what every page may.
_ALLOWED_HEADERS = ("Authorization", "Idempotency-Key", "Last-Event-ID", "Prefer", "X-Request-ID")
_EXPOSED_HEADERS = (
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
)
_ALLOWED_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


class CrossOrigin(CORSMiddleware):
    """Starlette's, without credentials: a caller is who holds a token, and `*` stays harmless."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_ALLOWED_METHODS,
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Say what is allowed; the browser refuses what is not, and an error in plain text helps nobody."""
        told = super().preflight_response(request_headers)
        headers = {name: value for name, value in told.headers.items() if not name.startswith("content-")}
        return Response(status_code=204, headers=headers)
