"""`web.fetch`: text from the hosts that are allowed."""

import codecs
import re
from typing import Any

from pydantic import Field

from airboss.ports.tools import ToolContext, ToolDeniedError, ToolError
from airboss.security.guarded_client import GuardedAnswer, GuardedClient
from airboss.security.guarded_transport import FetchError, FetchRefusedError
from airboss.tools.typed import Arguments, TypedTool

# Python knows more codecs than these: some are no charsets, and some take quadratic time.
_CHARSET = re.compile(
    r"(us-)?ascii|utf-?8|utf-16(le|be)?|latin-?1|iso-8859-([1-8]|1[03-6])|windows-125[0-8]|koi8-[ru]|ibm866"
    r"|macintosh|gb2312|gbk|gb18030|big5|euc-(jp|kr)|iso-2022-jp|shift[_-]jis|sjis"
)


class FetchArguments(Arguments):
    url: str = Field(description="An absolute https:// URL, without user name and password.")


class FetchPage(TypedTool[FetchArguments]):
    """Gets a page as text."""

    name = "web.fetch"
    description = (
        "Get the text, JSON or XML at a URL, after redirects; only some hosts are allowed. Any HTTP status is an"
        " answer: look at 'status'. A long page is cut; 'truncated' says so."
    )
    arguments = FetchArguments
    repeatable = True

    def __init__(self, client: GuardedClient) -> None:
        self._client = client

    async def run(self, context: ToolContext, arguments: FetchArguments) -> Any:  # noqa: ARG002
        try:
            answer = await self._client.get(arguments.url)
        except FetchRefusedError as refusal:
            raise ToolDeniedError(refusal.code, str(refusal)) from None
        except FetchError as error:
            raise ToolError(error.code, str(error)) from None
        return {
            "url": answer.url,
            "status": answer.status,
            "content_type": answer.media_type,
            "text": _text(answer),
            "truncated": answer.truncated,
        }


def _text(answer: GuardedAnswer) -> str:
    declared = answer.charset or ""
    decoder = codecs.getincrementaldecoder(declared if _CHARSET.fullmatch(declared) else "utf-8")("replace")
    # Where the page was cut, half a character may stand at its end.
    text = decoder.decode(answer.body, final=not answer.truncated)
    return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
