-- For rules about credentials: every row that names a credential which a seed names, and the runs of the tasks that it was
-- given to; what those runs did with other credentials does not matter.
CREATE OR REPLACE TABLE seed_credentials AS
SELECT credential_id FROM event_keys
WHERE credential_id IS NOT NULL AND event_id IN (SELECT event_id FROM seed_events)
UNION
SELECT credential_id FROM decision_keys
WHERE credential_id IS NOT NULL AND decision_id IN (SELECT decision_id FROM seed_decisions)
UNION
SELECT credential_id FROM identity_keys
WHERE credential_id IS NOT NULL AND event_id IN (SELECT event_id FROM seed_identities)
UNION
-- A credential whose start is told without it belongs to the task that its issuing names.
SELECT i.credential_id
FROM identity_keys AS i
JOIN event_keys AS e ON e.trace_id = i.trace_id
WHERE i.credential_id IS NOT NULL AND e.event_id IN (SELECT event_id FROM seed_events);

DELETE FROM reached;

INSERT INTO reached
SELECT DISTINCT kind, key, 0
FROM (
    SELECT 'event' AS kind, event_id AS key FROM event_keys WHERE credential_id IN (SELECT credential_id FROM seed_credentials)
    UNION ALL
    SELECT 'trace', trace_id
    FROM event_keys
    WHERE is_start AND credential_id IN (SELECT credential_id FROM seed_credentials)
    UNION ALL
    SELECT unnest([{'kind': 'event', 'key': event_id}, {'kind': 'trace', 'key': trace_id}], recursive := true)
    FROM identity_keys
    WHERE credential_id IN (SELECT credential_id FROM seed_credentials)
    UNION ALL
    SELECT 'decision', decision_id FROM decision_keys WHERE credential_id IN (SELECT credential_id FROM seed_credentials)
)
WHERE key IS NOT NULL;
