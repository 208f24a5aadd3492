-- step: words
-- needs: orchestration_events, authorization_decisions
-- type: word
-- about: The names that many rows share: tenants, agents, tools, actions. Rows of actions and decisions hold their numbers.
CREATE OR REPLACE TABLE words AS
SELECT '' AS word
UNION
SELECT tenant_id FROM orchestration_events
UNION
SELECT tenant_id FROM authorization_decisions
UNION
SELECT environment FROM orchestration_events
UNION
SELECT agent_name FROM orchestration_events
UNION
SELECT agent_name FROM authorization_decisions
UNION
-- By their ids go the agents that have no name.
SELECT agent_id FROM orchestration_events WHERE agent_name IS NULL
UNION
SELECT coalesce(agent_id, principal_id) FROM authorization_decisions WHERE agent_name IS NULL
UNION
SELECT tool_name FROM orchestration_events
UNION
SELECT action FROM orchestration_events
UNION
SELECT action FROM authorization_decisions
UNION
SELECT resource_type FROM orchestration_events
UNION
SELECT resource_type FROM authorization_decisions
UNION
SELECT trust_zone FROM orchestration_events
UNION
SELECT status FROM orchestration_events
UNION
SELECT decision FROM authorization_decisions
UNION
SELECT policy_version FROM authorization_decisions;
