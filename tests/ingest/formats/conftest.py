"""What the tests of decoding share: decode some records, and look at what came out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.decode import Decoder, Decoding
from ingest.records import Records
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.records import Headers, Stream

DATA = Path(__file__).parents[1] / "data"
NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
RECORD_TIME = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
FIRST_OFFSET = 100


def as_bytes(value: Any) -> bytes | None:
    """A record's value: bytes and None as they are, anything else as JSON."""
    return value if value is None or isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture
def decode() -> Callable[..., Decoding]:
    """Decode values as the records of topic `events`, partition 3, from offset 100 on."""

    def run(
        *values: Any,
        stream: Stream = "orchestration",
        headers: Headers = (),
        now: datetime = NOW,
        **sections: Any,
    ) -> Decoding:
        count = len(values)
        records = Records(
            stream=stream,
            topic="events",
            partition=3,
            offset=list(range(FIRST_OFFSET, FIRST_OFFSET + count)),
            value=[as_bytes(value) for value in values],
            key=[b"key"] * count,
            headers=[headers] * count,
            time_us=[int(RECORD_TIME.timestamp()) * 1_000_000] * count,
            next_offset=FIRST_OFFSET + count,
        )
        return Decoder(Settings(**sections)).decode(records, ingest_time=now)

    return run


@pytest.fixture
def rows_of() -> Callable[[Decoding, str], list[dict[str, Any]]]:
    """The rows of a table, as dictionaries."""

    def rows(decoding: Decoding, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = decoding.tables[table].to_pylist() if table in decoding.tables else []
        return found

    return rows


@pytest.fixture
def decisions(decode: Any, rows_of: Any) -> Callable[..., list[dict[str, Any]]]:
    """The decisions of some records, none of which may be a dead letter."""

    def rows(*values: Any) -> list[dict[str, Any]]:
        decoding = decode(*values, stream="authorization")
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        return list(rows_of(decoding, "authorization_decisions"))

    return rows


@pytest.fixture
def data() -> Callable[[str], list[bytes]]:
    """The lines of a file of records that real software wrote."""
    return lambda name: (DATA / name).read_bytes().splitlines()
