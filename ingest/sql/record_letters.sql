-- All dead letters of the records in `wanted`, each record's together, and whether a replay has resolved them.
SELECT
    d.dead_letter_id, d.stream, d.source_topic, d.source_partition, d.source_offset, d.source_index, d.reason,
    d.detail, d.source_format, d.raw_sha256, d.record_time, d.ingest_time, d.record_key, d.headers, d.raw, d.raw_size,
    (SELECT max(r.replay_time) FROM replays AS r WHERE r.dead_letter_id = d.dead_letter_id) AS resolved_time
FROM dead_letters AS d
SEMI JOIN wanted AS w
    ON w.source_topic = d.source_topic AND w.source_partition = d.source_partition AND w.source_offset = d.source_offset
ORDER BY d.source_topic, d.source_partition, d.source_offset, d.source_index;
