-- The tables, narrowed to what was reached: the rules run over them as over a whole lake. Records as they arrived are left
-- out, as no view reads them.
CREATE OR REPLACE TABLE orchestration_events AS
SELECT * REPLACE (NULL::BLOB AS raw)
FROM whole_orchestration_events
WHERE event_date >= getvariable('oldest_date') AND event_time >= getvariable('oldest_time')
    AND (
        key_of(trace_id) IN (SELECT key FROM reached WHERE kind = 'trace')
        OR key_of(event_id) IN (SELECT event_id FROM hit_events)
    );

CREATE OR REPLACE TABLE authorization_decisions AS
SELECT * REPLACE (NULL::BLOB AS raw)
FROM whole_authorization_decisions
WHERE event_date >= getvariable('oldest_date') AND decision_time >= getvariable('oldest_time')
    AND (
        key_of(trace_id) IN (SELECT key FROM reached WHERE kind = 'trace')
        OR key_of(decision_id) IN (SELECT decision_id FROM hit_decisions)
    );

-- Grants and approvals are few, and hold for whatever their agent does.
CREATE OR REPLACE TABLE identity_events AS
WITH agents AS (
    SELECT agent_name AS agent FROM orchestration_events
    UNION
    SELECT agent_id FROM orchestration_events
    UNION
    SELECT target_agent_name FROM orchestration_events
    UNION
    SELECT target_agent_id FROM orchestration_events
    UNION
    SELECT on_behalf_of FROM orchestration_events
    UNION
    SELECT agent_name FROM authorization_decisions
    UNION
    SELECT agent_id FROM authorization_decisions
    UNION
    SELECT principal_id FROM authorization_decisions
    UNION
    SELECT on_behalf_of FROM authorization_decisions
)

SELECT * REPLACE (NULL::BLOB AS raw)
FROM whole_identity_events
WHERE key_of(trace_id) IN (SELECT key FROM reached WHERE kind = 'trace')
    OR key_of(event_id) IN (SELECT event_id FROM hit_identities)
    OR key_of(approval_id) IN (SELECT key FROM reached WHERE kind = 'approval')
    OR decision_id IN (SELECT decision_id FROM authorization_decisions)
    OR (
        event_type IN ('grant', 'grant_revoked', 'approval') AND (
            agent_name IN (SELECT agent FROM agents WHERE agent IS NOT NULL)
            OR agent_id IN (SELECT agent FROM agents WHERE agent IS NOT NULL)
            OR principal_id IN (SELECT agent FROM agents WHERE agent IS NOT NULL)
        )
    );
