-- The last runs of a rule that wrote something or failed.
SELECT start_time, rule_version, outcome, findings, written, duration_ms, error
FROM runs
WHERE rule_id = $rule
ORDER BY start_time DESC
LIMIT 50;
