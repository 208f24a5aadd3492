-- One SELECT over the inputs of rule.toml. It must find the same however often and in whatever order records arrive:
-- no now(), no random(), no row that stands for 'the first to be read'.
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
    'found' AS reason,
    'medium' AS level,
    confidence,
    -- What the finding is about, and the events that it rests on: these make its id.
    [coalesce(tenant_id, ''), coalesce(agent, ''), event_id] AS entity_keys,
    [event_id] AS anchor_event_ids,
    CASE WHEN decision_id IS NULL THEN []::VARCHAR[] ELSE [decision_id] END AS decision_ids,
    {'status': status, 'decision': decision} AS evidence,
    event_time AS first_seen_time,
    event_time AS last_seen_time
FROM action_backing
WHERE executed AND action = 'TODO';
