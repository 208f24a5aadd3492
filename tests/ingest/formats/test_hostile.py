"""Whatever a record holds, it is accounted for and no reader fails, alone or beside others, in any order.

The examples are hypothesis's: the same on every run, and thirty times as many in `make test-long`.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError
from hypothesis import given, note
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ingest.decode import Decoder
from ingest.formats.registry import readers
from ingest.records import Records
from schemas.settings import MappingSettings, Settings
from tests.hostile.seeds import NATIVE, cerbos_entries, otlp_messages, seeds_of
from tests.hostile.strategies import any_json, changed, damaged, keys_in, of_another_type
from tests.registry.standin import StandIn, framed, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.decode import Decoding
    from ingest.records import Headers

FORMATS = [name for name in readers(MappingSettings()) if name != "otlp_proto"]
ARRAYS = ["opa", "avp", "cloudtrail", "langsmith", "mcp", "a2a"]
NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
BATCH_WIDTH = 10_000  # the indexes that an event of a CloudEvents batch has
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json"),)
BATCHED: Headers = (("content-type", b"application/cloudevents-batch+json"),)
PROTOBUF = ("cerbos.audit.encoding", b"protobuf")

seeds = cache(seeds_of)


@cache
def keys(name: str) -> list[str]:
    """The keys of a format, and those by which formats are told."""
    telling = {"object", "data", "type", "decision", "jsonrpc", "resourceSpans", "run_type", "specversion"}
    return sorted(keys_in(seeds(name)) | telling)


@cache
def decoder(name: str | None) -> Decoder:
    return Decoder(Settings(ingest={"formats": {"events": name}} if name else {}))


def run(reader: Decoder, records: Sequence[tuple[int, bytes, Headers]]) -> Decoding:
    """Decode records with their offsets, in the order given."""
    count = len(records)
    offsets, values, headers = ([*column] for column in zip(*records, strict=True))
    given = Records(
        "authorization", "events", 3, offsets, values, [b"key"] * count, headers,
        [1_795_521_600_000_000] * count, max(offsets) + 1,
    )  # fmt: skip
    decoding = reader.decode(given, ingest_time=NOW)
    assert "reader_failed" not in decoding.reasons, decoding.tables["dead_letters"]["detail"].to_pylist()
    assert decoding.skipped == sum(decoding.skipped_of.values(), Counter())
    for table in decoding.tables.values():
        table.validate(full=True)
    return decoding


def outcomes(decoding: Decoding) -> dict[int, list[str]]:
    """What each record became, by its offset. An event is a row or a dead letter, once."""
    found: dict[int, list[tuple[int, str]]] = {}
    events: list[tuple[int, int]] = []
    for name, table in decoding.tables.items():
        for row in table.to_pylist():  # every value can be shown
            events.append((row["source_offset"], row["source_index"]))
            found.setdefault(row["source_offset"], []).append((row["source_index"], f"{name} {row}"))
    assert len(events) == len(set(events)) == decoding.rows + decoding.dead
    return {offset: [text for _, text in sorted(rows)] for offset, rows in found.items()}


def accounted(reader: Decoder, values: Sequence[bytes], order: st.DataObject, headers: Headers = ()) -> None:
    """Each record ends as rows and dead letters or as skipped, never as both or neither, and by itself alone."""
    records = [(100 + n, value, headers) for n, value in enumerate(values)]
    alone: dict[int, list[str]] = {}
    skipped: Counter[str] = Counter()
    for record in records:
        note(f"{record[0]}: {record[1][:2000]!r}")
        decoding = run(reader, [record])
        found = outcomes(decoding)
        assert len(found) + decoding.skipped.total() == 1
        alone.update(found)
        skipped += decoding.skipped
    for ordered in (records, order.draw(st.permutations(records))):
        together = run(reader, ordered)
        assert outcomes(together) == alone
        assert together.skipped == skipped


def several(each: st.SearchStrategy[Any]) -> st.SearchStrategy[list[bytes]]:
    """Some records, the same one twice among them now and then."""
    encoded = each.map(lambda value: value if isinstance(value, bytes) else json.dumps(value).encode())
    return st.lists(encoded, min_size=1, max_size=3).flatmap(
        lambda made: st.sampled_from([made, made, [*made, made[0]]])
    )


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_records_with_wrong_parts(name: str, data: st.DataObject) -> None:
    said = data.draw(st.sampled_from([name, None]))
    accounted(decoder(said), data.draw(several(changed(seeds(name), keys(name)))), data)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_records_with_broken_bytes(name: str, data: st.DataObject) -> None:
    written = [json.dumps(value).encode() for value in seeds(name)]
    said = data.draw(st.sampled_from([name, None]))
    accounted(decoder(said), data.draw(several(damaged(written))), data)


@pytest.mark.parametrize("name", [*FORMATS, "otlp_proto", None])
@given(data=st.data())
def test_any_json_value(name: str | None, data: st.DataObject) -> None:
    known = keys(name) if name in FORMATS and name else keys("native")
    accounted(decoder(name), data.draw(several(any_json(known))), data)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_a_part_of_another_type_loses_no_event(name: str, data: st.DataObject) -> None:
    right, wrong, path = data.draw(of_another_type(seeds(name)))
    before = run(decoder(name), [(100, json.dumps(right).encode(), ())])
    after = run(decoder(name), [(100, json.dumps(wrong).encode(), ())])
    note(f"{path}: {json.dumps(wrong)[:2000]}")
    assert after.dead or after.rows >= before.rows
    assert before.skipped or not after.skipped


@pytest.mark.parametrize("name", ARRAYS)
@given(data=st.data())
def test_no_item_of_an_array_is_lost(name: str, data: st.DataObject) -> None:
    items = data.draw(st.lists(changed(seeds(name), keys(name)), min_size=1, max_size=4))
    encoded = [json.dumps(item).encode() for item in items]
    held = sum(not run(decoder(name), [(100, item, ())]).skipped for item in encoded)
    whole = run(decoder(name), [(100, b"[" + b",".join(encoded) + b"]", ())])
    refused = whole.dead > 0 and whole.rows == 0
    assert refused or whole.rows + whole.dead >= held
    assert not (held and whole.skipped)


def envelope(value: Any, *, text: bool) -> dict[str, Any]:
    event = {
        "specversion": "1.0", "id": "1", "source": "/a", "type": "b", "time": "2026-11-24T12:00:00Z",
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "authid": "c", "authtype": "user",
    }  # fmt: skip
    if text:
        return {**event, "data_base64": base64.b64encode(json.dumps(value).encode()).decode()}
    return {**event, "data": value}


@pytest.mark.parametrize("headers", [(), STRUCTURED, BATCHED], ids=["none", "structured", "batch"])
@given(data=st.data())
def test_cloud_events_with_wrong_parts(headers: Headers, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FORMATS))
    events = [envelope(value, text=text) for value in seeds(name)[:6] for text in (True, False)]
    each: st.SearchStrategy[Any] = changed(events, keys_of_events(name))
    if headers == BATCHED:
        each = st.one_of(st.lists(each, max_size=3), each)
    said = data.draw(st.sampled_from([name, None]))
    records = [(100 + n, value, headers) for n, value in enumerate(data.draw(several(each)))]
    for record in records:
        decoding = run(decoder(said), [record])
        found = outcomes(decoding)
        assert found or decoding.skipped
        batch = json.loads(record[1])
        if headers == BATCHED and isinstance(batch, list) and batch:
            indexes = [i for table in decoding.tables.values() for i in table["source_index"].to_pylist()]
            places = {index // BATCH_WIDTH for index in indexes}
            assert len(places) + decoding.skipped.total() == len(batch)
            assert max(places, default=0) < len(batch)
    together, backwards = run(decoder(said), records), run(decoder(said), records[::-1])
    assert outcomes(together) == outcomes(backwards)
    assert together.skipped == backwards.skipped


@cache
def keys_of_events(name: str) -> list[str]:
    return sorted({*envelope(None, text=False), "data_base64", "datacontenttype", *keys(name)[:5]})


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_a_cloud_event_becomes_what_is_in_it(name: str, data: st.DataObject) -> None:
    # One within another stays closed.
    bare_seeds = [value for value in seeds(name) if "specversion" not in value]
    made = changed(bare_seeds, sorted({*keys(name)} - {"specversion"}))
    value = data.draw(made.filter(lambda value: isinstance(value, dict) and value))
    inner = json.dumps(value).encode()
    bare = run(decoder(name), [(100, inner, ())])
    binary = tuple(
        (f"ce_{key}", str(text).encode()) for key, text in envelope(None, text=False).items() if text
    )
    for record, headers in [
        (json.dumps(envelope(value, text=False)).encode(), ()),
        (json.dumps(envelope(value, text=True)).encode(), STRUCTURED),
        (inner, binary),
    ]:
        wrapped = run(decoder(name), [(100, record, headers)])
        # The envelope may give what was missing, so that there is more of it, and never less.
        assert wrapped.rows >= bare.rows
        assert wrapped.rows + wrapped.dead + wrapped.skipped.total() > 0


@given(data=st.data())
def test_damaged_otlp_in_protobuf(data: st.DataObject) -> None:
    said = data.draw(st.sampled_from(["otlp_proto", None]))
    values = data.draw(several(damaged(otlp())))
    accounted(decoder(said), values, data)
    for value in values if said else ():
        spans = spans_in(value)
        decoding = run(decoder(said), [(100, value, ())])
        assert decoding.rows + decoding.dead >= spans


otlp = cache(otlp_messages)


def spans_in(value: bytes) -> int:
    """How many spans a message holds; one where it is no message, since it is then a dead letter."""
    try:
        batch = TracesData.FromString(value)
    except DecodeError:
        return 1
    return sum(len(scope.spans) for each in batch.resource_spans for scope in each.scope_spans)


@given(data=st.data())
def test_damaged_cerbos_entries_in_protobuf(data: st.DataObject) -> None:
    audit = pytest.importorskip("cerbos.audit.v1.audit_pb2", reason="the extra cerbos is not installed")
    entries = cerbos_entries(audit)
    kind = data.draw(st.sampled_from(["decision", "access", "other"]))
    values = data.draw(several(damaged([entry for entry, own in entries if kind in (own, "other")])))
    accounted(decoder(None), values, data, (PROTOBUF, ("cerbos.audit.kind", kind.encode())))


@pytest.fixture(scope="module")
def registered() -> Iterator[Decoder]:
    """A decoder with a registry that has a schema of each kind: 1 JSON, 2 and 3 Avro, 4 protobuf."""
    with serve(StandIn()) as registry:
        registry.add(1, {"type": "object"}, "JSON")
        registry.add(2, '"string"')
        registry.add(3, AVRO)
        registry.add(4, base64.b64encode(PROTO.SerializeToString()).decode(), "PROTOBUF")
        yield Decoder(Settings(registry={"url": registry.url}))


AVRO: dict[str, Any] = {
    "type": "record", "name": "Event",
    "fields": [{"name": name, "type": "string"} for name in ("event_id", "event_time", "event_type")]
    + [{"name": "labels", "type": {"type": "array", "items": "string"}}],
}  # fmt: skip
PROTO = FileDescriptorProto(name="event.proto", syntax="proto3")
_MESSAGE = PROTO.message_type.add(name="Event")
for _number, _name in enumerate(("event_id", "event_time", "event_type"), 1):
    _MESSAGE.field.add(
        name=_name,
        number=_number,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )


def in_frames() -> list[bytes]:
    """A right record in the Confluent wire format by each of the schemas."""
    words = [b"e1", b"2026-11-24T12:00:00Z", b"tool_call"]
    whole = json.dumps(NATIVE[0])
    text, avro = io.BytesIO(), io.BytesIO()
    fastavro.schemaless_writer(text, "string", whole)
    named = {key: NATIVE[0][key] for key in ("event_id", "event_time", "event_type", "labels")}
    fastavro.schemaless_writer(avro, fastavro.parse_schema(AVRO), named)
    proto = b"\0" + b"".join(
        bytes([number << 3 | 2, len(word)]) + word for number, word in enumerate(words, 1)
    )
    payloads = [whole.encode(), text.getvalue(), avro.getvalue(), proto]
    return [framed(number, payload) for number, payload in enumerate(payloads, 1)]


def test_right_records_in_frames_are_read(registered: Decoder) -> None:
    assert run(registered, [(n, value, ()) for n, value in enumerate(in_frames())]).rows == 4


@given(data=st.data())
def test_damaged_values_in_frames(registered: Decoder, data: st.DataObject) -> None:
    # The id of a schema stays mostly what it is, or every example would be about an unknown one.
    head = data.draw(st.sampled_from([5, 5, 5, 0]))
    whole = data.draw(st.sampled_from(in_frames()))
    rest = damaged([whole[head:]])
    accounted(registered, data.draw(several(rest.map(lambda payload: whole[:head] + payload))), data)


def test_right_records_are_all_read() -> None:
    for name in FORMATS:
        records = [(n, json.dumps(value).encode(), ()) for n, value in enumerate(seeds(name))]
        decoding = run(decoder(None), records)
        assert len(outcomes(decoding)) + decoding.skipped.total() == len(records)
        assert decoding.rows > 0
        assert decoding.dead == 0


HUGE = "A" * 300_000
HOSTILE: dict[str, bytes] = {
    "arrays without end": b"[" * 200_000,
    "objects without end": b'{"a":' * 200_000,
    "deep arrays": b"[" * 5_000 + b"]" * 5_000,
    "deep objects": b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
    "a digit string that no number holds": b'{"event_type": 1' + b"0" * 400 + b"}",
    "an exponent that no number holds": b'{"event_time": 1e999999}',
    "a key twice": b'{"event_id": "a", "event_id": "b", "event_type": 1, "event_type": "grant"}',
    "a huge string": json.dumps({"event_id": HUGE, "type": HUGE}).encode(),
    "a huge key": json.dumps({HUGE: HUGE}).encode(),
    "half a character": b'{"event_id": "\\ud800"}',
    "no utf-8": b'{"event_id": "\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"event_id": "a"}',
    "not a number": b'{"event_id": NaN}',
    "nothing": b"",
    "blanks": b" \n\t",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_named_hostile_records(case: str) -> None:
    right = (1, json.dumps(NATIVE[0]).encode(), ())
    for name in (*FORMATS, "otlp_proto", None):
        decoding = run(decoder(name), [(0, HOSTILE[case], ()), right, (2, HOSTILE[case], STRUCTURED)])
        assert len(outcomes(decoding)) + decoding.skipped.total() == 3
        assert name not in ("native", None) or decoding.rows >= 1


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_parts_of_right_records(name: str) -> None:
    texts = [str(10**400), f'"{HUGE[:100_000]}"', '{"a":[' * 400 + "1" + "]}" * 400, '"\\u0000"']
    for value in seeds(name)[:3]:
        records = []
        for key in value:
            holder = json.dumps({**value, key: "@"})
            records += [holder.replace('"@"', text, 1).encode() for text in texts]
            records.append(f'{{"{key}": 7, {json.dumps(value)[1:-1]}, "{key}": null}}'.encode())
        numbered = [(n, record, ()) for n, record in enumerate(records)]
        decoding = run(decoder(name), numbered)
        assert len(outcomes(decoding)) + decoding.skipped.total() == len(records)
