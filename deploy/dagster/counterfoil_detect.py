"""A Dagster job on a schedule: what is due, every five minutes. Counterfoil itself keeps what was missed."""

from __future__ import annotations

import subprocess

from dagster import Definitions, OpExecutionContext, ScheduleDefinition, job, op

COMMAND = ["/srv/counterfoil/.venv/bin/counterfoil", "run", "--once", "--format", "json"]


@op
def run_once(context: OpExecutionContext) -> None:
    """Judge what is due; a rule that failed (exit code 5) fails the op, after the others ran."""
    done = subprocess.run(COMMAND, cwd="/srv/counterfoil", capture_output=True, text=True, check=False)  # noqa: S603
    for line in done.stdout.splitlines():
        context.log.info(line)
    for line in done.stderr.splitlines():
        context.log.warning(line)
    done.check_returncode()


@job
def counterfoil_detect() -> None:
    """One turn of the schedule."""
    run_once()


defs = Definitions(
    jobs=[counterfoil_detect],
    schedules=[ScheduleDefinition(job=counterfoil_detect, cron_schedule="*/5 * * * *")],
)
