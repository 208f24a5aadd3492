-- The findings on record by what they are about, for those that are judged by their credential. That is part of a finding's
-- id, so that each of its states tells it.
SELECT DISTINCT
    rule_id, finding_id, entity_keys, NULL::VARCHAR[] AS anchor_event_ids, NULL::VARCHAR[] AS decision_ids,
    NULL::TIMESTAMPTZ AS first_seen_time
FROM findings
