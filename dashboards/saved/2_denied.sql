-- What was denied, the newest first
SELECT decision_time, agent_name, action, resource_type, resource_id, on_behalf_of, policy_version
FROM authorization_decisions
WHERE decision = 'deny'
ORDER BY decision_time DESC;
