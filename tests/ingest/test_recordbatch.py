"""Splitting record batches: the same as the client's own reading, and nothing that a producer sends stops it."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

import kafka
import pyarrow as pa
import pytest
from kafka.errors import UnsupportedCodecError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from ingest.quick import _quick
from ingest.recordbatch import END_OF_TIME_MS, TESTED, WholeBatch, microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

CODECS = {"none": 0, "gzip": 1, "lz4": 3, "zstd": 4}
Record = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def pack(records: Sequence[Record], codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1, producer_epoch=-1,
        base_sequence=-1, batch_size=10_000_000,
    )  # fmt: skip
    for number, (timestamp, key, value, headers) in enumerate(records):
        builder.append(number, timestamp, key, value, headers)
    return bytes(builder.build())


def columns(packed: bytes) -> Any:
    return WholeBatch(DefaultRecordBatch(packed)).columns("topic-0")


def some(count: int) -> list[Record]:
    rng = random.Random(count)
    sizes = (0, 1, 63, 64, 65, 200, 8191, 8192, 20_000)
    return [
        (
            1_700_000_000_000 + rng.randrange(-100_000, 100_000),
            rng.choice([None, b"", b"key" * 50]),
            rng.choice([None, rng.randbytes(rng.choice(sizes))]),
            [(f"h{n}" * 40, rng.choice([None, b"", b"x" * 300])) for n in range(rng.choice([0, 0, 1, 70]))],
        )
        for _ in range(count)
    ]


def test_the_client_is_the_version_that_whole_batches_were_tested_with() -> None:
    assert kafka.__version__ == TESTED


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 2, 300])
def test_columns_are_what_the_client_itself_reads(codec: str, count: int) -> None:
    packed = pack(some(count), CODECS[codec])
    theirs = list(DefaultRecordBatch(packed))
    ours = columns(packed)
    digests = [hashlib.sha256(each.value or b"").digest() for each in theirs]
    assert ours.digests().to_pylist() == digests
    assert ours.offset == [each.offset for each in theirs]
    assert ours.value == [each.value for each in theirs]
    assert ours.key == [each.key for each in theirs]
    assert ours.headers == [tuple((name, value or b"") for name, value in each.headers) for each in theirs]
    assert ours.time_us == [each.timestamp * 1000 for each in theirs]
    held = sum(
        len(part or b"")
        for each in theirs
        for part in (each.value, each.key, *(part for header in each.headers for part in header))
    )
    assert held <= ours.size <= held + 700 * count
    assert ours.next_offset == count


@pytest.mark.skipif(_quick is None, reason="the C part of ingest was not built: no C compiler")
def test_digests_are_the_same_with_and_without_the_library_that_hashlib_uses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chunk = columns(pack(some(300)))
    assert chunk.packs
    with_it = chunk.digests()
    with monkeypatch.context() as patch:
        patch.setattr(_quick, "digests", lambda *_: None)
        assert chunk.digests() == with_it
    assert chunk.value
    assert chunk.packs is None
    assert chunk.digests() == with_it


@pytest.mark.parametrize("framed", [False, True])
def test_snappy_is_read_in_either_form(framed: bool) -> None:
    plain = pack(some(100))
    blocks = [plain[at : at + 32768] for at in range(61, len(plain), 32768)] if framed else [plain[61:]]
    packed = [pa.compress(block, codec="snappy", asbytes=True) for block in blocks]
    body = packed[0]
    if framed:
        body = b"\x82SNAPPY\0" + bytes(8) + b"".join(len(each).to_bytes(4, "big") + each for each in packed)
    head = bytearray(plain[:61])
    head[22] |= 2
    assert columns(bytes(head) + body).value == columns(plain).value


def test_a_header_name_that_is_no_utf8_is_kept_as_its_bytes() -> None:
    packed = bytearray(pack([(0, None, b"{}", [("name", b"v")])]))
    at = packed.index(b"name")
    packed[at : at + 2] = b"\xff\xfe"
    assert columns(bytes(packed)).headers == [(("\\xff\\xfeme", b"v"),)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_spoilt_batch_is_one_record_with_its_bytes_and_the_next_goes_on_after_it(codec: str) -> None:
    packed = bytearray(pack(some(20), CODECS[codec]))
    packed[61:75] = b"\xee" * 14
    chunk = columns(bytes(packed))
    assert (chunk.offset, chunk.value, chunk.next_offset) == ([0], [bytes(packed)], 20)
    assert chunk.headers[0][0][0] == "counterfoil.spoilt-batch"


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_batch_that_unpacks_to_too_much_is_spoilt(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.recordbatch.MAX_UNPACKED", 100_000)
    packed = pack([(0, None, b"x" * 200_000, [])], CODECS[codec])
    assert columns(packed).value == [packed]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_that_unpacks_to_much_more_than_its_size_is_whole(codec: str) -> None:
    values = [bytes([65 + i % 7]) * (1 + i * 7919 % 90_000) for i in range(60)]
    packed = pack([(i, None, value, []) for i, value in enumerate(values)], CODECS[codec])
    assert columns(packed).value == values


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_batch_of_which_the_end_is_cut_off_is_spoilt(codec: str) -> None:
    packed = pack([(0, None, b"x" * 3_000_000, [])], CODECS[codec])
    assert columns(packed[:-20]).value == [packed[:-20]]


def test_a_compression_that_no_library_knows_is_an_error_and_no_dead_letter() -> None:
    packed = bytearray(pack(some(2)))
    packed[22] |= 6
    with pytest.raises(UnsupportedCodecError, match="unknown way"):
        columns(bytes(packed))


@pytest.mark.parametrize("codec", CODECS)
def test_no_bytes_at_all_raise(codec: str) -> None:
    packed = pack(some(5), CODECS[codec])
    rng = random.Random(codec)
    spoilt = 0
    for _ in range(500):
        changed = bytearray(packed)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(61, len(changed))] = rng.randrange(256)
        if rng.random() < 0.2:
            del changed[rng.randrange(61, len(changed)) :]
        chunk = columns(bytes(changed))
        assert chunk.next_offset == 5
        assert chunk.offset == sorted(set(chunk.offset))
        spoilt += len(chunk.offset) == 1
    assert spoilt > 100


def test_times_outside_the_calendar_are_not_known() -> None:
    assert microseconds(-1) is None
    assert microseconds(END_OF_TIME_MS) is None
    assert microseconds(1) == 1000
