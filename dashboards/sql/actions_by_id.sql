-- The named actions, each with the decision that came closest to it.
-- needs: action_backing, decisions
SELECT b.* REPLACE (b.confidence::DOUBLE AS confidence), d.policy_ids, d.policy_version, d.principal_id, d.resource_prefix
FROM action_backing AS b
LEFT JOIN decisions AS d ON d.decision_id = b.closest_decision_id
WHERE list_contains($event_ids::VARCHAR[], b.event_id)
    AND ($trace_id::VARCHAR IS NULL OR b.trace_id = $trace_id)
    AND ($tenant_id::VARCHAR IS NULL OR b.tenant_id IS NULL OR b.tenant_id = $tenant_id)
QUALIFY row_number() OVER (PARTITION BY b.event_id ORDER BY d.tenant = coalesce(b.tenant_id, '') DESC, d.decision_no) = 1
ORDER BY b.event_time, b.event_id
LIMIT 50;
