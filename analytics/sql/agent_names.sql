-- step: agent_names
-- needs: orchestration_events, authorization_decisions, identity_events
-- about: The name under which each identity of an agent is known in its tenant: a SPIFFE id, a principal, or the name itself.
CREATE OR REPLACE TABLE agent_names AS
WITH pairs AS (
    SELECT coalesce(tenant_id, '') AS tenant, agent_id AS identity, agent_name AS agent
    FROM orchestration_events
    WHERE agent_name IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT coalesce(tenant_id, ''), target_agent_id, target_agent_name
    FROM orchestration_events
    WHERE target_agent_name IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT coalesce(tenant_id, ''), agent_id, coalesce(agent_name, agent_id, principal_id)
    FROM authorization_decisions
    WHERE coalesce(agent_name, agent_id, principal_id) IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT coalesce(tenant_id, ''), agent_id, agent_name
    FROM identity_events
    WHERE agent_name IS NOT NULL
    GROUP BY ALL
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
