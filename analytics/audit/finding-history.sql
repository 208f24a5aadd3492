-- audit: finding-history
-- question: What became of this finding, state by state?
-- reads: findings, triage
-- parameter finding text: The finding, by its id.
-- answer: One row per state and per entry of the work on it, in order of time: what detection said (`detection`) and
--   what people did (`people`).
-- blind: Deliveries to other systems are in `deliveries-failed` and the table `deliveries`.
SELECT *
FROM (
    SELECT
        recorded_time AS at_time, 'detection' AS side, revision AS number, status, status_reason AS what, level,
        rule_version,
        run_id, NULL AS actor, anchor_event_ids, decision_ids
    FROM findings
    WHERE finding_id = $finding
    UNION ALL
    SELECT triage_time, 'people', version, status, concat_ws(': ', disposition, comment), NULL, NULL, NULL, actor,
    NULL, NULL
    FROM triage
    WHERE finding_id = $finding
)
ORDER BY at_time, side, number;
