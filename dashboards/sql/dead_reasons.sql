-- Dead letters that no replay has resolved, by stream and reason.
-- needs: open_dead_letters
SELECT
    stream, reason, count(*) AS records, max(ingest_time) AS newest_time,
    arg_max(detail, {'at': ingest_time, 'id': dead_letter_id}) AS newest_detail
FROM open_dead_letters
GROUP BY stream, reason
ORDER BY records DESC, stream, reason
LIMIT 100;
