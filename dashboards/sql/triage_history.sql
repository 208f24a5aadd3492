-- What people decided about a finding, newest first.
SELECT triage_time, actor, status, assignee, disposition, comment, version
FROM triage
WHERE finding_id = $finding_id
ORDER BY version DESC
LIMIT 100;
