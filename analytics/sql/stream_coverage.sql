-- view: stream_coverage
-- needs: orchestration_events, authorization_decisions, watermark, stream_holes
-- about: One row per stream and hour of event time: how many events there are and whether the hour can be judged: complete,
--        late (the stream's watermark has not passed it), hole (records were gone before they could be read) or silent.
CREATE OR REPLACE TABLE stream_coverage AS
WITH counts AS (
    SELECT 'orchestration' AS stream, date_trunc('hour', event_time) AS hour, count(*) AS events,
        max(ingest_time) AS last_ingest_time
    FROM orchestration_events
    WHERE NOT time_estimated
    GROUP BY ALL
    UNION ALL
    SELECT 'authorization', date_trunc('hour', decision_time), count(*), max(ingest_time)
    FROM authorization_decisions
    GROUP BY ALL
),

busy_hours AS (
    SELECT DISTINCT hour FROM counts
),

grid AS (
    SELECT s.stream, h.hour
    FROM busy_hours AS h
    CROSS JOIN (SELECT unnest(['orchestration', 'authorization']) AS stream) AS s
)

SELECT
    g.stream,
    g.hour,
    coalesce(c.events, 0) AS events,
    c.last_ingest_time,
    CASE
        WHEN EXISTS (
            SELECT 1 FROM stream_holes AS x
            WHERE x.stream = g.stream AND coalesce(x.from_time, g.hour) < g.hour + INTERVAL 1 HOUR
                AND coalesce(x.to_time, g.hour) >= g.hour
        ) THEN 'hole'
        WHEN w.complete_until IS NULL OR w.complete_until < g.hour + INTERVAL 1 HOUR THEN 'late'
        WHEN c.events IS NULL THEN 'silent'
        ELSE 'complete'
    END AS status
FROM grid AS g
LEFT JOIN counts AS c ON c.stream = g.stream AND c.hour = g.hour
LEFT JOIN watermark AS w ON w.stream = g.stream;
