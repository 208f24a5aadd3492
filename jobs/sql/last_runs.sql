-- Where each rule stands by its recorded runs: until when what came is judged, and when it failed since.
-- A run that was superseded counts: newer data than its own had been judged and written.
SELECT
    r.rule_id,
    max(r.window_end_time) FILTER (WHERE r.outcome <> 'failed') AS done_time,
    arg_max(r.start_time, r.start_time) FILTER (WHERE r.outcome = 'failed') AS failed_time,
    max(r.start_time) FILTER (WHERE r.outcome <> 'failed') AS well_time,
    max(r.start_time) AS start_time,
    arg_max(r.outcome, r.start_time) AS outcome,
    arg_max(r.error, r.start_time) FILTER (WHERE r.outcome = 'failed') AS error,
    arg_max(r.duration_ms, r.start_time) AS duration_ms,
    arg_max(r.findings, r.start_time) AS findings
FROM runs AS r
GROUP BY r.rule_id
ORDER BY r.rule_id;
