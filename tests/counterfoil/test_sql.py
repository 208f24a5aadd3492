"""`counterfoil sql`: parameters, moments, forms, limits, and questions one after the other."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics.ask import Stop
from analytics.session import open_session
from analytics.views import views
from counterfoil.asking import Terms
from counterfoil.interactive import SqlCompleter, converse
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analytics.session import Session

COUNT = "SELECT count(*) AS n FROM orchestration_events"
TERMS = Terms(as_of=None, closed=False, memory=10**9, spill=10**9, seconds=60, rows=1000)


def run(counterfoil: Callable[..., Any], lake: Path, *arguments: str) -> Any:
    return counterfoil("sql", "--lake", str(lake), *arguments)


# What it is asked.


def test_parameters_are_bound_and_never_pasted(counterfoil: Callable[..., Any], lake: Path) -> None:
    hostile = "x'; DROP TABLE params; --"
    done = run(
        counterfoil, lake, "--format", "json", "--param", f"a={hostile}", "--param", "n=2",
        "SELECT $a AS a, $n::INT + 1 AS n",
    )  # fmt: skip
    assert json.loads(done.out) == {"a": hostile, "n": 3}
    assert "write NAME=VALUE" in run(counterfoil, lake, "--param", "a", "SELECT $a").err


def test_a_file_and_stdin_are_read(
    counterfoil: Callable[..., Any], lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("q.sql").write_text(f"-- how many\n{COUNT};\n", encoding="utf-8")
    assert run(counterfoil, lake, "--format", "csv", "q.sql").out == "n\n4\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(COUNT))
    assert run(counterfoil, lake, "--format", "csv", "-").out == "n\n4\n"
    assert "cannot read gone.sql" in run(counterfoil, lake, "gone.sql").err


@pytest.mark.parametrize(
    ("moment", "rows"),
    [
        ("2000-01-01", 0),
        ("0s", 4),
        ("orchestration_events=0", 0),
        ("orchestration_events=1,authorization_decisions=1", 4),
        ('{"orchestration_events": 1}', 4),
    ],
)
def test_the_lake_is_asked_as_it_was(
    counterfoil: Callable[..., Any], lake: Path, moment: str, rows: int
) -> None:
    done = run(counterfoil, lake, "--as-of", moment, "--format", "csv", COUNT)
    assert (done.out, done.err) == (f"n\n{rows}\n", "")


@pytest.mark.parametrize(
    ("moment", "code", "says"),
    [
        ("yesterday", 2, "is no moment"),
        ("{1}", 2, "is no JSON object"),
        ("nosuch=1", 4, "has no table nosuch"),
        ("orchestration_events=99", 4, "orchestration_events has no version 99"),
    ],
)
def test_a_moment_that_is_none_is_said(
    counterfoil: Callable[..., Any], lake: Path, moment: str, code: int, says: str
) -> None:
    done = run(counterfoil, lake, "--as-of", moment, COUNT)
    assert done.code == code
    assert says in done.err


# What comes out.


def test_each_form_holds_the_same_rows(counterfoil: Callable[..., Any], lake: Path) -> None:
    query = "SELECT event_id, event_time, labels FROM orchestration_events ORDER BY event_time"
    read = {
        "rows.parquet": pq.read_table,
        "rows.arrow": lambda file: pa.ipc.open_file(file).read_all(),
    }
    tables = []
    for name, reader in read.items():
        assert run(counterfoil, lake, "--output", name, query).code == 0
        tables.append(reader(name))
    run(counterfoil, lake, "--output", "rows.jsonl", query)
    run(counterfoil, lake, "--output", "rows.csv", query)
    ids = ["permitted", "denied", "refused", "unseen"]

    assert tables[0].equals(tables[1])
    assert tables[0]["event_id"].to_pylist() == ids
    assert tables[0].schema.field("event_time").type.tz.endswith("UTC")
    assert [json.loads(line)["event_id"] for line in Path("rows.jsonl").read_text().splitlines()] == ids
    assert [line.split(",")[0] for line in Path("rows.csv").read_text().splitlines()] == ["event_id", *ids]
    assert not list(Path().glob(".*part"))


def test_a_file_that_is_there_is_replaced_only_when_that_is_asked_for(
    counterfoil: Callable[..., Any], lake: Path
) -> None:
    Path("rows.csv").write_text("mine\n", encoding="utf-8")
    assert "rows.csv is there already" in run(counterfoil, lake, "--output", "rows.csv", COUNT).fails_with(6)
    failed = run(counterfoil, lake, "--output", "rows.csv", "--force", "SELECT error('no') FROM range(3)")
    assert failed.code == 6
    assert Path("rows.csv").read_text(encoding="utf-8") == "mine\n"
    assert "is a folder" in run(counterfoil, lake, "--output", ".", "--force", COUNT).fails_with(6)
    assert "cannot write" in run(counterfoil, lake, "--output", "gone/rows.csv", COUNT).fails_with(6)

    assert run(counterfoil, lake, "--output", "rows.csv", "--force", COUNT).code == 0
    assert Path("rows.csv").read_text(encoding="utf-8") == "n\n4\n"
    assert not list(Path().glob(".*part"))


@pytest.mark.parametrize(
    ("options", "query", "says"),
    [
        (("--timeout", "0.2s"), "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b", "0.2 seconds"),
        (("--max-rows", "3"), "FROM orchestration_events", "more than 3 rows"),
        (("--memory", "200MB"), "SELECT list(range) FROM range(100000000)", "more memory than it may have"),
        pytest.param(
            ("--memory", "200MB"), "SELECT json_array(range(300000000))", "more memory than it may have",
            marks=pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system bounds no process"),
        ),
    ],
)  # fmt: skip
def test_the_options_bound_a_question(
    counterfoil: Callable[..., Any], lake: Path, options: tuple[str, ...], query: str, says: str
) -> None:
    done = run(counterfoil, lake, *options, "--format", "parquet", "--output", "x", query)
    assert says in done.fails_with(6)
    assert not Path("x").exists()


def test_ctrl_c_stops_a_question(
    counterfoil: Callable[..., Any], lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Stop.over

    def over(self: Stop, *ways: Callable[[], None]) -> None:
        begun(self, *ways)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr(Stop, "over", over)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which those who run tests may have put off
    try:
        endless = "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b"
        done = run(counterfoil, lake, "--timeout", "30s", endless)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.code, done.out) == (130, "")


def test_the_settings_bound_it_too(counterfoil: Callable[..., Any], lake: Path) -> None:
    Path("counterfoil.toml").write_text("[sql]\nmax_rows = 3\n", encoding="utf-8")
    assert "more than 3 rows" in run(counterfoil, lake, "--output", "x.csv", "FROM range(9)").err
    assert run(counterfoil, lake, "--max-rows", "9", "FROM range(9)").code == 0


# Questions one after the other.


@pytest.fixture(scope="module")
def session(lake: Path) -> Iterator[Session]:
    settings = Settings.model_validate({"lake": {"url": str(lake)}, "correlate": {"threads": 1}})
    with open_session(settings, closed=True) as opened:
        yield opened


@pytest.fixture
def talk(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Return a function that types the lines and returns what was shown, and what was said on stderr."""
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def typed(*entries: str, keep: bool = True, **values: str) -> tuple[str, str]:
        with create_pipe_input() as keyboard:
            keyboard.send_text("".join(f"{entry}\r" for entry in entries) + "\x04")
            converse(session, TERMS, values, "csv", keep=keep, input=keyboard, output=DummyOutput())
        shown = capsys.readouterr()
        return shown.out, shown.err

    return typed


def test_questions_are_answered_over_several_lines_and_errors_end_nothing(talk: Callable[..., Any]) -> None:
    out, err = talk("SELECT count(*) AS n", "FROM actions;", "SELEC 1;", "SELECT $who AS who;", "DROP TABLE params;",
                    who="\x1b[31mx")  # fmt: skip
    assert "\nn\n4\nwho\n" in out
    assert "Parser Error" in err
    assert "DROP is refused" in err


def test_commands_show_tables_and_columns(talk: Callable[..., Any]) -> None:
    out, err = talk(".tables backing", ".schema action_backing", ".format json", "SELECT 1 AS n;", ".params", ".help",
                    ".schema nosuch", ".quit", "SELECT 2 AS n;")  # fmt: skip
    assert "handoff_backing" in out
    assert "The verdict on the decision behind it" in out or "the verdict on the decision behind it" in out
    assert "Rung of the join ladder" in out
    assert '{"n": 1}' in out
    assert '{"n": 2}' not in out
    assert "there is no .schema nosuch" in err


def test_the_history_is_the_user_s_alone(talk: Callable[..., Any], tmp_path: Path) -> None:
    talk("SELECT 41 AS n;", keep=False)
    file = tmp_path / "state" / "counterfoil" / "sql_history"
    assert not file.exists()
    talk("SELECT 42 AS n;")
    assert "SELECT 42" in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("SELECT * FROM acti", {"actions", "action_backing"}),
        ("SELECT b.verd FROM action_backing AS b", {"verdict"}),
        ("SELECT action_backing.res", {"resource_id", "resource_type"}),
        ("sel", {"SELECT"}),
        ("SELECT list_tr", {"list_transform("}),
        (".sch", {".schema"}),
        (".schema trac", {"traces"}),
    ],
)
def test_words_are_completed(session: Session, typed: str, offered: set[str]) -> None:
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    place = typed.index(" FROM") if " FROM action_backing AS" in typed else len(typed)
    found = SqlCompleter(session).get_completions(Document(typed, place), CompleteEvent())
    assert offered <= {each.text for each in found}


# The snapshot in a file.


def test_a_snapshot_is_whole_described_and_opened_by_duckdb_alone(
    counterfoil: Callable[..., Any], lake: Path
) -> None:
    done = counterfoil("export", "duckdb", "lake.duckdb", "--lake", str(lake), "--closed")
    assert done.code == 0, done.err
    with duckdb.connect("lake.duckdb", read_only=True) as file:
        names = {row[0] for row in file.sql("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert names == {
            *TABLES,
            *(v.name for v in views().values() if v.kind == "view"),
            "counterfoil_export",
        }
        # Where a view has a new column, its head or analytics/described.py says what it holds.
        bare = "FROM duckdb_columns() WHERE NOT internal AND coalesce(comment, '') = ''"
        assert file.sql(f"SELECT table_name, column_name {bare}").fetchall() == []
        assert file.sql("SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL").fetchall() == [(0,)]
        verdicts = file.sql("SELECT verdict, count(*) FROM action_backing GROUP BY 1 ORDER BY 1").fetchall()
        assert verdicts == [("after_deny", 1), ("backed", 2), ("unbacked", 1)]
        (versions,) = file.sql("SELECT versions FROM counterfoil_export").fetchall()[0]
        assert json.loads(versions)["orchestration_events"] == 1
    assert [path.name for path in Path().iterdir()] == ["lake.duckdb"]

    assert "lake.duckdb is there already" in counterfoil(
        "export", "duckdb", "lake.duckdb", "--lake", str(lake)
    ).fails_with(6)  # fmt: skip


def test_a_snapshot_of_some_tables_and_of_a_period(counterfoil: Callable[..., Any], lake: Path) -> None:
    common = ("export", "duckdb", "part.duckdb", "--lake", str(lake), "--force")
    done = counterfoil(
        *common, "--tables", "orchestration_events,action_backing", "--since", "2026-11-24T10:00:02Z",
        "--until", "2026-11-24T10:00:04Z",
    )  # fmt: skip
    assert done.code == 0, done.err
    with duckdb.connect("part.duckdb", read_only=True) as file:
        for table in ("orchestration_events", "action_backing"):
            rows = file.sql(f"SELECT event_id FROM {table} ORDER BY event_time").fetchall()
            assert rows == [("denied",), ("refused",)]
    before = Path("part.duckdb").read_bytes()
    assert "no table or view 'nosuch'" in counterfoil(*common, "--tables", "nosuch").fails_with(6)
    assert Path("part.duckdb").read_bytes() == before


# The audit questions, by the command.


def test_a_question_is_found_shown_and_run(counterfoil: Callable[..., Any], lake: Path) -> None:
    assert "acted-after-deny" in counterfoil("audit", "list").out
    shown = counterfoil("audit", "show", "who-could").out
    for words in ("Who could do this", "What it cannot tell", "resource_type", "WITH moment AS"):
        assert words in shown
    assert (
        json.loads(counterfoil("audit", "show", "who-could", "--format", "json").out)["name"] == "who-could"
    )

    done = counterfoil("audit", "run", "acted-after-deny", "--lake", str(lake), "--format", "json")
    assert json.loads(done.out)["event_id"] == "denied"
    assert "did you mean who-did?" in counterfoil("audit", "run", "who-dit", "--lake", str(lake)).err
    assert "needs trace" in counterfoil("audit", "run", "run-timeline", "--lake", str(lake)).fails_with(6)
    assert counterfoil("audit", "run", "--all", "--lake", str(lake)).code == 2
    assert counterfoil("audit", "run", "--lake", str(lake)).code == 2


def test_all_questions_go_into_a_folder_with_an_index(
    counterfoil: Callable[..., Any], lake: Path, hostile: str
) -> None:
    command = ("audit", "run", "--all", "--closed", "--lake", str(lake), "--output", "answers")
    done = counterfoil(*command, "--param", "agent==cmd|x")
    assert (done.code, done.out) == (0, "")
    index = json.loads(Path("answers/index.json").read_text(encoding="utf-8"))
    by_name = {each["name"]: each for each in index["questions"]}
    assert by_name["who-did"]["parameters"] == {"agent": "=cmd|x"}
    assert by_name["who-did"]["rows"] == 0
    assert by_name["run-timeline"]["not_asked"] == "it needs trace"
    assert (
        by_name["acted-after-deny"] | {"file": "acted-after-deny.csv", "rows": 1}
        == by_name["acted-after-deny"]
    )
    files = {path.name for path in Path("answers").iterdir()}
    assert files == {"index.json", *(each["file"] for each in by_name.values() if "file" in each)}
    assert "holds answers already" in counterfoil(*command).fails_with(6)
    assert "no question has a parameter 'nosuch'" in counterfoil(*command, "--param", "nosuch=1").fails_with(
        6
    )

    written = counterfoil(
        "audit", "run", "actions-without-decision", "--closed", "--lake", str(lake), "--output", "a.csv"
    )
    assert written.code == 0
    assert hostile.split("\n", maxsplit=1)[0] in Path("a.csv").read_text(encoding="utf-8")
