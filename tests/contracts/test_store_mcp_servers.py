"""MCP servers in the store: a change, its event and its audit are one; a deleted one is out of sight."""

from pathlib import Path

import pytest
from tests.support.events import EventRecorder
from tests.support.jobs import notice
from tests.support.stores import make_store, opened

from airboss.domain import audit
from airboss.domain.audit import AuditAction, Caller, TargetKind
from airboss.domain.event_types import EventType
from airboss.domain.principals import LOCAL_ADMIN
from airboss.ports.audit import AuditQuery
from airboss.ports.mcp_store import KeptServer, ServerChange
from airboss.ports.store import Store

SPEC = {"command": "uvx", "args": ["mcp-server-git"], "env": {"KEY": "secret://env/KEY"}}
OTHER = {"endpoint_url": "https://mcp.example/mcp", "headers": {}}


def change(kind: EventType, action: AuditAction, time_ms: int, name: str = "git") -> ServerChange:
    entry = audit.shared(action, TargetKind.SERVER, name, Caller(LOCAL_ADMIN, "request-1"), time_ms)
    return ServerChange(time_ms, notice(kind, time_ms, server=name, reason=None), entry)


def created(time_ms: int = 1, name: str = "git") -> ServerChange:
    return change(EventType.MCP_SERVER_CREATED, AuditAction.SERVER_CREATE, time_ms, name)


def updated(time_ms: int = 2) -> ServerChange:
    return change(EventType.MCP_SERVER_UPDATED, AuditAction.SERVER_UPDATE, time_ms)


def deleted(time_ms: int = 3) -> ServerChange:
    return change(EventType.MCP_SERVER_DELETED, AuditAction.SERVER_DELETE, time_ms)


async def actions(store: Store) -> list[str]:
    return [entry.draft.action.value for entry in await store.audit_entries(AuditQuery())][::-1]


async def test_a_life_of_a_server(store: Store, recorder: EventRecorder) -> None:
    assert await store.mcp_servers() == []
    first = await store.create_mcp_server("git", SPEC, created(1))
    assert first == KeptServer("git", SPEC, 1, 1)
    assert await store.mcp_servers() == [first]
    second = await store.update_mcp_server("git", OTHER, updated(2))
    assert second == KeptServer("git", OTHER, 1, 2)
    assert await store.mcp_servers() == [second]
    assert await store.delete_mcp_server("git", deleted(3))
    assert await store.mcp_servers() == []
    assert recorder.types() == ["mcp.server_created", "mcp.server_updated", "mcp.server_deleted"]
    assert await actions(store) == ["server.create", "server.update", "server.delete"]


async def test_what_cannot_be_changed_writes_nothing(store: Store, recorder: EventRecorder) -> None:
    assert await store.update_mcp_server("git", SPEC, updated()) is None
    assert not await store.delete_mcp_server("git", deleted())
    await store.create_mcp_server("git", SPEC, created(1))
    assert await store.create_mcp_server("git", OTHER, created(5)) is None
    assert await store.mcp_servers() == [KeptServer("git", SPEC, 1, 1)]
    assert recorder.types() == ["mcp.server_created"]
    assert await actions(store) == ["server.create"]


async def test_the_name_of_a_deleted_server_is_free(store: Store, recorder: EventRecorder) -> None:
    for round_ in range(3):
        assert await store.create_mcp_server("git", SPEC, created(10 * round_)) is not None
        assert await store.delete_mcp_server("git", deleted(10 * round_ + 1))
        assert await store.update_mcp_server("git", OTHER, updated()) is None
    assert await store.mcp_servers() == []


async def test_servers_come_by_name(store: Store, recorder: EventRecorder) -> None:
    for name in ("time", "fetch", "git"):
        await store.create_mcp_server(name, SPEC, created(name=name))
    assert [server.name for server in await store.mcp_servers()] == ["fetch", "git", "time"]


async def test_what_cannot_be_written_changes_nothing(store: Store, recorder: EventRecorder) -> None:
    await store.create_mcp_server("git", SPEC, created(1))
    bad = {"command": "half \ud800 a character"}
    with pytest.raises(ValueError):
        await store.create_mcp_server("new", bad, created(name="new"))
    with pytest.raises(ValueError):
        await store.update_mcp_server("git", bad, updated())
    assert await store.mcp_servers() == [KeptServer("git", SPEC, 1, 1)]
    assert recorder.types() == ["mcp.server_created"]


async def test_they_outlive_the_process(tmp_path: Path) -> None:
    first = make_store("sqlite", tmp_path)
    async with opened(first):
        kept = await first.create_mcp_server("git", SPEC, created())
    second = make_store("sqlite", tmp_path)
    async with opened(second):
        assert await second.mcp_servers() == [kept]
