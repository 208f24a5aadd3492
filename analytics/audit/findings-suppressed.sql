-- audit: findings-suppressed
-- question: Which findings were suppressed, and by what?
-- reads: findings
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per finding that was suppressed in the period, with the reason on record, since when, and whether it
--   is now.
-- blind: A finding that is suppressed is stored and not dropped. What the suppression file says of owner and expiry is
--   in that file.
WITH states AS (
    SELECT *, row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC) AS back
    FROM findings
)

SELECT
    min(recorded_time) FILTER (WHERE status = 'suppressed') AS suppressed_time, finding_id,
    any_value(rule_id) AS rule_id,
    arg_max(level, revision) AS level, arg_max(title, revision) AS title, any_value(tenant_id) AS tenant_id,
    any_value(agent) AS agent,
    arg_max(status_reason, revision) FILTER (WHERE status = 'suppressed') AS why,
    bool_or(back = 1 AND status = 'suppressed') AS suppressed_now
FROM states
GROUP BY finding_id
HAVING count(*) FILTER (
        WHERE status = 'suppressed' AND ($since IS NULL OR recorded_time >= $since)
            AND ($until IS NULL OR recorded_time < $until)
    ) > 0
    AND ($tenant IS NULL OR any_value(tenant_id) = $tenant)
ORDER BY suppressed_time, finding_id;
