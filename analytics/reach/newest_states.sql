-- The newest state of a rule's findings, of those with the given ids where ids are given. None of them was seen before
-- `since` by its newest state, which spares reading most of what is on record in all its columns.
SELECT *
FROM findings
WHERE rule_id = $rule AND ($ids::VARCHAR[] IS NULL OR finding_id IN (SELECT unnest($ids::VARCHAR[])))
    AND first_seen_time >= $since
QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC, recorded_time DESC, run_id DESC) = 1
