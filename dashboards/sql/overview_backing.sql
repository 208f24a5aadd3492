-- How much of what ran, and of what was handed on, stood on a decision of its own. What cannot be told is not in n.
-- needs: action_backing, handoff_backing
WITH judged AS (
    SELECT 'actions' AS kind, event_time AS time, verdict = 'backed' AS backed
    FROM action_backing
    WHERE executed AND verdict <> 'unknown'
    UNION ALL
    SELECT 'handoffs', handoff_time, verdict = 'backed'
    FROM handoff_backing
    WHERE verdict IS NOT NULL AND verdict <> 'unknown'
),

span AS (
    SELECT max(time) AS to_time, min(time) AS from_time
    FROM judged
    WHERE time >= (SELECT max(time) FROM judged) - INTERVAL 60 DAY
)

SELECT
    j.kind,
    CASE WHEN s.to_time - s.from_time < INTERVAL 4 DAY THEN time_bucket(INTERVAL 3 HOUR, j.time)
        ELSE time_bucket(INTERVAL 1 DAY, j.time) END AS bucket,
    s.to_time - s.from_time < INTERVAL 4 DAY AS in_hours,
    count(*) AS n,
    count(*) FILTER (WHERE j.backed) AS backed,
    avg(j.backed::INTEGER) AS rate
FROM judged AS j
CROSS JOIN span AS s
WHERE j.time >= s.to_time - INTERVAL 60 DAY
GROUP BY ALL
ORDER BY j.kind, bucket;
