-- Decisions that pass the filters, the newest first.
-- needs: decisions
SELECT
    decision_id, decision_time, decision, agent, nullif(tenant, '') AS tenant_id, action, resource_type,
    coalesce(resource_id, nullif(resource_prefix, '') || '*') AS resource_id, on_behalf_of, policy_version, approver,
    expires_time, revoked_time, max_uses, trace_id, count(*) OVER () AS total
FROM decisions
WHERE (len($answers::VARCHAR[]) = 0 OR list_contains($answers::VARCHAR[], decision))
    AND ($tenant::VARCHAR IS NULL OR tenant = $tenant)
    AND ($agent::VARCHAR IS NULL OR agent = $agent)
    AND ($action::VARCHAR IS NULL OR action = $action)
    AND ($resource_type::VARCHAR IS NULL OR resource_type = $resource_type)
    AND ($text::VARCHAR IS NULL OR contains(decision_id, $text) OR contains(coalesce(resource_id, ''), $text)
        OR contains(coalesce(approver, ''), $text))
ORDER BY decision_time DESC, decision_id
LIMIT $most;
