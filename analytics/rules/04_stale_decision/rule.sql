-- Actions on their agent's own decision, but expired, too old, revoked, or of a policy since changed. What writes, or reads
-- something sensitive, is of level high.
SELECT
    b.tenant_id,
    b.environment,
    b.agent,
    b.trace_id,
    b.tool_name,
    b.action,
    b.resource_type,
    b.resource_id,
    b.verdict,
    b.reason,
    CASE
        WHEN lower(b.action) NOT IN ('read', 'get', 'list', 'view', 'select', 'search', 'query', 'lookup') THEN 'high'
        WHEN b.sensitivity >= p.stale_sensitivity THEN 'high'
        ELSE 'medium'
    END AS level,
    b.confidence,
    [coalesce(b.tenant_id, ''), coalesce(b.agent, ''), b.event_id] AS entity_keys,
    [b.event_id] AS anchor_event_ids,
    CASE WHEN b.decision_id IS NULL THEN []::VARCHAR[] ELSE [b.decision_id] END AS decision_ids,
    {
        'decision_time': b.decision_time, 'decision_expires_time': b.decision_expires_time,
        'decision_revoked_time': b.decision_revoked_time, 'sensitivity': b.sensitivity, 'rung': b.rung
    } AS evidence,
    b.event_time AS first_seen_time,
    b.event_time AS last_seen_time
FROM action_backing AS b
CROSS JOIN params AS p
WHERE b.executed AND b.verdict = 'stale';
