-- For rules that count by the hour: every row of the hours that the seeds lie in, and where a policy was written to, of the
-- hours around it, as what it changed may have been asked before and after.
CREATE OR REPLACE TABLE seed_hours AS
WITH seeds AS (
    SELECT date_trunc('hour', event_time) AS hour FROM seed_events
    UNION
    SELECT date_trunc('hour', decision_time) FROM seed_decisions
),

wide AS (
    SELECT count(*) > 0 AS is_wide
    FROM added_orchestration_events
    WHERE contains(lower(resource_type), 'policy') OR contains(lower(resource_type), 'policies')
)

SELECT DISTINCT s.hour + to_hours(CAST(n.step AS INTEGER)) AS hour
FROM seeds AS s
CROSS JOIN wide AS w
CROSS JOIN (SELECT unnest(range(-6, 7)) AS step) AS n
WHERE n.step = 0 OR w.is_wide;

INSERT INTO reached
SELECT DISTINCT kind, key, 0
FROM (
    SELECT unnest([{'kind': 'trace', 'key': trace_id}, {'kind': 'event', 'key': event_id}], recursive := true)
    FROM event_keys
    WHERE date_trunc('hour', event_time) IN (SELECT hour FROM seed_hours)
        AND event_date IN (SELECT CAST(hour AS DATE) FROM seed_hours)
    UNION ALL
    SELECT unnest([
        {'kind': 'trace', 'key': trace_id}, {'kind': 'decision', 'key': decision_id}, {'kind': 'made', 'key': decision_id},
        {'kind': 'made', 'key': source_decision_id}
    ], recursive := true)
    FROM decision_keys
    WHERE date_trunc('hour', decision_time) IN (SELECT hour FROM seed_hours)
        AND event_date IN (SELECT CAST(hour AS DATE) FROM seed_hours)
    UNION ALL
    SELECT 'event', event_id
    FROM event_keys
    WHERE of_policy
) AS k
WHERE k.key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM reached AS r WHERE r.kind = k.kind AND r.key = k.key);
