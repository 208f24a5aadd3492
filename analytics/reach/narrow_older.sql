-- The decisions from before `oldest_time` that were reached.
INSERT INTO authorization_decisions
SELECT * REPLACE (NULL::BLOB AS raw)
FROM whole_authorization_decisions
WHERE event_date <= getvariable('oldest_date') AND decision_time < getvariable('oldest_time')
    AND key_of(decision_id) IN (SELECT decision_id FROM older_hits);
