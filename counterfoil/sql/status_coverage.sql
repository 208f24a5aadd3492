-- The newest 24 hours of event time that have events: how many in each stream, and whether the hour can be judged.
SELECT
    hour,
    max(events) FILTER (WHERE stream = 'orchestration') AS orchestration_events,
    max(status) FILTER (WHERE stream = 'orchestration') AS orchestration_status,
    max(events) FILTER (WHERE stream = 'authorization') AS authorization_events,
    max(status) FILTER (WHERE stream = 'authorization') AS authorization_status
FROM stream_coverage
GROUP BY hour
ORDER BY hour DESC
LIMIT 24;
