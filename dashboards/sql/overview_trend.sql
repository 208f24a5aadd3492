-- Findings by the time of their last event and level, in steps that suit the span: hours for a few days, else days.
-- needs: current_findings
WITH span AS (
    SELECT max(last_seen_time) AS to_time, min(last_seen_time) AS from_time
    FROM current_findings
    WHERE last_seen_time >= (SELECT max(last_seen_time) FROM current_findings) - INTERVAL 60 DAY
),

counted AS (
    SELECT
        CASE WHEN s.to_time - s.from_time < INTERVAL 4 DAY THEN time_bucket(INTERVAL 3 HOUR, f.last_seen_time)
            ELSE time_bucket(INTERVAL 1 DAY, f.last_seen_time) END AS bucket,
        s.to_time - s.from_time < INTERVAL 4 DAY AS in_hours,
        f.level,
        count(*) AS findings
    FROM current_findings AS f
    CROSS JOIN span AS s
    WHERE f.last_seen_time >= s.to_time - INTERVAL 60 DAY
    GROUP BY ALL
)

SELECT * FROM counted
ORDER BY bucket, list_position(['critical', 'high', 'medium', 'low', 'informational'], level);
