"""What is found, sealed and verified on an object store is what is found, sealed and verified on a disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sample_data
from analytics.ask import ask
from analytics.detect import detect
from analytics.session import open_session
from counterfoil.answers import event_files
from ingest.run import run_files
from proof.keys import new_key
from proof.seal import seal
from proof.verify import verify
from schemas.settings import Settings, load_settings
from tests.proof.tampering import hide

if TYPE_CHECKING:
    from tests.objectstore.gateway import Gateway

pytestmark = pytest.mark.objectstore
SAMPLE = Path(sample_data.__file__).parent / "small"


def _filled(url: str, **more: Any) -> Settings:
    settings = load_settings(SAMPLE / "counterfoil.toml", lake={"url": url}, **more)
    run_files(settings, event_files(SAMPLE))
    return settings


def test_the_sample_set_has_the_same_findings_as_on_a_disk_and_is_sealed_and_verified(
    url: str, gateway: Gateway, tmp_path: Path
) -> None:
    new_key(tmp_path / "key")
    away = f"{url}-checkpoints"
    there = _filled(url, integrity={"key_file": str(tmp_path / "key"), "export_to": away})
    here = _filled(str(tmp_path / "lake"))
    found = [{f["finding_id"]: f["level"] for f in detect(s, closed=True).findings} for s in (there, here)]
    assert found[0] == found[1]
    assert len(found[0]) > 100
    again = detect(there, closed=True)
    assert again.written == 0
    sealed = seal(there)
    assert gateway.file(sealed.exported or "").read_text(encoding="utf-8").startswith("{")
    assert not verify(there.lake).broken
    with open_session(there) as session:
        rows = ask(session, "SELECT count(*) AS n FROM findings")
        assert rows.to_pylist() == [{"n": len(found[0])}]
        file = gateway.file(session.snapshot.files("orchestration_events")[0])
    whole = file.read_bytes()
    hide(file, "event_id")
    (told,) = verify(there.lake).broken
    assert f"{file.name} says of its column event_id what its rows do not bear out" in told.detail
    file.write_bytes(whole)
    assert not verify(there.lake).broken
    file.unlink()
    told = next(told for told in verify(there.lake).broken if told.chain is None)
    assert told.detail.startswith(
        f"the file {file.parent.name}/{file.name} cannot be read: cannot read s3://"
    )
