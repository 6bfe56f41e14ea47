"""What the SQLite store promises beyond the contract: durable, batched, locked, indexed, reopened."""

import asyncio
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path

import pytest
from tests.support.clock import DEADLINE_SECONDS, START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import delta, job_id, new_job, notice
from tests.support.stores import MAX_EVENT_BYTES, all_jobs, ids, kept_counts, opened, recount

from airboss.domain.errors import JobError, StorageUnavailableError
from airboss.domain.events import Event
from airboss.domain.jobs import Outcome
from airboss.domain.states import FINAL_STATES, LIVE_STATES, JobState
from airboss.ports.store import (
    Cutoffs,
    EventFilter,
    Idempotency,
    IdempotencyMismatchError,
    JobQuery,
    StoreOpenError,
)
from airboss.storage.sqlite import job_writes, reads
from airboss.storage.sqlite.connections import open_reader, open_writer
from airboss.storage.sqlite.lock import DatabaseInUseError
from airboss.storage.sqlite.schema import MIGRATIONS, NewerSchemaError, migrate
from airboss.storage.sqlite.store import SqliteStore
from airboss.storage.sqlite.writer import Transaction, Writer

_PAGE_BYTES = 4096
COMPLETED = Outcome(JobState.COMPLETED, output="the answer")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "airboss.db"


def new_store(path: Path, node_id: str = "n1") -> SqliteStore:
    return SqliteStore(path, new_node_id=node_id, max_event_bytes=MAX_EVENT_BYTES)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = new_store(path)
    async with opened(store):
        yield store


# -- the file --------------------------------------------------------------------------------------------


def test_the_writer_keeps_what_it_acknowledged(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    full = 2
    assert pragmas == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 5000}


async def test_a_reader_cannot_write(store: SqliteStore, path: Path) -> None:
    with closing(open_reader(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM jobs")


def test_migrations_run_from_nothing_and_only_once(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        migrate(connection)
        migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert {"meta", "jobs", "job_counts", "events", "idempotency_keys", "paused_agents"} <= tables


def test_a_migration_that_breaks_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ("CREATE TABLE one (a); CREATE TABLE one (b)",)
    monkeypatch.setattr("airboss.storage.sqlite.schema.MIGRATIONS", broken)
    with closing(open_writer(path)) as connection, pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    with closing(open_writer(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_a_database_of_a_newer_airboss_is_refused_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    store = new_store(path)
    with pytest.raises(NewerSchemaError, match="newer Airboss"):
        await store.open(EventRecorder().publish)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


@pytest.fixture
def garbage(path: Path) -> Path:
    path.write_bytes(b"this is no database, and longer than a header of one hundred bytes" * 4)
    return path


async def test_a_file_that_is_no_database_is_refused_and_its_lock_let_go(garbage: Path) -> None:
    for _ in range(2):
        store = new_store(garbage)
        with pytest.raises(StoreOpenError, match="not a database"):
            await store.open(EventRecorder().publish)
        await store.close()


async def test_a_damaged_database_is_refused_untouched(path: Path) -> None:
    async with opened(store := new_store(path)):
        await asyncio.gather(*(store.spawn(new_job(n, input="x" * 300), None) for n in range(400)))
    sound = _content(path)
    pages = len(sound) // _PAGE_BYTES
    for seed in range(30):
        chance = random.Random(seed)
        begin = chance.randrange(pages) * _PAGE_BYTES
        damaged = sound[:begin] + chance.randbytes(_PAGE_BYTES) + sound[begin + _PAGE_BYTES :]
        path.write_bytes(damaged)  # noqa: ASYNC240
        store = new_store(path)
        with pytest.raises(StoreOpenError, match=r"airboss\.db"):
            await store.open(EventRecorder().publish)
        await store.close()
        assert _content(path) == damaged


def _content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(20))
async def test_a_log_that_breaks_off_anywhere_opens_with_what_was_whole(path: Path, seed: int) -> None:
    """Copied while it is written, and cut: what a kill or a dying disk leaves of the write-ahead log."""
    crashed = path.with_name("crashed.db")
    async with opened(store := new_store(path)):
        for number in range(30):
            await store.spawn(new_job(number, input="x" * 3000), None)
            await store.start(job_id(number), START_MS)
        _copy_cut(path, crashed, random.Random(seed))
    async with opened(again := new_store(crashed)) as recorder:
        assert kept_counts(again) == await recount(again)
        await again.recover(START_MS, {})
        await again.spawn(new_job(99), None)
        assert recorder.types(job_id(99)) == ["job.spawned"]
        kept = ids(await all_jobs(again, JobQuery(None)))
        # Commits are kept from the first to the last whole one, with no hole between.
        assert kept[1:] == [job_id(number) for number in range(len(kept) - 2, -1, -1)]


def _copy_cut(database: Path, copy: Path, chance: random.Random) -> None:
    """Copy a database with a part of its log, and something else behind it."""
    copy.write_bytes(_content(database))
    log, log_copy = (file.with_name(file.name + "-wal") for file in (database, copy))
    whole = _content(log)
    log_copy.write_bytes(whole[: chance.randrange(len(whole))] + chance.randbytes(chance.randrange(5000)))


HOLD_THE_LOCK = """
import asyncio, sys
from pathlib import Path
from airboss.storage.sqlite.store import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]), new_node_id="other", max_event_bytes=16384)
    await store.open(lambda events: None)
    print("open", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


async def test_a_second_process_is_refused_with_the_id_of_the_first(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD_THE_LOCK, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await process.stdout.readline() == b"open\n"
    second = new_store(path)
    with pytest.raises(DatabaseInUseError, match=f"in use by process {process.pid};") as raised:
        await second.open(EventRecorder().publish)
    assert raised.value.process_id == str(process.pid)
    await second.close()
    # Killed in the hardest way, it lets go all the same.
    process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await process.communicate()
    async with opened(store := new_store(path)):
        assert await store.node_id() == "other"


async def test_a_second_store_in_the_same_process_is_refused(store: SqliteStore, path: Path) -> None:
    second = new_store(path)
    with pytest.raises(DatabaseInUseError):
        await second.open(EventRecorder().publish)
    await second.close()
    await store.probe()


async def test_everything_is_there_after_a_reopen(path: Path) -> None:
    async with opened(first := new_store(path)) as before:
        for number in range(20):
            await first.spawn(new_job(number, metadata={"n": number}), Idempotency(f"k{number}", "h"))
        for number in range(10):
            await first.start(job_id(number), START_MS)
        for number in range(5):
            await first.finish(job_id(number), 1, COMPLETED, START_MS)
        await first.pause_agent("alpha", paused=True, event=notice())
        jobs = await all_jobs(first, JobQuery(None))
        counts = kept_counts(first)
    async with opened(second := new_store(path, "another name")) as after:
        assert await all_jobs(second, JobQuery(None)) == jobs
        assert kept_counts(second) == counts == await recount(second)
        assert await second.node_id() == "n1"
        assert await second.paused_agents() == {"alpha"}
        assert await second.replay("default", Idempotency("k3", "h")) == await second.get(job_id(3), None)
        page = await second.events(0, None, 1000, EventFilter())
        assert list(page.events) == before.events
        await second.announce([notice()])
        assert after.ids[0] > before.ids[-1]


# -- the writer ------------------------------------------------------------------------------------------


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Watch what SQLite itself says it executes."""
    statements: list[str] = []

    def traced(path: Path) -> sqlite3.Connection:
        connection = open_writer(path)
        connection.set_trace_callback(
            lambda statement: statements.append(statement) if statement == "COMMIT" else None
        )
        return connection

    monkeypatch.setattr("airboss.storage.sqlite.store.open_writer", traced)
    return statements


async def test_writes_that_gather_are_committed_together(commits: list[str], path: Path) -> None:
    async with opened(store := new_store(path)):
        commits.clear()
        await asyncio.gather(*(store.spawn(new_job(n), None) for n in range(1000)))
        assert len(await all_jobs(store, JobQuery(None, limit=200))) == 1000
    assert 1 <= len(commits) <= 100


async def test_one_at_a_time_each_is_committed_before_it_is_answered(commits: list[str], path: Path) -> None:
    async with opened(store := new_store(path)):
        for number in range(5):
            commits.clear()
            await store.spawn(new_job(number), None)
            assert len(commits) == 1
            with closing(sqlite3.connect(path)) as outside:
                assert outside.execute("SELECT count(*) FROM jobs").fetchone() == (number + 1,)


async def test_one_operation_that_fails_does_not_spoil_its_batch(store: SqliteStore) -> None:
    await store.spawn(new_job(0), Idempotency("key", "hash"))
    answers = await asyncio.gather(
        *(store.spawn(new_job(n), None) for n in range(1, 50)),
        store.spawn(new_job(0), None),
        store.spawn(new_job(90), Idempotency("key", "another hash")),
        store.spawn(new_job(91, input="\ud800"), None),
        *(store.spawn(new_job(n), None) for n in range(50, 80)),
        return_exceptions=True,
    )
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    assert [type(error) for error in errors] == [
        StorageUnavailableError,
        IdempotencyMismatchError,
        UnicodeEncodeError,
    ]
    found = await all_jobs(store, JobQuery(None, limit=200))
    assert ids(found) == [job_id(n) for n in range(79, -1, -1)]
    assert kept_counts(store) == await recount(store)


async def test_a_write_whose_caller_has_gone_is_made_all_the_same(store: SqliteStore) -> None:
    caller = asyncio.ensure_future(store.spawn(new_job(1), None))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    await store.probe()
    assert await store.get(job_id(1), None) is not None
    assert kept_counts(store) == await recount(store)


async def test_closing_commits_what_was_submitted(path: Path) -> None:
    store = new_store(path)
    await store.open(EventRecorder().publish)
    spawns = [asyncio.ensure_future(store.spawn(new_job(n), None)) for n in range(1200)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*spawns)) == 1200
    with pytest.raises(StorageUnavailableError):
        await store.get(job_id(1), None)
    await store.close()
    async with opened(again := new_store(path)):
        assert sum(group.jobs for group in again.counts()) == 1200


async def test_a_listener_that_breaks_keeps_nobody_waiting(path: Path) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))

    def broken(events: Sequence[Event]) -> None:
        raise ValueError("a tap that breaks")

    store = new_store(path)
    await store.open(broken)
    async with asyncio.timeout(DEADLINE_SECONDS):
        spawned = await store.spawn(new_job(), None)
    assert await store.get(spawned.job.id, None) == spawned.job
    await store.close()
    assert [type(error) for error in told] == [ValueError]


class FailingConnection(sqlite3.Connection):
    """Fails to commit and then to roll back, as a medium that is gone does."""

    failing = False

    def execute(self, sql: str, /, *args: object) -> sqlite3.Cursor:
        if self.failing and sql in ("COMMIT", "ROLLBACK"):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)  # type: ignore[arg-type]


async def test_a_medium_that_fails_in_every_way_is_answered_and_forgiven(path: Path) -> None:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, factory=FailingConnection
    )
    counts: Counter[object] = Counter()
    writer = Writer(
        connection,
        node="n1",
        max_event_bytes=MAX_EVENT_BYTES,
        last_event_id=0,
        on_commit=EventRecorder().publish,
        on_counts=counts.update,
    )

    def write(transaction: Transaction) -> int:
        transaction.connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        transaction.connection.execute("INSERT INTO t VALUES (1)")
        return int(transaction.connection.execute("SELECT count(*) FROM t").fetchone()[0])

    connection.execute(
        "CREATE TABLE job_counts (tenant, agent, state, jobs, PRIMARY KEY (tenant, agent, state))"
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await writer.submit(write) == 1
        connection.failing = True
        for _ in range(2):
            answers = await asyncio.gather(*(writer.submit(write) for _ in range(3)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [StorageUnavailableError] * 3
        connection.failing = False
        await asyncio.gather(writer.submit(write), return_exceptions=True)
        assert await writer.submit(write) >= 2
        await writer.close()
    connection.close()


async def test_a_lock_of_another_process_is_told_once_to_all_who_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airboss.storage.sqlite.connections._BUSY_TIMEOUT_MS", 200)
    loop = asyncio.get_running_loop()
    async with opened(store := new_store(path)):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            first = asyncio.ensure_future(store.probe())
            await asyncio.sleep(0)
            began = loop.time()
            answers = await asyncio.gather(
                first, *(store.spawn(new_job(n), None) for n in range(50)), return_exceptions=True
            )
            seconds = loop.time() - began
            assert {type(answer) for answer in answers} == {StorageUnavailableError}
            assert seconds < 5, f"fifty waits one after the other: {seconds:.1f} s"
            other.execute("ROLLBACK")
        await store.spawn(new_job(60), None)
        assert ids(await all_jobs(store, JobQuery(None))) == [job_id(60)]


@contextmanager
def no_room_beyond(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: what a full disk does to a database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_gives_no_false_answer_and_is_recovered_from(path: Path) -> None:
    async with opened(store := new_store(path)) as recorder:
        kept = (await store.spawn(new_job(1), None)).job
        with no_room_beyond(path.with_name(path.name + "-wal").stat().st_size):
            for number in (2, 3):
                with pytest.raises(StorageUnavailableError):
                    await store.spawn(new_job(number), None)
            with pytest.raises(StorageUnavailableError):
                await store.probe()
            assert await store.get(kept.id, None) == kept
            assert recorder.types() == ["job.spawned"]
        await store.probe()
        await store.spawn(new_job(4), None)
        assert ids(await all_jobs(store, JobQuery(None))) == [job_id(4), job_id(1)]
        assert kept_counts(store) == await recount(store)
    async with opened(again := new_store(path)):
        assert ids(await all_jobs(again, JobQuery(None))) == [job_id(4), job_id(1)]


@pytest.mark.parametrize("seconds", [1.5])
async def test_sixteen_writers_with_readers_never_meet_a_lock(store: SqliteStore, seconds: float) -> None:
    over = asyncio.Event()
    numbers = iter(range(1_000_000))
    made = Counter[str]()

    async def write() -> None:
        while not over.is_set():
            number = next(numbers)
            job = (await store.spawn(new_job(number, created_at_ms=START_MS + number), None)).job
            await store.start(job.id, START_MS)
            await store.append([delta(job)] * 3, job_id=job.id, claim=1)
            await store.finish(job.id, 1, COMPLETED, START_MS)
            made["writes"] += 1

    async def read() -> None:
        while not over.is_set():
            await store.list_jobs(JobQuery(None, states=frozenset(JobState), limit=20))
            page = await store.events(0, None, 200, EventFilter())
            assert [event.id for event in page.events] == sorted(event.id for event in page.events)
            await store.event_bounds()
            made["reads"] += 1

    async def prune() -> None:
        while not over.is_set():
            await store.prune(Cutoffs(START_MS + 50, START_MS + 1, 0), START_MS, 5)
            await asyncio.sleep(0)

    alarm = threading.Timer(seconds, asyncio.get_running_loop().call_soon_threadsafe, [over.set])
    alarm.start()
    await asyncio.gather(*(write() for _ in range(16)), *(read() for _ in range(6)), prune())
    alarm.join()
    assert made["writes"] > 16
    assert made["reads"] > 6
    counts = Counter[str]()
    for group in store.counts():
        counts[group.state] += group.jobs
    assert counts == {JobState.COMPLETED: len(await all_jobs(store, JobQuery(None, limit=200)))}


# -- plans -----------------------------------------------------------------------------------------------


def plans_of(connection: sqlite3.Connection, query: JobQuery, tenants: Sequence[str]) -> list[str]:
    """Explain exactly what the store would execute."""
    executed: list[str] = []
    connection.set_trace_callback(executed.append)
    reads.list_jobs(connection, query, tenants)
    connection.set_trace_callback(None)
    (statement,) = executed
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


@pytest.fixture(params=["empty", "analyzed"])
async def reader(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[sqlite3.Connection]:
    """Plans without statistics, and with those of many ended and few live jobs."""
    async with opened(store := new_store(path)):
        for number in range(300):
            await store.spawn(new_job(number, tenant=f"t{number % 3}", agent=f"a{number % 2}"), None)
            if number % 50:
                state = sorted(FINAL_STATES)[number % 4]
                await store.end_pending(
                    job_id(number), Outcome(state, error=JobError("internal", "")), START_MS
                )
    with closing(open_writer(path)) as connection:
        if request.param == "analyzed":
            connection.execute("ANALYZE")
    with closing(open_reader(path)) as connection:
        yield connection


@pytest.mark.parametrize("tenant", [None, "t1"])
async def test_every_page_of_jobs_runs_down_an_index(reader: sqlite3.Connection, tenant: str | None) -> None:
    state_sets = [
        frozenset[JobState](),
        frozenset({JobState.PENDING}),
        LIVE_STATES,
        frozenset({JobState.FAILED}),
        FINAL_STATES,
        frozenset({JobState.RUNNING, JobState.FAILED}),
        frozenset(JobState),
    ]
    for states, agent, before_id, after, before in product(
        state_sets, (None, "a1"), (None, job_id(200)), (None, START_MS - 1), (None, START_MS + 1)
    ):
        query = JobQuery(tenant, states, agent, after, before, before_id)
        steps = plans_of(reader, query, ["t0", "t1", "t2"])
        touching = [step for step in steps if re.search(r"\bjobs\b", step)]
        assert touching
        for step in touching:
            assert "INDEX" in step, (query, step)
            # Few jobs are live: their own index may be walked from end to end, no other.
            assert step.startswith("SEARCH") or "INDEX jobs_live" in step, (query, step)
        if states and states <= LIVE_STATES:
            assert all("INDEX jobs_live" in step for step in touching), (query, touching)
        if states and states <= FINAL_STATES and agent is None:
            assert all("INDEX jobs_ended" in step for step in touching), (query, touching)


async def test_recovery_walks_over_live_jobs_only(path: Path) -> None:
    async with opened(store := new_store(path)):
        await store.spawn(new_job(), None)
    executed: list[str] = []
    with closing(open_writer(path)) as connection:
        connection.execute("BEGIN")
        connection.set_trace_callback(executed.append)
        job_writes.recover(Transaction(connection, "n1", MAX_EVENT_BYTES, last_event_id=0), START_MS, {})
        connection.set_trace_callback(None)
        for statement in executed:
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                assert "INDEX jobs_live" in row[3], (statement, row[3])
    assert len(executed) == 2


async def test_other_reads_run_down_an_index(reader: sqlite3.Connection) -> None:
    executed: list[str] = []
    reader.set_trace_callback(executed.append)
    reads.get_job(reader, job_id(1), "t1")
    reads.read_events(reader, 5, 100, 50, EventFilter(tenant="t1"))
    reads.read_events(reader, 5, 100, 50, EventFilter(job_id=job_id(1), types=frozenset({"job.spawned"})))
    reader.set_trace_callback(None)
    assert len(executed) == 3
    for statement in executed:
        for row in reader.execute(f"EXPLAIN QUERY PLAN {statement}"):
            assert row[3].startswith("SEARCH"), (statement, row[3])
