-- Stretches of records that were gone before they could be read.
-- needs: stream_holes
SELECT stream, source_topic, source_partition, hole_from, hole_to, from_time, to_time
FROM stream_holes
ORDER BY stream, source_topic, source_partition, hole_from
LIMIT 100;
