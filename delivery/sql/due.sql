-- What may be sent now: of each finding the first state that is still open, if its time has come.
-- The later states of the finding wait for it, so that they arrive in order.
WITH newest AS (
    SELECT *
    FROM deliveries
    WHERE sink = $sink
    QUALIFY row_number() OVER (PARTITION BY delivery_id ORDER BY entry DESC, delivery_time DESC) = 1
),

queued AS (
    SELECT delivery_id, max(delivery_time) AS queued_time
    FROM deliveries
    WHERE sink = $sink AND outcome = 'queued'
    GROUP BY delivery_id
),

open AS (
    SELECT n.*, q.queued_time
    FROM newest AS n
    INNER JOIN queued AS q ON q.delivery_id = n.delivery_id
    WHERE n.outcome IN ('queued', 'failed', 'rate_limited')
),

first AS (
    SELECT *
    FROM open
    QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY revision) = 1
),

due AS (
    SELECT *
    FROM first
    WHERE retry_time IS NULL OR retry_time <= $now
    ORDER BY queued_time, finding_id
    LIMIT $most
),

states AS (
    SELECT f.*
    FROM findings AS f
    SEMI JOIN due AS d ON d.finding_id = f.finding_id AND d.revision = f.revision
    QUALIFY row_number() OVER (PARTITION BY f.finding_id, f.revision ORDER BY f.recorded_time DESC, f.run_id DESC) = 1
)

SELECT
    d.delivery_id AS out_delivery_id,
    d.route AS out_route,
    d.entry AS out_entry,
    d.attempt AS out_attempt,
    d.message_id AS out_message_id,
    d.queued_time AS out_queued_time,
    s.*
FROM due AS d
INNER JOIN states AS s ON s.finding_id = d.finding_id AND s.revision = d.revision
ORDER BY d.queued_time, s.recorded_time, d.finding_id;
