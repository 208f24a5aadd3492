-- The events that a finding rests on.
SELECT
    event_id, event_time, event_type, agent_name, target_agent_name, action, tool_name, resource_type, resource_id,
    status, decision_id, trace_id, source_topic, source_partition, source_offset
FROM events
WHERE list_contains($events, event_id) AND coalesce(tenant_id, $tenant, '') = coalesce($tenant, '')
ORDER BY event_time, event_id
