-- What is open in the outbox of a sink, in the order in which it was queued.
WITH newest AS (
    SELECT *
    FROM deliveries
    WHERE sink = $sink
    QUALIFY row_number() OVER (PARTITION BY delivery_id ORDER BY entry DESC, delivery_time DESC) = 1
)

SELECT
    n.delivery_id, n.route, n.finding_id, n.revision, f.rule_id, f.level, f.tenant_id, f.status, f.title, n.outcome,
    n.attempt, n.retry_time
FROM newest AS n
LEFT JOIN findings AS f ON f.finding_id = n.finding_id AND f.revision = n.revision
WHERE n.outcome IN ('queued', 'failed', 'rate_limited')
ORDER BY n.delivery_time, n.finding_id, n.revision;
