-- Streams from topics that are complete up to longer ago than the bound. Files that were read to their ends do not lag.
SELECT w.stream, w.complete_until
FROM watermark AS w
WHERE w.complete_until < $now - $lag
    AND EXISTS (SELECT 1 FROM stream_progress AS p WHERE p.stream = w.stream AND NOT starts_with(p.source_topic, 'file:'))
ORDER BY w.stream;
