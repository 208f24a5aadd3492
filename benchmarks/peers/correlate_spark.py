"""Spark SQL: the newest decision with the action's key up to its end, by a window over both sides, and the verdict."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

TASK = """
WITH sides AS (
    SELECT trace_id, agent_name, action, resource_id, greatest(event_time, end_time) AS at_time, 1 AS side, event_id,
        event_time,
        CAST(NULL AS STRUCT<decision_id: STRING, decision: STRING, expires_time: TIMESTAMP, max_uses: BIGINT>)
            AS decision
    FROM events
    WHERE event_type = 'tool_call'
    UNION ALL
    SELECT trace_id, agent_name, action, resource_id, decision_time, 0, NULL, NULL,
        named_struct(
            'decision_id', decision_id, 'decision', decision, 'expires_time', expires_time, 'max_uses', max_uses
        )
    FROM decisions
    WHERE trace_id IS NOT NULL
),

matched AS (
    SELECT side, event_id, event_time, last_value(decision) IGNORE NULLS OVER (
        PARTITION BY trace_id, agent_name, action, resource_id ORDER BY at_time, side
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS d
    FROM sides
),

counted AS (
    SELECT event_id, event_time, d,
        row_number() OVER (PARTITION BY d.decision_id ORDER BY event_time, event_id) AS use_no
    FROM matched
    WHERE side = 1
)

SELECT event_id, d.decision_id, CASE
    WHEN d IS NULL THEN 'unbacked'
    WHEN d.decision <> 'allow' THEN 'after_deny'
    WHEN use_no > d.max_uses THEN 'reused'
    WHEN d.expires_time <= event_time THEN 'stale'
    ELSE 'backed'
END AS verdict
FROM counted
"""


def main(files: str, out: str, memory: str) -> None:
    """Run it and count the verdicts. `memory` is Java's heap; what Spark takes beside it is not limited."""
    paths = json.loads(Path(files).read_text(encoding="utf-8"))
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", f"{memory}g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.local.dir", f"{out}.tmp")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for name, files_of in paths.items():
        spark.read.parquet(*files_of).createOrReplaceTempView(name)
    spark.sql(TASK).write.parquet(out)
    counts = spark.read.parquet(out).groupBy("verdict").count().collect()
    print(
        json.dumps({"verdicts": {row["verdict"]: row["count"] for row in counts}, "version": spark.version})
    )
    # Java is waited for, so that its time counts.
    gateway = spark.sparkContext._gateway  # noqa: SLF001
    spark.stop()
    gateway.shutdown()
    if gateway.proc is not None:
        gateway.proc.stdin.close()
        gateway.proc.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
