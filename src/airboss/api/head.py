"""HEAD: the headers of a GET without its body, which every server owes (RFC 9110, 9.1)."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Asks the application for a GET and lets only its headers through; a stream ends with them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        answered = asyncio.Event()

        async def receive_end() -> Message:
            # There is no body to come; whoever waits for the peer to leave waits for the headers.
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send_headers(message: Message) -> None:
            if answered.is_set():
                return
            if message["type"] == "http.response.body":
                message = {"type": "http.response.body", "body": b"", "more_body": False}
                answered.set()
            await send(message)

        await self._app({**scope, "method": "GET"}, receive_end, send_headers)
