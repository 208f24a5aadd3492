-- Permits that follow several denies of the same action in the same run, to the same agent or to one upstream of it, where
-- something was changed since the last deny and nobody approved anything in between.
WITH steps AS (
    SELECT
        coalesce(tenant_id, '') AS tenant, decision_id, arg_min(trace_id, {'at': event_time, 'id': event_id}) AS trace_id,
        arg_min(environment, {'at': event_time, 'id': event_id}) AS environment,
        arg_min(tool_name, {'at': event_time, 'id': event_id}) AS tool_name,
        arg_min(tool_call_id, {'at': event_time, 'id': event_id}) AS tool_call_id,
        arg_min(arguments_digest, {'at': event_time, 'id': event_id}) AS arguments_digest,
        min({'at': event_time, 'id': event_id}).id AS event_id
    FROM action_backing
    WHERE decision_id IS NOT NULL
    GROUP BY ALL
),

asked AS (
    SELECT
        d.decision_id, d.tenant, coalesce(d.trace_id, s.trace_id) AS trace_id, s.environment, d.agent, d.agent_id,
        d.principal_id, d.action, d.resource_type, coalesce(d.resource_id, d.resource_prefix) AS resource_id,
        coalesce(d.arguments_digest, s.arguments_digest) AS arguments_digest, s.tool_name, s.event_id, d.decision,
        d.decision_time, coalesce(d.approval_id, d.approver) AS approval,
        coalesce(d.tool_call_id, s.tool_call_id, d.decision_id) AS call_key
    FROM decisions AS d
    LEFT JOIN steps AS s ON s.decision_id = d.decision_id AND s.tenant = d.tenant
    WHERE d.decision IN ('allow', 'deny') AND d.agent IS NOT NULL
),

denies AS (
    SELECT * FROM asked WHERE decision = 'deny' AND trace_id IS NOT NULL
),

permits AS (
    SELECT *
    FROM asked
    WHERE decision = 'allow' AND approval IS NULL AND trace_id IN (SELECT trace_id FROM denies)
),

runs AS (
    SELECT
        p.tenant, p.trace_id, p.decision_id, count(DISTINCT d.call_key) AS denies, min(d.decision_time) AS first_deny_time,
        max({
            'at': d.decision_time, 'decision_id': d.decision_id, 'agent': d.agent, 'resource_id': d.resource_id,
            'arguments_digest': d.arguments_digest, 'tool_name': d.tool_name
        }) AS newest
    FROM permits AS p
    CROSS JOIN params AS s
    JOIN denies AS d
        ON d.tenant = p.tenant AND d.trace_id = p.trace_id AND d.action = p.action
        AND d.resource_type IS NOT DISTINCT FROM p.resource_type
        AND d.decision_time < p.decision_time AND d.decision_time >= p.decision_time - s.probing_window
    LEFT JOIN ancestors AS x
        ON x.trace_id = p.trace_id AND x.agent = p.agent AND x.ancestor = d.agent AND x.first_time <= p.decision_time
    WHERE d.agent = p.agent OR x.agent IS NOT NULL
    GROUP BY p.tenant, p.trace_id, p.decision_id
),

approved AS (
    SELECT DISTINCT
        coalesce(tenant_id, '') AS tenant, coalesce(agent_name, agent_id, principal_id) AS agent, action, event_time
    FROM identity_events
    WHERE event_type IN ('approval', 'grant')
),

probing AS (
    SELECT p.*, r.denies, r.first_deny_time, r.newest
    FROM runs AS r
    JOIN permits AS p ON p.tenant = r.tenant AND p.trace_id = r.trace_id AND p.decision_id = r.decision_id
    CROSS JOIN params AS s
    LEFT JOIN watermark AS w ON w.stream = 'authorization'
    WHERE r.denies >= s.probing_denies
        AND coalesce(s.complete_until, w.complete_until) >= p.decision_time + s.settle
        AND (
            p.agent <> r.newest.agent OR coalesce(p.resource_id <> r.newest.resource_id, false)
            OR coalesce(p.arguments_digest <> r.newest.arguments_digest, false)
            OR coalesce(p.tool_name <> r.newest.tool_name, false)
        )
        AND NOT EXISTS (
            SELECT 1 FROM approved AS a
            WHERE a.tenant = p.tenant AND a.agent IN (p.agent, p.agent_id, p.principal_id)
                AND coalesce(a.action = p.action, true)
                AND a.event_time >= r.first_deny_time AND a.event_time <= p.decision_time
        )
    -- The first permit after a deny is the one that was looked for.
    QUALIFY row_number() OVER (
        PARTITION BY p.tenant, p.trace_id, r.newest.decision_id ORDER BY p.decision_time, p.decision_id
    ) = 1
)

SELECT
    nullif(tenant, '') AS tenant_id,
    environment,
    agent,
    trace_id,
    tool_name,
    action,
    resource_type,
    resource_id,
    NULL::VARCHAR AS verdict,
    CASE
        WHEN agent <> newest.agent THEN 'sub_agent'
        WHEN coalesce(resource_id <> newest.resource_id, false) THEN 'other_resource'
        WHEN coalesce(tool_name <> newest.tool_name, false) THEN 'other_route'
        ELSE 'other_arguments'
    END AS reason,
    CASE WHEN agent <> newest.agent THEN 'high' ELSE 'medium' END AS level,
    CASE WHEN agent <> newest.agent THEN 0.8 ELSE 0.7 END AS confidence,
    [tenant, trace_id, agent, action, decision_id] AS entity_keys,
    CASE WHEN event_id IS NULL THEN []::VARCHAR[] ELSE [event_id] END AS anchor_event_ids,
    list_sort([newest.decision_id, decision_id]) AS decision_ids,
    {
        'denies': denies, 'first_deny_time': first_deny_time, 'last_deny_decision_id': newest.decision_id,
        'denied_agent': newest.agent, 'denied_resource': newest.resource_id, 'denied_tool': newest.tool_name,
        'tool': tool_name
    } AS evidence,
    first_deny_time AS first_seen_time,
    decision_time AS last_seen_time
FROM probing;
