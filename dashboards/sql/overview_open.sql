-- Open findings by level and by how long ago they were first recorded.
-- needs: current_findings
WITH first_recorded AS (
    SELECT finding_id, min(recorded_time) AS recorded_time FROM findings GROUP BY finding_id
)

SELECT
    f.level,
    count(*) AS findings,
    count(*) FILTER (WHERE r.recorded_time >= $now::TIMESTAMPTZ - INTERVAL 1 DAY) AS day,
    count(*) FILTER (WHERE r.recorded_time < $now - INTERVAL 1 DAY AND r.recorded_time >= $now - INTERVAL 7 DAY) AS week,
    count(*) FILTER (WHERE r.recorded_time < $now - INTERVAL 7 DAY AND r.recorded_time >= $now - INTERVAL 30 DAY) AS month,
    count(*) FILTER (WHERE r.recorded_time < $now - INTERVAL 30 DAY) AS older,
    count(*) FILTER (WHERE f.triage_status = 'new') AS new,
    count(*) FILTER (WHERE f.assignee IS NULL) AS unassigned
FROM current_findings AS f
JOIN first_recorded AS r ON r.finding_id = f.finding_id
WHERE f.status IN ('open', 'updated') AND f.triage_status <> 'closed'
GROUP BY f.level
ORDER BY list_position(['critical', 'high', 'medium', 'low', 'informational'], f.level);
