-- Actions by a human approval that was given for something else or was used up, and approvals that never end: no expiry, no
-- task or run, and either very many uses or neither a number of uses nor arguments. What an approval was given for may
-- still come as long as the approval is not on record.
WITH known AS (
    SELECT DISTINCT approval_id
    FROM identity_events
    WHERE event_type = 'approval' AND approval_id IS NOT NULL
),

standing AS (
    SELECT DISTINCT
        i.tenant_id, i.environment, coalesce(i.agent_name, i.agent_id, i.principal_id) AS agent, i.event_id, i.event_time,
        i.action, i.resource_type, i.resource_id, i.approval_id, i.approver, i.max_uses
    FROM identity_events AS i
    CROSS JOIN params AS p
    WHERE i.event_type = 'approval' AND i.approval_id IS NOT NULL
        AND i.expires_time IS NULL AND i.task_id IS NULL AND i.trace_id IS NULL
        AND (i.max_uses >= p.standing_uses OR (i.max_uses IS NULL AND i.arguments_digest IS NULL))
),

found AS (
    SELECT
        b.tenant_id, b.environment, b.agent, b.trace_id, b.tool_name, b.action, b.resource_type, b.resource_id, b.verdict,
        b.reason AS misuse, b.confidence, coalesce(b.agent, '') AS whose, b.event_id, b.decision_id, b.approval_id,
        b.approver, b.max_uses, b.event_time
    FROM action_backing AS b
    LEFT JOIN known AS k ON k.approval_id = b.approval_id
    CROSS JOIN params AS p
    LEFT JOIN watermark AS w ON w.stream = 'authorization'
    WHERE b.executed AND b.verdict = 'approval_reused'
        AND (k.approval_id IS NOT NULL OR coalesce(p.complete_until, w.complete_until) >= b.end_time + p.settle)
    UNION ALL
    SELECT
        tenant_id, environment, agent, NULL, NULL, action, resource_type, resource_id, NULL, 'standing',
        1.0, approval_id, event_id, NULL, approval_id, approver, max_uses, event_time
    FROM standing
)

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
    CASE
        WHEN misuse = 'standing' THEN 'standing'
        WHEN misuse = 'other_action' THEN 'other_action'
        WHEN misuse = 'other_resource' THEN 'other_resource'
        WHEN misuse = 'over_uses' THEN 'over_uses'
        ELSE 'other_arguments'
    END AS reason,
    CASE WHEN misuse = 'standing' THEN 'low' ELSE 'high' END AS level,
    confidence,
    [coalesce(tenant_id, ''), whose, event_id] AS entity_keys,
    [event_id] AS anchor_event_ids,
    CASE WHEN decision_id IS NULL THEN []::VARCHAR[] ELSE [decision_id] END AS decision_ids,
    {'approval_id': approval_id, 'approver': approver, 'max_uses': max_uses} AS evidence,
    event_time AS first_seen_time,
    event_time AS last_seen_time
FROM found;
