-- Open dead letters by reason.
SELECT reason, count(*) AS dead_letters, max(ingest_time) AS last_time
FROM open_dead_letters
GROUP BY reason
ORDER BY dead_letters DESC, reason;
