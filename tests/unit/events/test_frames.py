"""The bytes on the wire are those of the contract."""

import json

from tests.support.jobs import new_job

from airboss.domain.event_types import EventType
from airboss.domain.events import Event, encode_data, job_event
from airboss.events.frames import HEARTBEAT, RETRY, cloud_event_json, frame, notice

#: 2026-11-21T18:48:00.000Z
MOMENT_MS = 1_795_286_880_000

STARTED = Event(
    1042,
    "job.started",
    MOMENT_MS,
    "NODE",
    "default",
    "JOB_ID",
    "alpha",
    '{"job_id":"…","agent":"…","attempt":1,"correlation_id":"…"}',
)
EXAMPLE = (
    "retry: 3000\n"
    "\n"
    "id: 1042\n"
    "event: job.started\n"
    'data: {"specversion":"1.0","id":"1042","source":"airboss/NODE","type":"job.started",'
    '"subject":"JOB_ID","time":"2026-11-21T18:48:00.000Z","datacontenttype":"application/json",'
    '"tenant":"default","data":{"job_id":"…","agent":"…","attempt":1,"correlation_id":"…"}}\n'
    "\n"
)


def test_a_stream_begins_as_in_the_contract() -> None:
    assert (RETRY + frame(STARTED)).decode() == EXAMPLE


def test_an_event_of_nobody_has_neither_tenant_nor_subject() -> None:
    event = Event(7, "node.joined", MOMENT_MS, "n1", None, None, None, '{"node":"n1"}')
    assert json.loads(cloud_event_json(event)) == {
        "specversion": "1.0",
        "id": "7",
        "source": "airboss/n1",
        "type": "node.joined",
        "time": "2026-11-21T18:48:00.000Z",
        "datacontenttype": "application/json",
        "data": {"node": "n1"},
    }


def test_a_tenant_cannot_break_out_of_its_string() -> None:
    tenant = 'a","type":"b\n\nid: 1\n\\'
    event = Event(7, "job.started", MOMENT_MS, "n1", tenant, "J", "alpha", "{}")
    assert json.loads(cloud_event_json(event))["tenant"] == tenant
    assert frame(event).count(b"\n") == 4


def test_a_frame_is_one_event_whatever_its_text() -> None:
    text = "one\ntwo\r\nthree\rdata: four\n\n\u2028\u2029\x85 файл 😀"
    draft = job_event(EventType.JOB_PROGRESSED, new_job(), MOMENT_MS, message=text)
    event = Event(1, "job.progressed", MOMENT_MS, "n1", "t", "J", "alpha", encode_data(draft.data, 16384))
    lines = frame(event).decode().split("\n")
    assert [line.partition(":")[0] for line in lines] == ["id", "event", "data", "", ""]
    assert "\r" not in frame(event).decode()
    assert json.loads(lines[2].removeprefix("data: "))["data"]["message"] == text


def test_the_longest_event_stays_within_its_bytes() -> None:
    draft = job_event(EventType.OUTPUT_DELTA, new_job(tenant="t" * 128), MOMENT_MS, text="ж" * 100_000)
    data_json = encode_data(draft.data, 16384)
    event = Event(
        10**15, "provider.breaker_half_opened", MOMENT_MS, "n" * 36, "t" * 128, "J" * 36, "a", data_json
    )
    assert len(cloud_event_json(event).encode()) <= 16384


def test_a_notice_has_no_id() -> None:
    assert notice("stream.lagged", missed_from=3, missed_to=9) == (
        b'event: stream.lagged\ndata: {"missed_from":3,"missed_to":9}\n\n'
    )
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"\n\n")
