-- Dead letters by reason and topic. $reasons and $topics are lists or null for all, $since a time or null; with
-- $resolved also those that a replay has resolved.
SELECT
    d.reason, d.source_topic, count(*) AS dead_letters, count(DISTINCT (d.source_partition, d.source_offset)) AS records,
    min(d.ingest_time) AS first_time, max(d.ingest_time) AS last_time
FROM dead_letters AS d
WHERE ($resolved OR NOT EXISTS (SELECT 1 FROM replays AS r WHERE r.dead_letter_id = d.dead_letter_id))
    AND ($reasons::VARCHAR[] IS NULL OR list_contains($reasons::VARCHAR[], d.reason))
    AND ($topics::VARCHAR[] IS NULL OR list_contains($topics::VARCHAR[], d.source_topic))
    AND ($since::TIMESTAMPTZ IS NULL OR d.ingest_time >= $since::TIMESTAMPTZ)
GROUP BY d.reason, d.source_topic
ORDER BY dead_letters DESC, d.reason, d.source_topic;
