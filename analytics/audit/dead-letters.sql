-- audit: dead-letters
-- question: Which records of the period could not be read?
-- reads: dead_letters, open_dead_letters
-- parameter since time = none: Read from this moment on; from the beginning without it.
-- parameter until time = none: Read before this moment; to the end without it.
-- answer: One row per stream, topic and reason: how many, how many of them no replay has resolved since, and when. What
--   is open here is missing from every other answer.
-- blind: The period is that of reading, since what cannot be decoded has no time of its own.
SELECT
    d.stream, d.source_topic, d.reason, count(*) AS records, count(o.dead_letter_id) AS open,
    sum(d.raw_size)::BIGINT AS bytes,
    min(d.ingest_time) AS first_time, max(d.ingest_time) AS last_time, min(d.detail) AS example
FROM dead_letters AS d
LEFT JOIN open_dead_letters AS o ON o.dead_letter_id = d.dead_letter_id
WHERE ($since IS NULL OR d.ingest_time >= $since)
    AND ($until IS NULL OR d.ingest_time < $until)
GROUP BY d.stream, d.source_topic, d.reason
ORDER BY open DESC, records DESC, d.stream, d.source_topic, d.reason;
