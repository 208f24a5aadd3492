-- What is on record of each finding, narrow, and read once per run: the newest state of all is a sort of the whole history.
CREATE OR REPLACE TABLE findings_on_record AS
SELECT finding_id, rule_id, status, anchor_event_ids, decision_ids, entity_keys, first_seen_time
FROM current_findings;
