-- The newest dead letters, without their bytes; the parameters are those of dead_letter_counts, and $most.
SELECT
    d.dead_letter_id, d.ingest_time, d.reason, d.detail, d.source_format, d.raw_size, r.replay_time AS resolved_time
FROM dead_letters AS d
LEFT JOIN replays AS r ON r.dead_letter_id = d.dead_letter_id
WHERE ($resolved OR r.dead_letter_id IS NULL)
    AND ($reasons::VARCHAR[] IS NULL OR list_contains($reasons::VARCHAR[], d.reason))
    AND ($topics::VARCHAR[] IS NULL OR list_contains($topics::VARCHAR[], d.source_topic))
    AND ($since::TIMESTAMPTZ IS NULL OR d.ingest_time >= $since::TIMESTAMPTZ)
ORDER BY d.ingest_time DESC, d.dead_letter_id
LIMIT $most;
