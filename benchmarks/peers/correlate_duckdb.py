"""DuckDB alone: the newest decision with the action's key up to its end, and the verdict on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

TASK = """
COPY (
    WITH actions AS (
        SELECT event_id, trace_id, agent_name, action, resource_id, event_time,
            greatest(event_time, end_time) AS until_time
        FROM read_parquet($events)
        WHERE event_type = 'tool_call'
    ),

    decisions AS (
        SELECT decision_id, trace_id, agent_name, action, resource_id, decision_time, decision, expires_time, max_uses
        FROM read_parquet($decisions)
        WHERE trace_id IS NOT NULL
    ),

    matched AS (
        SELECT a.event_id, a.event_time, d.decision_id, d.decision, d.expires_time, d.max_uses,
            row_number() OVER (PARTITION BY d.decision_id ORDER BY a.event_time, a.event_id) AS use_no
        FROM actions AS a
        ASOF LEFT JOIN decisions AS d
            ON d.trace_id = a.trace_id AND d.agent_name = a.agent_name AND d.action = a.action
            AND d.resource_id = a.resource_id AND d.decision_time <= a.until_time
    )

    SELECT event_id, decision_id, CASE
        WHEN decision_id IS NULL THEN 'unbacked'
        WHEN decision <> 'allow' THEN 'after_deny'
        WHEN use_no > max_uses THEN 'reused'
        WHEN expires_time <= event_time THEN 'stale'
        ELSE 'backed'
    END AS verdict
    FROM matched
) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
"""


def main(files: str, out: str, memory: str) -> None:
    """Run it and count the verdicts. `files` is a JSON file with the paths of both tables."""
    paths = json.loads(Path(files).read_text(encoding="utf-8"))
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory}GB",
        "threads": 2,
        "temp_directory": f"{out}.tmp",
        "preserve_insertion_order": False,
    }
    connection = duckdb.connect(config=config)
    connection.execute(TASK.format(out=out), paths)
    counts = connection.sql(f"SELECT verdict, count(*) FROM '{out}' GROUP BY verdict").fetchall()
    print(json.dumps({"verdicts": dict(counts), "version": duckdb.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
