-- How far each partition has been read by the notes of the ingest, and how quickly: records a second over the last five
-- minutes before $now, null where it was seen less than twice in them. The end is the last that was told.
WITH latest AS (
    SELECT
        stream, source_topic, source_partition,
        max(next_offset) AS next_offset,
        arg_max(end_offset, {'at': observed_time, 'next': next_offset}) AS end_offset,
        max(observed_time) AS observed_time
    FROM stream_progress
    WHERE NOT starts_with(source_topic, 'file:')
    GROUP BY stream, source_topic, source_partition
),

rates AS (
    SELECT
        stream, source_topic, source_partition,
        (max(next_offset) - min(next_offset)) / nullif(epoch(max(observed_time)) - epoch(min(observed_time)), 0) AS rate
    FROM stream_progress
    WHERE observed_time > $now::TIMESTAMPTZ - INTERVAL 5 MINUTE
    GROUP BY stream, source_topic, source_partition
)

SELECT l.stream, l.source_topic, l.source_partition, l.next_offset, l.end_offset, l.observed_time, r.rate
FROM latest AS l
LEFT JOIN rates AS r
    ON r.stream = l.stream AND r.source_topic = l.source_topic AND r.source_partition = l.source_partition
ORDER BY l.stream DESC, l.source_topic, l.source_partition;
