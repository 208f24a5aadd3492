-- What was given up, the newest first.
SELECT d.delivery_id, d.sink, d.route, d.finding_id, d.revision, d.entry, d.attempt, d.error, d.delivery_time
FROM deliveries AS d
WHERE ($sinks IS NULL OR d.sink IN (SELECT unnest($sinks)))
QUALIFY row_number() OVER (PARTITION BY d.delivery_id ORDER BY d.entry DESC, d.delivery_time DESC) = 1
    AND d.outcome = 'dead'
ORDER BY d.delivery_time DESC, d.delivery_id;
