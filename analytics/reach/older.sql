-- The decisions that are missing, from before `oldest_time`.
INSERT INTO older_hits
SELECT decision_id
FROM older_decisions
WHERE decision_id IN (SELECT key FROM missing) OR source_decision_id IN (SELECT key FROM missing);
