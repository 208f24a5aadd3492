"""Polars: the newest decision with the action's key up to its end, and the verdict on it, by its streaming engine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl

KEY = ["trace_id", "agent_name", "action", "resource_id"]


def main(files: str, out: str, _: str) -> None:
    """Run it and count the verdicts. It has no limit of memory to be set."""
    paths = json.loads(Path(files).read_text(encoding="utf-8"))
    actions = (
        pl.scan_parquet(paths["events"], hive_partitioning=False)
        .filter(pl.col("event_type") == "tool_call")
        .select(
            "event_id", *KEY, "event_time", pl.max_horizontal("event_time", "end_time").alias("until_time")
        )
    )
    decisions = (
        pl.scan_parquet(paths["decisions"], hive_partitioning=False)
        .filter(pl.col("trace_id").is_not_null())
        .select("decision_id", *KEY, "decision_time", "decision", "expires_time", "max_uses")
    )
    matched = actions.sort("until_time").join_asof(
        decisions.sort("decision_time"),
        left_on="until_time",
        right_on="decision_time",
        by=KEY,
        strategy="backward",
        check_sortedness=False,
    )
    use = pl.int_range(1, pl.len() + 1).over("decision_id", order_by=["event_time", "event_id"])
    verdict = (
        pl.when(pl.col("decision_id").is_null())
        .then(pl.lit("unbacked"))
        .when(pl.col("decision") != "allow")
        .then(pl.lit("after_deny"))
        .when(use > pl.col("max_uses"))
        .then(pl.lit("reused"))
        .when(pl.col("expires_time") <= pl.col("event_time"))
        .then(pl.lit("stale"))
        .otherwise(pl.lit("backed"))
        .alias("verdict")
    )
    matched.select("event_id", "decision_id", verdict).sink_parquet(out, compression="zstd")
    counts = pl.scan_parquet(out).group_by("verdict").len().collect()
    print(json.dumps({"verdicts": dict(counts.iter_rows()), "version": pl.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
