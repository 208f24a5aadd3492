-- Hours of the last day that the rules cannot judge: records were gone before they could be read, or a stream was silent
-- while the other was not.
SELECT stream, status, count(*) AS hours, min(hour) AS from_time, max(hour) + INTERVAL 1 HOUR AS to_time
FROM stream_coverage
WHERE status IN ('hole', 'silent') AND hour >= $now - INTERVAL 1 DAY AND hour <= $now
GROUP BY stream, status
ORDER BY stream, status;
