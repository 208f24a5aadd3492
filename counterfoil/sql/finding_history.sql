-- Every state of the findings whose id begins so, the oldest first.
SELECT *
FROM findings
WHERE starts_with(finding_id, $identity)
ORDER BY finding_id, revision, recorded_time
