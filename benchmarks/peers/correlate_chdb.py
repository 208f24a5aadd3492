"""chDB, ClickHouse in the process: the newest decision with the action's key up to its end, and the verdict on it."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from chdb import session as chs  # type: ignore[import-not-found]

TASK = """
INSERT INTO FUNCTION file('{out}', Parquet, 'event_id String, decision_id Nullable(String), verdict String')
WITH matched AS (
    SELECT a.event_id AS event_id, a.event_time AS event_time, d.decision_id AS decision_id, d.decision AS decision,
        d.expires_time AS expires_time, d.max_uses AS max_uses,
        row_number() OVER (PARTITION BY d.decision_id ORDER BY a.event_time, a.event_id) AS use_no
    FROM (
        SELECT event_id, trace_id, agent_name, action, resource_id, event_time,
            greatest(event_time, end_time) AS until_time
        FROM file('{events}', Parquet)
        WHERE event_type = 'tool_call'
    ) AS a
    ASOF LEFT JOIN (
        SELECT decision_id, trace_id, agent_name, action, resource_id, decision, expires_time, max_uses,
            assumeNotNull(decision_time) AS decision_time
        FROM file('{decisions}', Parquet)
        WHERE trace_id IS NOT NULL
    ) AS d
        ON d.trace_id = a.trace_id AND d.agent_name = a.agent_name AND d.action = a.action
        AND d.resource_id = a.resource_id AND a.until_time >= d.decision_time
)

SELECT event_id, decision_id, multiIf(
    decision_id IS NULL, 'unbacked',
    decision != 'allow', 'after_deny',
    use_no > max_uses, 'reused',
    expires_time <= event_time, 'stale',
    'backed'
) AS verdict
FROM matched
SETTINGS join_use_nulls = 1, max_threads = 2, max_memory_usage = {memory},
    output_format_parquet_compression_method = 'zstd',
    max_bytes_before_external_sort = {half}, max_bytes_ratio_before_external_sort = 0
"""


def main(files: str, out: str, memory: str) -> None:
    """Run it and count the verdicts. It takes a pattern of names, so the files of a table are linked into a folder."""
    paths = json.loads(Path(files).read_text(encoding="utf-8"))
    limit = int(memory) * 10**9
    named = {table: _linked(Path(f"{out}.{table}"), each) for table, each in paths.items()}
    session = chs.Session(f"{out}.chdb")
    session.query(TASK.format(out=out, memory=limit, half=limit // 2, **named))
    counts = session.query(
        f"SELECT verdict, count() AS n FROM file('{out}', Parquet) GROUP BY verdict", "JSONCompact"
    )
    verdicts = {verdict: int(n) for verdict, n in json.loads(counts.bytes())["data"]}
    print(json.dumps({"verdicts": verdicts, "version": version("chdb")}))


def _linked(folder: Path, files: list[str]) -> str:
    folder.mkdir()
    for number, file in enumerate(files):
        (folder / f"{number}.parquet").symlink_to(file)
    return f"{folder}/*.parquet"


if __name__ == "__main__":
    main(*sys.argv[1:])
