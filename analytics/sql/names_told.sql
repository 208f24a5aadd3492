-- step: names_told
-- needs: orchestration_events, authorization_decisions, identity_events
-- about: Which name of an agent was told beside which identity, in which tenant, each pair once.
CREATE OR REPLACE TABLE names_told AS
SELECT coalesce(tenant_id, '') AS tenant, agent_id AS identity, agent_name AS agent
FROM orchestration_events
WHERE agent_name IS NOT NULL
UNION
SELECT coalesce(tenant_id, ''), target_agent_id, target_agent_name
FROM orchestration_events
WHERE target_agent_name IS NOT NULL
UNION
SELECT coalesce(tenant_id, ''), agent_id, coalesce(agent_name, agent_id, principal_id)
FROM authorization_decisions
WHERE coalesce(agent_name, agent_id, principal_id) IS NOT NULL
UNION
SELECT coalesce(tenant_id, ''), agent_id, agent_name
FROM identity_events
WHERE agent_name IS NOT NULL;
