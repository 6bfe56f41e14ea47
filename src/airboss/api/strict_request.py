"""A request whose body is bounded in size and time, and strict JSON."""

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from airboss.api.errors import CarriedError
from airboss.api.strict_json import parse_strict
from airboss.domain.errors import AirbossError
from airboss.domain.policies import EdgePolicy

#: What is too large is read on and thrown away, up to here: a peer that still sends reads no answer.
_DISCARDED_BYTES = 64 * 1024 * 1024


class StrictRequest(Request):
    """Read by the framework in place of its own request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, edge: EdgePolicy) -> None:
        super().__init__(scope, receive, send)
        self._edge = edge
        self._parsed: Any = None

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            try:
                async with asyncio.timeout(self._edge.receive_timeout_seconds):
                    self._body = await self._read()
            except TimeoutError:
                seconds = self._edge.receive_timeout_seconds
                raise CarriedError(
                    AirbossError("receive_timeout", f"the body did not arrive within {seconds:g} s")
                ) from None
        return self._body

    async def _read(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        more = True
        # Not by `stream`: the loop would register an asynchronous generator for each body.
        while more and size <= _DISCARDED_BYTES:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size <= self._edge.max_body_bytes:
                parts.append(part)
        if size > self._edge.max_body_bytes:
            limit = self._edge.max_body_bytes
            raise CarriedError(
                AirbossError(
                    "body_too_large",
                    f"the body is larger than {limit} bytes",
                    details={"max_body_bytes": limit},
                )
            )
        return b"".join(parts)

    async def json(self) -> Any:
        try:
            return parse_strict(await self.body())
        except AirbossError as error:
            raise CarriedError(error) from None
