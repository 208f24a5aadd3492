-- How a sink stands: the end of a pause that its receiver asked for, and the messages of the last minute.
WITH newest AS (
    SELECT *
    FROM deliveries
    WHERE sink = $sink
    QUALIFY row_number() OVER (PARTITION BY delivery_id ORDER BY entry DESC, delivery_time DESC) = 1
)

SELECT
    (SELECT max(retry_time) FROM newest WHERE outcome = 'rate_limited') AS wait_until,
    (SELECT count(*) FROM newest WHERE outcome IN ('queued', 'failed', 'rate_limited')) AS open,
    (
        SELECT count(DISTINCT message_id)
        FROM deliveries
        WHERE sink = $sink AND outcome <> 'queued' AND delivery_time > $minute_ago
    ) AS recent;
