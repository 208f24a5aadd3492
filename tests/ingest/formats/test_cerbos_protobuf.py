"""Cerbos audit entries in protobuf say the same as in JSON, with the package that has the messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

PROTOBUF = ("cerbos.audit.encoding", b"protobuf")


@pytest.fixture
def audit() -> Any:
    """The messages of the extra `cerbos`."""
    return pytest.importorskip("cerbos.audit.v1.audit_pb2", reason="the extra cerbos is not installed")


def written(audit: Any, line: dict[str, Any]) -> bytes:
    """The bytes that the PDP writes for an entry."""
    from google.protobuf import json_format

    name = "DecisionLogEntry" if line["log.kind"] == "decision" else "AccessLogEntry"
    entry = {key: value for key, value in line.items() if not key.startswith("log.")}
    return bytes(json_format.ParseDict(entry, getattr(audit, name)()).SerializeToString())


def test_entries_say_the_same_in_protobuf_as_in_json(
    audit: Any, decode: Any, rows_of: Any, data: Any
) -> None:
    lines = [json.loads(line) for line in data("cerbos.jsonl")]
    for kind in ("decision", "access"):
        chosen = [line for line in lines if line["log.kind"] == kind]
        headers = (PROTOBUF, ("cerbos.audit.kind", kind.encode()))
        ours = decode(*(written(audit, line) for line in chosen), stream="authorization", headers=headers)
        theirs = decode(*chosen, stream="authorization")
        assert (ours.rows, ours.dead, ours.skipped) == (theirs.rows, 0, theirs.skipped)
        own = ("raw", "raw_sha256", "attributes")  # numbers of the attributes are written as 5.0
        for one, other in zip(
            rows_of(ours, "authorization_decisions"), rows_of(theirs, "authorization_decisions"), strict=True
        ):
            assert {k: v for k, v in one.items() if k not in own} == {
                k: v for k, v in other.items() if k not in own
            }


def test_bytes_that_are_no_entry_are_a_dead_letter(audit: Any, decode: Any) -> None:  # noqa: ARG001
    headers = (PROTOBUF, ("cerbos.audit.kind", b"decision"))
    assert decode(b"\xff\xff", stream="authorization", headers=headers).reasons == {"invalid_protobuf": 1}


def test_another_kind_of_entry_is_a_dead_letter(audit: Any, decode: Any) -> None:  # noqa: ARG001
    headers = (PROTOBUF, ("cerbos.audit.kind", b"audit"))
    assert decode(b"", stream="authorization", headers=headers).reasons == {"unknown_value": 1}
