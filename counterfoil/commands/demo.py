"""`counterfoil demo`: the main job on the sample data."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from counterfoil.evaluation import Evaluation
    from schemas.settings import Settings

_MARK = ".counterfoil-demo"


@click.command("demo")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"), show_default=True,
    help="Where the demo's lake goes; made anew each time.",
)  # fmt: skip
@click.option(
    "--dashboard/--no-dashboard", default=lambda: os.environ.get("DEMO_DASHBOARD", "1") != "0",
    help="Start the dashboard at the end, or not (as DEMO_DASHBOARD=0).",
)  # fmt: skip
def command(folder: Path, *, dashboard: bool) -> None:
    """Run the main job on the sample data, from events to findings.

    No broker and no configuration is needed: the events are read from files into a lake in ./demo, correlated with the
    decisions behind them, judged by the rules, and compared with what the sample data says is in them.
    """
    import sample_data
    from schemas.settings import load_settings

    samples = Path(sample_data.__file__).parent
    config = _prepare(folder, samples / "small")
    settings = load_settings(config)
    began = time.monotonic()
    _say("1  Ingest: agent events and authorization decisions, from files, each record once")
    _ingest(settings, samples / "small")
    _say("2  Correlate: the decision behind each action")
    _correlate(settings)
    _say("3  Detect: what the rules make of it")
    _detect(settings)
    _say("4  Expected and found: the sample's answer key beside what was found")
    _compare(settings, samples)
    click.echo(
        f"\nDone in {time.monotonic() - began:.0f} s. The lake is in {settings.lake.url}; look into it with:"
    )
    click.echo(
        f'  counterfoil sql --config {config} "SELECT verdict, reason, count(*) FROM action_backing GROUP BY ALL"'
    )
    if dashboard:
        _say("5  Dashboard (Ctrl-C ends it)")
        from dashboards.serve import serve

        serve(settings, announce=lambda url: click.echo(f"The dashboard is at {url} (Ctrl-C ends it)"))
    else:
        click.echo(f"  counterfoil dashboard --config {config}")


def _say(title: str) -> None:
    click.secho(f"\n{title}", bold=True)


def _prepare(folder: Path, sample: Path) -> Path:
    """Make the demo's folder anew, unless it holds something else; return its settings file."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise click.UsageError(f"{folder} is not empty and not the demo's: name another with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()
    config = folder / "counterfoil.toml"
    own = (sample / "counterfoil.toml").read_text(encoding="utf-8")
    config.write_text(f'{own}\n[lake]\nurl = "{(folder / "lake").resolve().as_posix()}"\n', encoding="utf-8")
    return config


def _ingest(settings: Settings, sample: Path) -> None:
    from counterfoil.answers import event_files
    from counterfoil.commands.ingest import show
    from counterfoil.progress import status
    from ingest.run import run_files

    with status("ingesting") as tell:
        summary = run_files(settings, event_files(sample), report=lambda p: tell(f"{p.reading}"))
    show(summary, "text")


def _correlate(settings: Settings) -> None:
    from analytics.session import open_session
    from counterfoil.output import write_table

    with open_session(settings) as session:
        session.need("action_backing")
        rows = session.fetch(
            "SELECT verdict, reason, count(*) AS n FROM action_backing GROUP BY ALL ORDER BY n DESC, verdict, reason"
        ).to_pylist()
    write_table(("verdict", "reason", "actions"), [tuple(row.values()) for row in rows])


def _detect(settings: Settings) -> None:
    from analytics.detect import detect
    from counterfoil.output import write_table
    from counterfoil.progress import status

    with status("detecting") as tell:
        detection = detect(settings, report=tell)
    write_table(
        ("level", "rule", "tenant", "what was found"),
        [
            (f["level"], f"{f['rule_id']} {f['rule_name']}", f["tenant_id"], f["title"])
            for f in detection.findings
        ],
    )
    click.echo(f"{len(detection.findings)} findings, {detection.written} written")


def _compare(settings: Settings, samples: Path) -> None:
    from analytics.session import open_session
    from counterfoil.evaluation import compare, evaluate
    from counterfoil.output import write_table

    with open_session(settings) as session:
        small = compare(samples / "small", session, settings)
    sdk = evaluate(samples / "openai_agents_cerbos")
    write_table(
        ("set", "actions", "right decision", "missed", "falsely found", "result"),
        [
            _outcome("small (generated, native format)", small),
            _outcome("openai_agents_cerbos (real SDK spans, a real PDP's log)", sdk),
        ],
    )
    write_table(
        ("rule", "expected", "found"),
        [(rule, c["expected"], c["found"]) for rule, c in sorted(small.rules.items())],
        title="\nFindings per rule in the generated set",
    )


def _outcome(name: str, result: Evaluation) -> tuple[Any, ...]:
    right = sum(counts["right"] for counts in result.backing.values())
    outcome = "as expected" if result.passed else "NOT as expected: see counterfoil evaluate"
    return (name, result.actions, right, len(result.missed), len(result.false_high), outcome)
