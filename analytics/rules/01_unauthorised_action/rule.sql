-- Actions that ran although the newest matching decision denied them, or that no decision stands behind.
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
        WHEN verdict = 'after_deny' OR coalesce(list_contains(labels, 'destructive'), false) THEN 'critical'
        ELSE 'high'
    END AS level,
    confidence,
    [coalesce(tenant_id, ''), coalesce(agent, ''), event_id] AS entity_keys,
    [event_id] AS anchor_event_ids,
    CASE WHEN decision_id IS NULL THEN []::VARCHAR[] ELSE [decision_id] END AS decision_ids,
    {
        'decision': decision, 'decision_time': decision_time, 'decision_agent': decision_agent,
        'cited_decision_id': cited_decision_id, 'sensitivity': sensitivity, 'labels': labels, 'status': status
    } AS evidence,
    event_time AS first_seen_time,
    event_time AS last_seen_time
FROM action_backing
WHERE executed AND verdict IN ('unbacked', 'after_deny');
