-- An agent was denied an action, and an agent downstream of it then ran the same action on the same resource, permitted by
-- a decision that no human approved: what the parent lacks, the child did for it.
WITH denied AS (
    SELECT *
    FROM action_backing
    WHERE decision = 'deny' AND reason IN ('deny_enforced', 'denied') AND trace_id IS NOT NULL
),

permitted AS (
    SELECT b.*
    FROM action_backing AS b
    WHERE b.executed AND b.verdict = 'backed' AND b.decision = 'allow' AND b.trace_id IS NOT NULL
        AND b.approver IS NULL AND b.approval_id IS NULL
),

pairs AS (
    SELECT
        p.*, d.event_id AS denied_event_id, d.agent AS denied_agent, d.event_time AS denied_time,
        d.decision_id AS denied_decision_id, x.hops
    FROM permitted AS p
    JOIN denied AS d
        ON d.trace_id = p.trace_id AND d.tenant_id IS NOT DISTINCT FROM p.tenant_id
        AND d.action = p.action AND d.resource_id = p.resource_id
        AND coalesce(d.resource_type, '') = coalesce(p.resource_type, '')
    JOIN ancestors AS x ON x.trace_id = p.trace_id AND x.agent = p.agent AND x.ancestor = d.agent
    WHERE d.agent <> p.agent AND d.event_time <= p.event_time AND x.first_time <= p.event_time
    QUALIFY row_number() OVER (
        PARTITION BY p.trace_id, p.event_id ORDER BY d.event_time DESC, d.event_id
    ) = 1
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
    'denied_upstream' AS reason,
    'high' AS level,
    confidence,
    [coalesce(tenant_id, ''), trace_id, coalesce(agent, ''), event_id] AS entity_keys,
    list_sort([denied_event_id, event_id]) AS anchor_event_ids,
    list_sort(list_filter([denied_decision_id, decision_id], lambda d: d IS NOT NULL)) AS decision_ids,
    {
        'denied_event_id': denied_event_id, 'denied_agent': denied_agent, 'denied_time': denied_time,
        'denied_decision_id': denied_decision_id, 'permitted_decision_id': decision_id, 'hops': hops
    } AS evidence,
    denied_time AS first_seen_time,
    event_time AS last_seen_time
FROM pairs;
