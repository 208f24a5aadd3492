-- The records that have a dead letter of those chosen, which is open or $resolved, in the order of their coordinates.
-- $reasons, $topics and $ids are lists, or null for all; $since is a time or null.
SELECT source_topic, source_partition, source_offset, max(raw_size) AS raw_size
FROM dead_letters AS d
WHERE ($resolved OR NOT EXISTS (SELECT 1 FROM replays AS r WHERE r.dead_letter_id = d.dead_letter_id))
    AND ($reasons::VARCHAR[] IS NULL OR list_contains($reasons::VARCHAR[], reason))
    AND ($topics::VARCHAR[] IS NULL OR list_contains($topics::VARCHAR[], source_topic))
    AND ($ids::VARCHAR[] IS NULL OR list_contains($ids::VARCHAR[], dead_letter_id))
    AND ($since::TIMESTAMPTZ IS NULL OR ingest_time >= $since::TIMESTAMPTZ)
GROUP BY source_topic, source_partition, source_offset
ORDER BY source_topic, source_partition, source_offset;
