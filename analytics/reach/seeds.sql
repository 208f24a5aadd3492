-- A run begins with nothing reached. By kind of key:
--   trace        the run
--   event        an event of that id, wherever it is told
--   decision     a decision of that id
--   cited        a decision that is named so, or was derived from one that is
--   made         an action that names the decision
--   approval     whatever names the approval
--   call         whatever names the call or request
--   traced_call  rows without a run that name the call or request
CREATE OR REPLACE TABLE reached (kind VARCHAR, key UBIGINT, round INTEGER);

CREATE OR REPLACE TABLE hit_events (event_id UBIGINT, trace_id UBIGINT);
CREATE OR REPLACE TABLE hit_decisions (decision_id UBIGINT, trace_id UBIGINT);
CREATE OR REPLACE TABLE hit_identities (event_id UBIGINT, trace_id UBIGINT);
CREATE OR REPLACE TABLE older_hits (decision_id UBIGINT);

-- Where a run sets out: the rows that came since the last one (`added_*`), and the rows that time has made ripe: those about
-- which the streams have become complete (from `ripe_from` to `ripe_to`).
CREATE OR REPLACE TABLE seed_events AS
SELECT key_of(event_id) AS event_id, event_time FROM added_orchestration_events
UNION
SELECT e.event_id, e.event_time FROM event_keys AS e
WHERE e.event_time BETWEEN getvariable('ripe_from') AND getvariable('ripe_to')
UNION
SELECT e.event_id, e.event_time FROM event_keys AS e
WHERE e.end_time BETWEEN getvariable('ripe_from') AND getvariable('ripe_to');

CREATE OR REPLACE TABLE seed_decisions AS
SELECT key_of(decision_id) AS decision_id, decision_time FROM added_authorization_decisions
UNION
SELECT d.decision_id, d.decision_time FROM decision_keys AS d
WHERE d.decision_time BETWEEN getvariable('ripe_from') AND getvariable('ripe_to')
UNION
SELECT d.decision_id, d.decision_time FROM decision_keys AS d
WHERE d.expires_time BETWEEN getvariable('ripe_from') AND getvariable('ripe_to');

CREATE OR REPLACE TABLE seed_identities AS
SELECT key_of(event_id) AS event_id, event_time FROM added_identity_events;

-- A grant or an approval says something about what its agent did from then on.
CREATE OR REPLACE TEMP TABLE given AS
SELECT agent, min(event_time) AS from_time
FROM (
    SELECT unnest([key_of(agent_name), key_of(agent_id), key_of(principal_id)]) AS agent, event_time
    FROM added_identity_events
    WHERE event_type IN ('grant', 'grant_revoked', 'approval')
)
WHERE agent IS NOT NULL
GROUP BY agent;

INSERT INTO seed_events
SELECT e.event_id, e.event_time
FROM event_keys AS e
JOIN given AS g ON g.agent = e.agent_name AND e.event_time >= g.from_time
UNION ALL
SELECT e.event_id, e.event_time
FROM event_keys AS e
JOIN given AS g ON g.agent = e.agent_id AND e.event_time >= g.from_time;

INSERT INTO seed_decisions
SELECT d.decision_id, d.decision_time
FROM decision_keys AS d
JOIN given AS g ON g.agent IN (d.agent_name, d.agent_id, d.principal_id) AND d.decision_time >= g.from_time;

-- A policy that was first seen in what came now makes older decisions stale from then on.
INSERT INTO seed_events
SELECT e.event_id, e.event_time
FROM event_keys AS e
WHERE e.event_time >= (
    SELECT min(p.since)
    FROM policy_epochs AS p
    JOIN added_authorization_decisions AS d
        ON coalesce(d.tenant_id, '') = p.tenant AND coalesce(d.pdp_id, '') = p.pdp AND d.policy_version = p.policy_version
    WHERE d.decision_time = p.since AND p.is_change
);

-- An identity whose name was first told in what came now has that name in older rows too.
CREATE OR REPLACE TEMP TABLE named AS
WITH told AS (
    SELECT agent_id AS identity FROM added_orchestration_events WHERE agent_id <> agent_name
    UNION
    SELECT target_agent_id FROM added_orchestration_events WHERE target_agent_id <> target_agent_name
    UNION
    SELECT agent_id FROM added_authorization_decisions WHERE agent_id <> coalesce(agent_name, principal_id)
    UNION
    SELECT agent_id FROM added_identity_events WHERE agent_id <> agent_name
)

SELECT key_of(t.identity) AS identity FROM told AS t WHERE t.identity IS NOT NULL;

INSERT INTO seed_events
SELECT e.event_id, e.event_time
FROM event_keys AS e
WHERE e.agent_name IS NULL AND e.agent_id IN (SELECT identity FROM named)
UNION ALL
SELECT e.event_id, e.event_time
FROM event_keys AS e
WHERE e.agent_name IN (SELECT identity FROM named);

INSERT INTO reached
SELECT DISTINCT kind, key, 0
FROM (
    SELECT 'event' AS kind, event_id AS key FROM seed_events
    UNION ALL
    SELECT 'event', event_id FROM seed_identities
    UNION ALL
    SELECT 'decision', decision_id FROM seed_decisions
    UNION ALL
    -- What came new may be named by what was there before.
    SELECT 'made', unnest([key_of(decision_id), key_of(source_decision_id), key_of(parent_decision_id)])
    FROM added_authorization_decisions
    UNION ALL
    SELECT 'made', key_of(decision_id) FROM added_identity_events
)
WHERE key IS NOT NULL;
