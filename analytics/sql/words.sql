-- step: words
-- needs: orchestration_events, authorization_decisions
-- type: word
-- about: The words that many rows share: tenants, agents, tools, actions, and those of a verdict. Rows of actions, decisions
--        and verdicts hold their numbers.
CREATE OR REPLACE TABLE words AS
SELECT '' AS word
UNION
SELECT unnest(['backed', 'after_deny', 'approval_reused', 'reused', 'unbacked', 'stale', 'unknown'])
UNION
SELECT unnest([
    'decision_id', 'request_id', 'span', 'trace_key', 'key', 'pattern', 'deny_enforced', 'not_executed', 'denied',
    'other_agent', 'other_task', 'other_resource', 'other_action', 'other_arguments', 'over_uses', 'inherited', 'revoked',
    'expired', 'too_old', 'policy_changed', 'indeterminate', 'no_decision', 'not_settled', 'hole'
])
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
