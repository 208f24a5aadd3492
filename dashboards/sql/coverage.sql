-- Coverage per stream and hour on the newest days that have events.
-- needs: stream_coverage
WITH days AS (
    SELECT DISTINCT hour::DATE AS day FROM stream_coverage ORDER BY day DESC LIMIT $days
)

SELECT c.stream, c.hour, c.hour::DATE AS day, hour(c.hour) AS hour_of_day, c.events, c.status
FROM stream_coverage AS c
JOIN days AS d ON d.day = c.hour::DATE
ORDER BY c.stream, c.hour;
