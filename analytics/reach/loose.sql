-- Rows without a run are matched by what they are about and when, so what was reached leads on to the rows that it can be
-- matched with beyond its own run. A match takes an action and a decision, one of them without a run:
--   of one agent, action and resource, at any time;
--   of one agent and action, at any time, where one of them does not say which resource;
--   of one agent, within the call, where the action does not say what it does or to what;
--   of one action and resource, within the call, asked in another agent's name.
-- An action that names no agent may be that of any. `around`: one row with the minutes that clocks may differ by.
CREATE OR REPLACE TEMP TABLE new_actions AS
SELECT e.*
FROM event_keys AS e
WHERE e.is_action AND e.event_id IN (SELECT event_id FROM hit_events);

CREATE OR REPLACE TEMP TABLE new_answers AS
SELECT d.*
FROM decision_keys AS d
WHERE d.decision_id IN (SELECT decision_id FROM hit_decisions);

CREATE OR REPLACE TEMP TABLE span AS
SELECT min(at_time) - to_minutes(CAST((SELECT steps FROM around) AS INTEGER)) AS from_time
FROM (
    SELECT event_time AS at_time FROM new_actions
    UNION ALL
    SELECT decision_time FROM new_answers
);

-- What was asked and done, whatever the agent calls itself where it does not say.
CREATE OR REPLACE TEMP TABLE same_key AS
SELECT DISTINCT agent, action, resource_id, trace_id IS NULL AS loose
FROM new_actions
WHERE action IS NOT NULL
UNION
SELECT DISTINCT agent, action, resource_id, trace_id IS NULL
FROM new_answers;

-- Where one side does not say which resource, any will do.
CREATE OR REPLACE TEMP TABLE any_resource AS
SELECT agent, action, bool_or(loose) AS loose, bool_or(resource_id IS NULL) AS is_any
FROM same_key
GROUP BY agent, action;

-- What was asked, in whoever's name, and what was done by an agent that is not named.
CREATE OR REPLACE TEMP TABLE any_agent AS
SELECT DISTINCT action, resource_id, trace_id IS NULL AS loose
FROM new_answers;

CREATE OR REPLACE TEMP TABLE nameless AS
SELECT DISTINCT action, resource_id, trace_id IS NULL AS loose
FROM new_actions
WHERE agent IS NULL AND action IS NOT NULL;

-- Calls that do not say what they do or to what, by the minutes in which their decision may have been asked for; a call that
-- takes long is looked at for its first ten minutes.
CREATE OR REPLACE TEMP TABLE vague AS
SELECT
    e.event_id, e.trace_id, e.agent,
    unnest(range(
        CAST(floor(epoch(e.event_time) / 60) AS BIGINT) - a.steps,
        CAST(floor(epoch(least(coalesce(e.end_time, e.event_time), e.event_time + INTERVAL 10 MINUTE)) / 60) AS BIGINT)
            + a.steps + 1
    )) AS slice
FROM event_keys AS e
CROSS JOIN around AS a
WHERE e.is_action AND (e.action IS NULL OR e.resource_id IS NULL);

CREATE OR REPLACE TEMP TABLE vague_hits AS
SELECT DISTINCT agent, slice, trace_id IS NULL AS loose
FROM vague
WHERE event_id IN (SELECT event_id FROM new_actions);

CREATE OR REPLACE TEMP TABLE answer_slices AS
SELECT DISTINCT agent, CAST(floor(epoch(decision_time) / 60) AS BIGINT) AS slice, trace_id IS NULL AS loose
FROM new_answers;

-- The same for what is asked in another agent's name: a decision without a run, and a call of the same action and resource.
CREATE OR REPLACE TEMP TABLE asked_alone AS
SELECT DISTINCT action, resource_id, CAST(floor(epoch(decision_time) / 60) AS BIGINT) AS slice
FROM new_answers
WHERE trace_id IS NULL AND resource_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE done_slices AS
SELECT DISTINCT
    e.action, e.resource_id,
    unnest(range(
        CAST(floor(epoch(e.event_time) / 60) AS BIGINT) - a.steps,
        CAST(floor(epoch(least(coalesce(e.end_time, e.event_time), e.event_time + INTERVAL 1 DAY)) / 60) AS BIGINT)
            + a.steps + 1
    )) AS slice
FROM new_actions AS e
CROSS JOIN around AS a
WHERE e.action IS NOT NULL AND e.resource_id IS NOT NULL;

-- Patterns and decisions about a whole type, for calls that do not say what they do.
CREATE OR REPLACE TEMP TABLE broad AS
SELECT agent, bool_or(trace_id IS NULL) AS loose
FROM new_answers
WHERE resource_id IS NULL
GROUP BY agent;

CREATE OR REPLACE TEMP TABLE unsaid AS
SELECT agent, bool_or(trace_id IS NULL) AS loose
FROM new_actions
WHERE action IS NULL
GROUP BY agent;

CREATE OR REPLACE TEMP TABLE led_to_events AS
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN same_key AS k ON k.agent = e.agent AND k.action = e.action AND k.resource_id = e.resource_id
WHERE e.is_action AND (e.trace_id IS NULL OR k.loose)
UNION ALL
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN any_resource AS k ON k.agent = e.agent AND k.action = e.action
WHERE e.is_action AND (k.is_any OR e.resource_id IS NULL) AND (e.trace_id IS NULL OR k.loose)
UNION ALL
-- Of an agent that is not named.
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN any_agent AS k ON k.action = e.action AND k.resource_id = e.resource_id
WHERE e.is_action AND e.agent IS NULL AND (e.trace_id IS NULL OR k.loose)
UNION ALL
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN any_agent AS k ON k.action = e.action AND k.resource_id IS NULL
WHERE e.is_action AND e.agent IS NULL AND (e.trace_id IS NULL OR k.loose)
UNION ALL
-- Asked in another's name.
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN (
    SELECT DISTINCT q.action, q.resource_id, q.slice + n.step AS slice
    FROM asked_alone AS q
    CROSS JOIN around AS a
    JOIN (SELECT unnest(range(-70, 70)) AS step) AS n ON n.step BETWEEN -1 - a.steps AND a.steps
) AS q ON q.action = e.action AND q.resource_id = e.resource_id AND q.slice = CAST(floor(epoch(e.event_time) / 60) AS BIGINT)
WHERE e.is_action
UNION ALL
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN asked_alone AS q ON q.action = e.action AND q.resource_id = e.resource_id
CROSS JOIN around AS a
WHERE e.is_action AND e.end_time - e.event_time > INTERVAL 1 MINUTE
    AND q.slice BETWEEN floor(epoch(e.event_time) / 60) - a.steps AND floor(epoch(e.end_time) / 60) + a.steps
UNION ALL
SELECT v.event_id, v.trace_id
FROM vague AS v
JOIN answer_slices AS d ON d.slice = v.slice AND d.agent = v.agent
WHERE v.trace_id IS NULL OR d.loose
UNION ALL
SELECT v.event_id, v.trace_id
FROM vague AS v
JOIN answer_slices AS d ON d.slice = v.slice
WHERE v.agent IS NULL AND (v.trace_id IS NULL OR d.loose)
UNION ALL
SELECT e.event_id, e.trace_id
FROM event_keys AS e
JOIN broad AS d ON d.agent = e.agent
WHERE e.is_action AND e.action IS NULL AND (e.trace_id IS NULL OR d.loose)
UNION ALL
SELECT e.event_id, e.trace_id
FROM event_keys AS e
WHERE e.is_action AND e.action IS NULL AND e.agent IS NULL
    AND ((e.trace_id IS NULL AND EXISTS (FROM broad)) OR EXISTS (FROM broad AS d WHERE d.loose));

CREATE OR REPLACE TEMP TABLE led_to_decisions AS
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN same_key AS k ON k.agent = d.agent AND k.action = d.action AND k.resource_id = d.resource_id
WHERE d.trace_id IS NULL OR k.loose
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN any_resource AS k ON k.agent = d.agent AND k.action = d.action
WHERE (k.is_any OR d.resource_id IS NULL) AND (d.trace_id IS NULL OR k.loose)
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN nameless AS k ON k.action = d.action AND k.resource_id = d.resource_id
WHERE d.trace_id IS NULL OR k.loose
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN nameless AS k ON k.action = d.action
WHERE (k.resource_id IS NULL OR d.resource_id IS NULL) AND (d.trace_id IS NULL OR k.loose)
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN done_slices AS q
    ON q.action = d.action AND q.resource_id = d.resource_id AND q.slice = CAST(floor(epoch(d.decision_time) / 60) AS BIGINT)
WHERE d.trace_id IS NULL
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN vague_hits AS v ON v.slice = CAST(floor(epoch(d.decision_time) / 60) AS BIGINT) AND v.agent = d.agent
WHERE d.trace_id IS NULL OR v.loose
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN vague_hits AS v ON v.slice = CAST(floor(epoch(d.decision_time) / 60) AS BIGINT)
WHERE v.agent IS NULL AND (d.trace_id IS NULL OR v.loose)
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
JOIN unsaid AS e ON e.agent = d.agent
WHERE d.resource_id IS NULL AND (d.trace_id IS NULL OR e.loose)
UNION ALL
SELECT d.decision_id, d.trace_id
FROM decision_keys AS d
CROSS JOIN unsaid AS e
WHERE e.agent IS NULL AND d.resource_id IS NULL AND (d.trace_id IS NULL OR e.loose);

INSERT INTO reached
SELECT DISTINCT kind, key, (SELECT max(round) + 1 FROM reached)
FROM (
    SELECT unnest([{'kind': 'trace', 'key': trace_id}, {'kind': 'event', 'key': event_id}], recursive := true)
    FROM (SELECT DISTINCT event_id, trace_id FROM led_to_events)
    UNION ALL
    SELECT unnest([{'kind': 'trace', 'key': trace_id}, {'kind': 'decision', 'key': decision_id}], recursive := true)
    FROM (SELECT DISTINCT decision_id, trace_id FROM led_to_decisions)
) AS k
WHERE k.key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM reached AS r WHERE r.kind = k.kind AND r.key = k.key);
