-- The decisions that a finding names.
SELECT DISTINCT
    decision_id, decision_time, decision, reason, agent_name, action, resource_type, resource_id, resource_pattern,
    policy_ids, policy_version, approver, approval_id, expires_time, source_topic, source_partition, source_offset
FROM authorization_decisions
WHERE list_contains($decisions, decision_id) AND coalesce(tenant_id, $tenant, '') = coalesce($tenant, '')
ORDER BY decision_time, decision_id
