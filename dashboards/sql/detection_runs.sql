-- The last runs of the rules that wrote something or failed.
SELECT start_time, rule_id, rule_version, outcome, findings, written, duration_ms, error
FROM runs
ORDER BY start_time DESC, rule_id
LIMIT $most;
