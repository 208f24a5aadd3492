-- What the run judges anew: findings about anything else stand as they are.
CREATE OR REPLACE TABLE judged AS
SELECT DISTINCT 'event' AS kind, event_id AS key FROM hit_events
UNION
SELECT DISTINCT 'event', event_id FROM hit_identities
UNION
SELECT DISTINCT 'decision', decision_id FROM hit_decisions
