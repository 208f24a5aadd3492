-- audit: deliveries-failed
-- question: Which findings did not reach the systems that they were for?
-- reads: deliveries, current_findings
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per delivery whose newest entry does not say `delivered`: `failed` is tried again, `dead` was given
--   up, `queued` and `rate_limited` are still to be sent.
-- blind: That a receiver took it does not say that anybody read it.
SELECT
    d.delivery_time, d.sink, d.route, d.outcome, d.attempt, d.error, d.retry_time, f.level, f.rule_id, f.title,
    f.tenant_id,
    d.finding_id, d.revision, d.delivery_id
FROM deliveries AS d
LEFT JOIN current_findings AS f ON f.finding_id = d.finding_id
WHERE ($since IS NULL OR d.delivery_time >= $since)
    AND ($until IS NULL OR d.delivery_time < $until)
QUALIFY row_number() OVER (PARTITION BY d.delivery_id ORDER BY d.entry DESC) = 1 AND d.outcome <> 'delivered'
ORDER BY d.delivery_time, d.delivery_id;
