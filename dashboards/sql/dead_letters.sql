-- The newest dead letters, without their bytes.
SELECT dead_letter_id, ingest_time, stream, reason, detail, source_format, source_topic, source_partition, source_offset,
    raw_size
FROM dead_letters
ORDER BY ingest_time DESC, dead_letter_id
LIMIT $most;
