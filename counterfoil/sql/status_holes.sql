-- Stretches of records that were gone before they could be read, the newest first.
SELECT stream, source_topic, source_partition, hole_from, hole_to, min(observed_time) AS noted_time
FROM stream_progress
WHERE hole_from IS NOT NULL
GROUP BY stream, source_topic, source_partition, hole_from, hole_to
ORDER BY noted_time DESC, source_topic, source_partition, hole_from
LIMIT 100;
