"""DuckDB over a snapshot of the lake: correlation views, rules, findings and read-only SQL."""
