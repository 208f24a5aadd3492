"""`counterfoil export postgres` into a real PostgreSQL: read by a role that may only read, and replaced at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics.described import words_of
from counterfoil.duckdb_export import exportable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.long
READ = "postgresql://bi:read@"


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of the test's own on this machine, with the users loader and bi; gives its address."""
    folder = programs()
    if folder is None:
        pytest.skip("there is no PostgreSQL server here: apt-get install postgresql")
    pytest.importorskip("adbc_driver_postgresql", reason="pip install 'counterfoil[bi]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not a folder of pytest's: those are closed to others, and a server will not be run by root.
    with tempfile.TemporaryDirectory(prefix="counterfoil-postgres-", ignore_cleanup_errors=True) as made:
        root = Path(made)
        (root / "secret").write_text("load\n", encoding="utf-8")
        as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
            for path in (root, root / "secret"):
                shutil.chown(path, "postgres", "postgres")

        def call(*command: str) -> None:
            done = subprocess.run([*as_user, *command], capture_output=True, text=True, cwd=root, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

        data = str(root / "data")
        secret = f"--pwfile={root / 'secret'}"
        call(f"{folder}/initdb", "-D", data, "-A", "scram-sha-256", secret, "-U", "loader", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root}"
        call(f"{folder}/pg_ctl", "-w", "-D", data, "-o", options, "-l", str(root / "log"), "start")
        try:
            address = f"127.0.0.1:{port}/postgres"
            query(f"postgresql://loader:load@{address}", "CREATE ROLE bi LOGIN PASSWORD 'read'")
            yield address
        finally:
            call(f"{folder}/pg_ctl", "-w", "-D", data, "-m", "fast", "stop")


def query(address: str, sql: str) -> list[tuple[Any, ...]]:
    import adbc_driver_postgresql.dbapi as driver  # type: ignore[import-untyped]

    with driver.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        connection.commit()
    return rows


@pytest.fixture
def publish(counterfoil: Callable[..., Any], lake: Path, server: str) -> Callable[..., Any]:
    def run(*options: str) -> Any:
        address = f"postgresql://loader@{server}"
        return counterfoil(
            "export", "postgres", address, "--lake", str(lake), "--closed", *options, PGPASSWORD="load"
        )

    return run


def test_a_reader_sees_the_snapshot_and_can_do_nothing_else(publish: Callable[..., Any], server: str) -> None:
    done = publish("--grant-to", "bi")
    assert done.code == 0, done.err
    reading = READ + server
    verdicts = query(
        reading, "SELECT verdict, count(*) FROM counterfoil.action_backing GROUP BY 1 ORDER BY 1"
    )
    assert verdicts == [("after_deny", 1), ("backed", 2), ("unbacked", 1)]
    tables = query(reading, "SELECT tablename FROM pg_tables WHERE schemaname = 'counterfoil'")
    assert {name for (name,) in tables} == {*exportable(), "counterfoil_export"}
    table = "'counterfoil.action_backing'::regclass"
    comment = f"SELECT col_description({table}, attnum) FROM pg_attribute WHERE attname = 'rung' AND attrelid = {table}"
    assert query(reading, comment) == [(words_of("action_backing")["rung"],)]

    for sql in ("DELETE FROM counterfoil.findings", "CREATE TABLE counterfoil.mine (a int)"):
        with pytest.raises(Exception, match="permission denied"):
            query(reading, sql)
    with pytest.raises(Exception, match="password"):
        query(f"postgresql://bi:guessed@{server}", "SELECT 1")


def test_the_next_snapshot_takes_its_place_and_nothing_else_is_touched(
    publish: Callable[..., Any], server: str
) -> None:
    assert publish("--tables", "action_backing,least_privilege").code == 0
    own = f"postgresql://loader:load@{server}"
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'counterfoil' ORDER BY 1"
    few = [("action_backing",), ("counterfoil_export",), ("least_privilege",)]
    assert query(own, tables) == few

    query(own, "CREATE VIEW public.resting AS SELECT verdict FROM counterfoil.action_backing")
    assert "other objects depend on them" in publish().fails_with(6)
    assert query(own, tables) == few
    query(own, "DROP VIEW public.resting")
    assert "holds something else" in publish("--schema", "pg_catalog").fails_with(6)


def test_a_password_in_the_address_is_refused(counterfoil: Callable[..., Any], lake: Path) -> None:
    done = counterfoil("export", "postgres", "postgresql://loader:hidden@127.0.0.1/bi", "--lake", str(lake))
    line = done.fails_with(6)
    assert "PGPASSWORD" in line
    assert "hidden" not in line
