-- Hours in which absence cannot be judged
SELECT stream, hour, status, events
FROM stream_coverage
WHERE status <> 'complete'
ORDER BY hour, stream;
