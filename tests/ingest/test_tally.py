"""What an ingest counts by format adds up to what it counts in all."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.run import run_files
from ingest.tally import UNKNOWN, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings import Settings

DATA = Path(__file__).with_name("data")


def test_formats_add_up(tmp_path: Path, make_settings: Callable[..., Settings], events: Any) -> None:
    file = tmp_path / "mixed.jsonl"
    lines = [events.action("a"), events.decision("d"), events.grant("g"), b'{"what": "ever"}', b"{", b"{}"]
    for name in ("cerbos", "otlp", "avp", "cloudtrail", "opa"):
        lines += (DATA / f"{name}.jsonl").read_bytes().splitlines()
    file.write_bytes(b"\n".join([*lines, json.dumps({"event_id": "e"}).encode()]) + b"\n")

    done = run_files(make_settings(), [file])

    assert set(done.formats) == {"native", "cerbos", "otlp", "avp", "cloudtrail", "opa", UNKNOWN}
    whole = Tally()
    for counts in done.formats.values():
        whole.add(counts)
    assert whole.records == done.records
    rows = Counter(done.rows)
    assert rows.pop("dead_letters") == whole.dead.total()
    assert (whole.rows, whole.dead, whole.skipped.total()) == (rows, done.dead, done.skipped)
    native = done.formats["native"]
    assert native.records == native.rows.total() + native.dead.total() == 4
    assert done.formats["cerbos"].skipped["no_event"] > 0
    assert done.formats[UNKNOWN].dead == {"unknown_format": 2, "invalid_json": 1}


def test_nothing_is_counted_again(
    tmp_path: Path, make_settings: Callable[..., Settings], events: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(events.action("a") + b"\n")
    assert run_files(make_settings(), [file]).formats["native"].records == 1
    assert run_files(make_settings(), [file]).formats == {}
