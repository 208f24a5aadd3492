-- One round: the rows that have a key of `frontier`, and the keys that they add.
CREATE OR REPLACE TEMP TABLE found_events AS
SELECT *
FROM event_keys
WHERE trace_id IN (SELECT key FROM frontier WHERE kind = 'trace')
    OR event_id IN (SELECT key FROM frontier WHERE kind = 'event')
    OR decision_id IN (SELECT key FROM frontier WHERE kind = 'made')
    OR approval_id IN (SELECT key FROM frontier WHERE kind = 'approval')
    OR tool_call_id IN (SELECT key FROM frontier WHERE kind = 'call')
    OR request_id IN (SELECT key FROM frontier WHERE kind = 'call')
    OR (trace_id IS NULL AND (tool_call_id IN (SELECT key FROM frontier WHERE kind = 'traced_call')
        OR request_id IN (SELECT key FROM frontier WHERE kind = 'traced_call')));

CREATE OR REPLACE TEMP TABLE found_decisions AS
SELECT *
FROM decision_keys
WHERE trace_id IN (SELECT key FROM frontier WHERE kind = 'trace')
    OR decision_id IN (SELECT key FROM frontier WHERE kind IN ('decision', 'cited'))
    OR source_decision_id IN (SELECT key FROM frontier WHERE kind = 'cited')
    OR parent_decision_id IN (SELECT key FROM frontier WHERE kind = 'cited')
    OR approval_id IN (SELECT key FROM frontier WHERE kind = 'approval')
    OR tool_call_id IN (SELECT key FROM frontier WHERE kind = 'call')
    OR request_id IN (SELECT key FROM frontier WHERE kind = 'call')
    OR (trace_id IS NULL AND (tool_call_id IN (SELECT key FROM frontier WHERE kind = 'traced_call')
        OR request_id IN (SELECT key FROM frontier WHERE kind = 'traced_call')));

-- A decision that is named and was not found is looked for in what came before: see older.sql.
CREATE OR REPLACE TABLE missing AS
SELECT key FROM frontier WHERE kind IN ('decision', 'cited')
EXCEPT
SELECT unnest([decision_id, source_decision_id]) FROM found_decisions;

CREATE OR REPLACE TEMP TABLE found_identities AS
SELECT *
FROM identity_keys
WHERE trace_id IN (SELECT key FROM frontier WHERE kind = 'trace')
    OR event_id IN (SELECT key FROM frontier WHERE kind = 'event')
    OR decision_id IN (SELECT key FROM frontier WHERE kind IN ('decision', 'cited'))
    OR approval_id IN (SELECT key FROM frontier WHERE kind = 'approval');

INSERT INTO hit_events SELECT DISTINCT event_id, trace_id FROM found_events;
INSERT INTO hit_decisions SELECT DISTINCT decision_id, trace_id FROM found_decisions;
INSERT INTO hit_identities SELECT DISTINCT event_id, trace_id FROM found_identities;

INSERT INTO reached
SELECT DISTINCT k.kind, k.key, (SELECT max(round) + 1 FROM reached)
FROM (
    SELECT unnest([
        {'kind': 'trace', 'key': trace_id}, {'kind': 'cited', 'key': decision_id}, {'kind': 'approval', 'key': approval_id},
        {'kind': CASE WHEN trace_id IS NULL THEN 'call' ELSE 'traced_call' END, 'key': tool_call_id},
        {'kind': CASE WHEN trace_id IS NULL THEN 'call' ELSE 'traced_call' END, 'key': request_id}
    ], recursive := true)
    FROM found_events
    UNION ALL
    SELECT unnest([
        {'kind': 'trace', 'key': trace_id}, {'kind': 'decision', 'key': parent_decision_id},
        {'kind': 'approval', 'key': approval_id},
        {'kind': CASE WHEN trace_id IS NULL THEN 'call' ELSE 'traced_call' END, 'key': tool_call_id},
        {'kind': CASE WHEN trace_id IS NULL THEN 'call' ELSE 'traced_call' END, 'key': request_id},
        -- How often a limited decision was used depends on every action that names it.
        {'kind': 'made', 'key': CASE WHEN is_limited THEN decision_id END},
        {'kind': 'made', 'key': CASE WHEN is_limited THEN source_decision_id END}
    ], recursive := true)
    FROM found_decisions
    UNION ALL
    SELECT unnest([
        {'kind': 'trace', 'key': trace_id}, {'kind': 'decision', 'key': decision_id},
        {'kind': 'approval', 'key': approval_id}
    ], recursive := true)
    FROM found_identities
) AS k
WHERE k.key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM reached AS r WHERE r.kind = k.kind AND r.key = k.key);
