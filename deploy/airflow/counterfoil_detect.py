"""An Airflow DAG: what is due, every five minutes. Counterfoil keeps what was missed, so Airflow catches up nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="counterfoil_detect",
    schedule=timedelta(minutes=5),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 - Airflow runs on older Pythons too
    catchup=False,
    max_active_runs=1,
):
    # Exit code 5 is a rule that failed: the task fails, the other rules ran, and the next run tries it again.
    BashOperator(
        task_id="run_once",
        bash_command="cd /srv/counterfoil && .venv/bin/counterfoil run --once --quiet",
        execution_timeout=timedelta(hours=1),
    )
