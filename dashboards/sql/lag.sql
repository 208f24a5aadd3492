-- How far each partition has been read, those that lag most first.
SELECT
    stream, source_topic, source_partition,
    max(next_offset) AS next_offset,
    arg_max(end_offset, {'at': observed_time, 'next': next_offset}) AS end_offset,
    greatest(0, arg_max(end_offset, {'at': observed_time, 'next': next_offset}) - max(next_offset)) AS lag,
    arg_max(caught_up, {'at': observed_time, 'next': next_offset}) AS caught_up,
    max(observed_time) AS observed_time
FROM stream_progress
GROUP BY stream, source_topic, source_partition
ORDER BY caught_up, lag DESC NULLS LAST, stream, source_topic, source_partition
LIMIT $most;
