-- Rows without a run are matched by agent, action and resource in time, so what happened around them matters, and what else
-- was asked and done under the same key at any time. `around`: one row with the number of minutes to each side.
CREATE OR REPLACE TEMP TABLE slices AS
WITH times AS (
    SELECT e.event_time AS at_time FROM event_keys AS e WHERE e.event_id IN (SELECT event_id FROM hit_events)
    UNION ALL
    SELECT d.decision_time FROM decision_keys AS d WHERE d.decision_id IN (SELECT decision_id FROM hit_decisions)
)

SELECT DISTINCT CAST(floor(epoch(t.at_time) / 60) AS BIGINT) + n.step AS slice
FROM times AS t
CROSS JOIN around AS a
JOIN (SELECT unnest(range(-12, 13)) AS step) AS n ON abs(n.step) <= a.steps;

CREATE OR REPLACE TEMP TABLE span AS
SELECT to_timestamp(min(slice) * 60) AS from_time, to_timestamp((max(slice) + 1) * 60) AS to_time FROM slices;

CREATE OR REPLACE TEMP TABLE same_key AS
SELECT DISTINCT agent, action, resource_id, trace_id IS NULL AS loose
FROM event_keys
WHERE event_id IN (SELECT event_id FROM hit_events) AND is_action AND action IS NOT NULL
UNION
SELECT DISTINCT agent, action, resource_id, trace_id IS NULL
FROM decision_keys
WHERE decision_id IN (SELECT decision_id FROM hit_decisions);

-- Where one side does not say which resource, any will do.
CREATE OR REPLACE TEMP TABLE any_resource AS
SELECT agent, action, bool_or(loose) AS loose, bool_or(resource_id IS NULL) AS is_any
FROM same_key
GROUP BY agent, action;

INSERT INTO reached
SELECT DISTINCT kind, key, (SELECT max(round) + 1 FROM reached)
FROM (
    SELECT unnest([{'kind': 'trace', 'key': trace_id}, {'kind': 'event', 'key': event_id}], recursive := true)
    FROM event_keys
    WHERE CAST(floor(epoch(event_time) / 60) AS BIGINT) IN (SELECT slice FROM slices)
    UNION ALL
    SELECT unnest([{'kind': 'trace', 'key': trace_id}, {'kind': 'decision', 'key': decision_id}], recursive := true)
    FROM decision_keys
    WHERE CAST(floor(epoch(decision_time) / 60) AS BIGINT) IN (SELECT slice FROM slices)
    UNION ALL
    -- What ran for long may have run at that time.
    SELECT unnest([{'kind': 'trace', 'key': trace_id}, {'kind': 'event', 'key': event_id}], recursive := true)
    FROM event_keys
    WHERE end_time - event_time > INTERVAL 1 MINUTE AND end_time >= (SELECT from_time FROM span)
        AND event_time < (SELECT to_time FROM span)
    UNION ALL
    SELECT unnest([{'kind': 'trace', 'key': e.trace_id}, {'kind': 'event', 'key': e.event_id}], recursive := true)
    FROM event_keys AS e
    JOIN same_key AS k ON k.agent = e.agent AND k.action = e.action AND k.resource_id = e.resource_id
    WHERE e.is_action AND (e.trace_id IS NULL OR k.loose)
    UNION ALL
    SELECT unnest([{'kind': 'trace', 'key': e.trace_id}, {'kind': 'event', 'key': e.event_id}], recursive := true)
    FROM event_keys AS e
    JOIN any_resource AS k ON k.agent = e.agent AND k.action = e.action
    WHERE e.is_action AND (k.is_any OR e.resource_id IS NULL)
        AND (e.trace_id IS NULL OR k.loose)
    UNION ALL
    SELECT unnest([{'kind': 'trace', 'key': d.trace_id}, {'kind': 'decision', 'key': d.decision_id}], recursive := true)
    FROM decision_keys AS d
    JOIN same_key AS k ON k.agent = d.agent AND k.action = d.action AND k.resource_id = d.resource_id
    WHERE d.trace_id IS NULL OR k.loose
    UNION ALL
    SELECT unnest([{'kind': 'trace', 'key': d.trace_id}, {'kind': 'decision', 'key': d.decision_id}], recursive := true)
    FROM decision_keys AS d
    JOIN any_resource AS k ON k.agent = d.agent AND k.action = d.action
    WHERE (k.is_any OR d.resource_id IS NULL) AND (d.trace_id IS NULL OR k.loose)
) AS k
WHERE k.key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM reached AS r WHERE r.kind = k.kind AND r.key = k.key);
