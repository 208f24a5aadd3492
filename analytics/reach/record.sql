-- What is on record of each finding, narrow, and read once per run: its newest state. Most findings have but one.
CREATE OR REPLACE TABLE findings_on_record AS
WITH revised AS (
    SELECT finding_id
    FROM findings
    GROUP BY finding_id
    HAVING count(*) > 1
)

SELECT finding_id, rule_id, status, anchor_event_ids, decision_ids, entity_keys, first_seen_time
FROM findings
WHERE finding_id NOT IN (SELECT finding_id FROM revised)
UNION ALL
SELECT finding_id, rule_id, status, anchor_event_ids, decision_ids, entity_keys, first_seen_time
FROM (
    SELECT *
    FROM findings
    WHERE finding_id IN (SELECT finding_id FROM revised)
    QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC, recorded_time DESC, run_id DESC) = 1
);
