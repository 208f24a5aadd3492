-- step: agent_names
-- needs: events, decisions, identity_events, traces
-- about: The name under which each identity of an agent is known in its tenant: a SPIFFE id, a principal, or the name itself.
CREATE OR REPLACE TABLE agent_names AS
WITH pairs AS (
    SELECT coalesce(e.tenant_id, r.tenant_id, '') AS tenant, e.agent_id AS identity, e.agent_name AS agent
    FROM events AS e
    LEFT JOIN traces AS r ON r.trace_id = e.trace_id
    WHERE e.agent_name IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT coalesce(e.tenant_id, r.tenant_id, ''), e.target_agent_id, e.target_agent_name
    FROM events AS e
    LEFT JOIN traces AS r ON r.trace_id = e.trace_id
    WHERE e.target_agent_name IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT tenant, agent_id, agent FROM decisions WHERE agent IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT coalesce(tenant_id, ''), agent_id, agent_name FROM identity_events WHERE agent_name IS NOT NULL GROUP BY ALL
)

SELECT tenant, identity, min(agent) AS agent
FROM (
    SELECT tenant, identity, agent FROM pairs WHERE identity <> agent
    UNION ALL
    -- A name is known as itself, unless it is an identity for which another name is known.
    SELECT p.tenant, p.agent, p.agent
    FROM pairs AS p
    LEFT JOIN pairs AS n ON n.tenant = p.tenant AND n.identity = p.agent AND n.agent <> p.agent
    WHERE n.identity IS NULL
)
GROUP BY tenant, identity;
