-- Decisions that pass the filters, the newest first.
-- needs: decisions
-- macro: filtered_decisions
SELECT
    decision_id, decision_time, decision, agent, nullif(tenant, '') AS tenant_id, action, resource_type,
    coalesce(resource_id, nullif(resource_prefix, '') || '*') AS resource_id, on_behalf_of, policy_version, approver,
    expires_time, revoked_time, max_uses, trace_id
FROM filtered_decisions($answers, $tenant, $agent, $action, $resource_type, $text)
ORDER BY decision_time DESC, decision_id
LIMIT $most;
