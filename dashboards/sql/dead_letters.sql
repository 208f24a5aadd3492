-- The newest dead letters that no replay has resolved, without their bytes.
-- needs: open_dead_letters
SELECT dead_letter_id, ingest_time, stream, reason, detail, source_format, source_topic, source_partition, source_offset,
    raw_size
FROM open_dead_letters
ORDER BY ingest_time DESC, dead_letter_id
LIMIT $most;
