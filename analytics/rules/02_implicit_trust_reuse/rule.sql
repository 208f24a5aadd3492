-- Actions that stand only on a decision made for something else: another agent, task or resource, used up, or inherited
-- from an agent upstream. Reading the very resource that was permitted upstream matters less.
SELECT
    tenant_id,
    environment,
    agent,
    trace_id,
    tool_name,
    action,
    resource_type,
    resource_id,
    verdict,
    reason,
    CASE
        WHEN reason IN ('inherited', 'other_agent', 'other_task')
            AND lower(action) IN ('read', 'get', 'list', 'view', 'select', 'search', 'query', 'lookup')
            AND decision_action = action AND decision_resource_id = resource_id
            AND coalesce(decision_resource_type = resource_type, true) THEN 'medium'
        ELSE 'high'
    END AS level,
    confidence,
    [coalesce(tenant_id, ''), coalesce(agent, ''), event_id] AS entity_keys,
    [event_id] AS anchor_event_ids,
    CASE WHEN closest_decision_id IS NULL THEN []::VARCHAR[] ELSE [closest_decision_id] END AS decision_ids,
    {
        'decision_time': decision_time, 'decision_agent': decision_agent, 'decision_action': decision_action,
        'decision_resource_type': decision_resource_type, 'decision_resource_id': decision_resource_id,
        'use_no': use_no, 'max_uses': max_uses, 'rung': rung
    } AS evidence,
    event_time AS first_seen_time,
    event_time AS last_seen_time
FROM action_backing
WHERE executed AND verdict = 'reused';
