-- What is on record of each finding, narrow, and read once per run: its newest state. Most findings have but one.
CREATE OR REPLACE TABLE findings_on_record AS
SELECT
    finding_id, rule_id, status, anchor_event_ids,
    CASE WHEN len(anchor_event_ids) = 0 THEN decision_ids END AS decision_ids,
    first_seen_time, revision, recorded_time, run_id
FROM findings;

DELETE FROM findings_on_record
WHERE rowid IN (
    SELECT rowid
    FROM findings_on_record
    WHERE finding_id IN (SELECT finding_id FROM findings_on_record GROUP BY finding_id HAVING count(*) > 1)
    QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC, recorded_time DESC, run_id DESC) > 1
);
