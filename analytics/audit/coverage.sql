-- audit: coverage
-- question: Is the record of the period whole, and where can absence not be judged?
-- reads: stream_coverage, stream_holes
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per stream and hour: `complete`, `late` (not all of it has arrived), `hole` (records were gone before
--   they could be read) or `silent` (the other stream has events, this one none). `gone` counts the records of the
--   holes in that hour.
-- blind: It tells of what was read, not of what a producer never sent. That what was read is unchanged, `counterfoil
--   verify` proves.
SELECT
    c.stream, c.hour, c.status, c.events, c.last_ingest_time,
    (
        SELECT coalesce(sum(h.hole_to - h.hole_from), 0)::BIGINT
        FROM stream_holes AS h
        WHERE h.stream = c.stream AND c.status = 'hole'
            AND coalesce(h.from_time, c.hour) < c.hour + INTERVAL 1 HOUR AND coalesce(h.to_time, c.hour) >= c.hour
    ) AS gone
FROM stream_coverage AS c
WHERE ($since IS NULL OR c.hour + INTERVAL 1 HOUR > $since)
    AND ($until IS NULL OR c.hour < $until)
ORDER BY c.hour, c.stream;
