-- What was recorded since a moment, by rules and by people.
WITH ruled AS (
    SELECT status, revision, finding_id FROM findings WHERE recorded_time >= $since::TIMESTAMPTZ
)

SELECT
    count(DISTINCT finding_id) FILTER (WHERE revision = 1 AND status = 'open') AS opened,
    count(DISTINCT finding_id) FILTER (WHERE revision > 1 AND status IN ('open', 'updated')) AS updated,
    count(DISTINCT finding_id) FILTER (WHERE status = 'closed') AS explained,
    count(DISTINCT finding_id) FILTER (WHERE status = 'suppressed') AS suppressed,
    (SELECT count(DISTINCT finding_id) FROM triage WHERE triage_time >= $since AND status = 'in_progress') AS taken,
    (SELECT count(DISTINCT finding_id) FROM triage WHERE triage_time >= $since AND status = 'closed') AS closed,
    (SELECT max(recorded_time) FROM findings) AS newest_time
FROM ruled;
