-- The moment up to which each stream is complete.
SELECT stream, complete_until
FROM watermark
ORDER BY stream DESC;
