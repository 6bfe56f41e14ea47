"""What a tool's result becomes: text or JSON within a limit, and never the bytes of a picture."""

import json
from collections.abc import Sequence
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

_BASE64_CHARACTERS = 4
_BASE64_BYTES = 3


def answer_of(result: CallToolResult, max_bytes: int) -> Any:
    """Return the structured answer where there is one and nothing but text beside it, else text.

    Servers repeat a structured answer as text, for older clients: that copy is left out.
    """
    structured = result.structured_content
    if structured is None:
        return bounded(text_of(result.content), max_bytes)
    as_text = json.dumps(structured, ensure_ascii=False)
    others = [block for block in result.content if not isinstance(block, TextContent)]
    if not others and len(as_text.encode(errors="replace")) <= max_bytes:
        return structured
    return bounded("\n".join([as_text, text_of(others)]) if others else as_text, max_bytes)


def text_of(content: Sequence[ContentBlock]) -> str:
    return "\n".join(_text(block) for block in content)


def bounded(text: str, max_bytes: int) -> str:
    """Return the text, cut where it is longer, with a last line that says so."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= max_bytes:
        return encoded.decode()
    kept = encoded[:max_bytes].decode(errors="ignore")
    return f"{kept}\n[truncated: {len(kept.encode())} of {len(encoded)} bytes]"


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[image {block.mime_type}, {_decoded_size(block.data)} bytes, not shown]"
        case AudioContent():
            return f"[audio {block.mime_type}, {_decoded_size(block.data)} bytes, not shown]"
        case ResourceLink():
            return f"[resource {block.uri} {block.name}]"
        case EmbeddedResource():
            return _resource(block)


def _resource(block: EmbeddedResource) -> str:
    resource = block.resource
    kind = resource.mime_type or "of no declared type"
    if isinstance(resource, BlobResourceContents):
        return f"[resource {resource.uri} {kind}, {_decoded_size(resource.blob)} bytes, not shown]"
    return f"[resource {resource.uri} {kind}]\n{resource.text}"


def _decoded_size(data: str) -> int:
    return len(data) * _BASE64_BYTES // _BASE64_CHARACTERS - data[-2:].count("=")
