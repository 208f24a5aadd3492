-- The states that a finding has had, newest first.
SELECT revision, recorded_time, status, status_reason, level, run_id
FROM findings
WHERE finding_id = $finding_id
ORDER BY revision DESC, recorded_time DESC
LIMIT 50;
