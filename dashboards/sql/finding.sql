-- One finding in its newest state, or in the one that is asked for.
SELECT *, max(revision) OVER () AS revisions
FROM findings
WHERE finding_id = $finding_id
QUALIFY row_number() OVER (
    ORDER BY revision IS NOT DISTINCT FROM $revision::BIGINT DESC, revision DESC, recorded_time DESC, run_id DESC
) = 1;
