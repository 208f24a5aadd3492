-- Streams of which nothing has come for so long that ten events would usually have: usual is, for each hour of the day, the
-- median of the fourteen days before. A stream of less than three days has no usual.
WITH streams AS (
    SELECT stream, max(last_ingest_time) AS last_time, min(hour) FILTER (WHERE events > 0) AS first_hour
    FROM stream_coverage
    GROUP BY stream
),

silent AS (
    SELECT stream, last_time, greatest(first_hour, date_trunc('hour', last_time) - INTERVAL 14 DAY) AS from_hour
    FROM streams
    WHERE last_time < $now - $quiet AND first_hour < last_time - INTERVAL 3 DAY
),

before AS (
    SELECT s.stream, unnest(generate_series(s.from_hour, date_trunc('hour', s.last_time) - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
    FROM silent AS s
),

usual AS (
    SELECT b.stream, hour(b.hour) AS hour_of_day, median(coalesce(c.events, 0)) AS events
    FROM before AS b
    LEFT JOIN stream_coverage AS c ON c.stream = b.stream AND c.hour = b.hour
    GROUP BY ALL
),

since AS (
    SELECT s.stream, s.last_time,
        unnest(generate_series(date_trunc('hour', greatest(s.last_time, $now - INTERVAL 14 DAY)), $now, INTERVAL 1 HOUR)) AS hour
    FROM silent AS s
)

SELECT s.stream, any_value(s.last_time) AS last_time,
    sum(u.events * epoch(least(s.hour + INTERVAL 1 HOUR, $now) - greatest(s.hour, s.last_time)) / 3600) AS expected
FROM since AS s
JOIN usual AS u ON u.stream = s.stream AND u.hour_of_day = hour(s.hour)
GROUP BY s.stream
HAVING expected >= 10
ORDER BY s.stream;
