-- Credentials of tasks that have ended, all of them, that were not revoked by then and a grace, and that are valid beyond it
-- or were used beyond it. Judged when both streams are complete for that time.
WITH starts AS (
    SELECT
        coalesce(tenant_id, '') AS tenant, environment, trace_id, task_id, event_id, event_time, end_time,
        coalesce(agent_name, agent_id) AS agent, credential_id, credential_type, credential_expires_time
    FROM events
    WHERE event_type = 'task_start'
),

issued AS (
    SELECT
        coalesce(tenant_id, '') AS tenant, credential_id, trace_id, task_id, coalesce(agent_name, agent_id, principal_id) AS agent,
        max(coalesce(credential_expires_time, expires_time)) AS expires_time
    FROM identity_events
    WHERE event_type = 'credential_issued' AND credential_id IS NOT NULL
    GROUP BY ALL
),

lifetimes AS (
    SELECT tenant, credential_id, max(expires_time) AS expires_time
    FROM issued
    GROUP BY tenant, credential_id
),

-- The tasks of a credential: those whose start carries it, and the one that its issuing names.
carried AS (
    SELECT s.*, s.credential_id AS held
    FROM starts AS s
    LEFT JOIN issued AS i
        ON i.tenant = s.tenant AND i.credential_id = s.credential_id AND coalesce(i.task_id, i.trace_id) IS NOT NULL
    WHERE s.credential_id IS NOT NULL
        AND (coalesce(s.credential_type, '') NOT IN ('static', 'workload') OR i.credential_id IS NOT NULL)
    UNION
    SELECT s.*, i.credential_id
    FROM issued AS i
    JOIN starts AS s
        ON s.tenant = i.tenant AND s.trace_id = i.trace_id AND s.task_id = i.task_id AND s.agent = i.agent
    WHERE s.credential_id IS NULL
),

stops AS (
    SELECT coalesce(tenant_id, '') AS tenant, trace_id, task_id, coalesce(agent_name, agent_id) AS agent, max(event_time) AS stop_time
    FROM events
    WHERE event_type = 'task_stop'
    GROUP BY ALL
),

ended AS (
    SELECT
        c.tenant, c.held AS credential_id, max(coalesce(c.end_time, t.stop_time)) AS task_end_time,
        arg_max(c, {'at': coalesce(c.end_time, t.stop_time), 'id': c.event_id}) AS last_task,
        max(c.credential_expires_time) AS expires_time
    FROM carried AS c
    LEFT JOIN stops AS t
        ON t.tenant = c.tenant AND t.trace_id = c.trace_id AND t.agent = c.agent
        AND t.task_id IS NOT DISTINCT FROM c.task_id AND t.stop_time >= c.event_time
    GROUP BY c.tenant, c.held
    HAVING count(*) = count(coalesce(c.end_time, t.stop_time))
),

revoked AS (
    SELECT coalesce(tenant_id, '') AS tenant, credential_id, min(event_time) AS revoked_time
    FROM identity_events
    WHERE event_type = 'credential_revoked' AND credential_id IS NOT NULL
    GROUP BY ALL
),

used AS (
    SELECT coalesce(tenant_id, '') AS tenant, credential_id, event_time AS used_time
    FROM events
    WHERE event_type IN ('tool_call', 'data_access') AND coalesce(status, 'unset') <> 'rejected' AND credential_id IS NOT NULL
    UNION ALL
    SELECT tenant, credential_id, decision_time
    FROM decision_identities
    WHERE decision = 'allow' AND credential_id IS NOT NULL
),

uses AS (
    SELECT e.tenant, e.credential_id, count(*) AS uses, max(u.used_time) AS last_time
    FROM ended AS e
    JOIN used AS u ON u.tenant = e.tenant AND u.credential_id = e.credential_id
    CROSS JOIN params AS p
    WHERE u.used_time > e.task_end_time + p.credential_grace
    GROUP BY ALL
)

SELECT
    nullif(e.tenant, '') AS tenant_id,
    e.last_task.environment AS environment,
    e.last_task.agent AS agent,
    e.last_task.trace_id AS trace_id,
    NULL::VARCHAR AS tool_name,
    NULL::VARCHAR AS action,
    NULL::VARCHAR AS resource_type,
    NULL::VARCHAR AS resource_id,
    NULL::VARCHAR AS verdict,
    CASE
        WHEN u.uses > 0 THEN 'used_after'
        WHEN r.revoked_time IS NOT NULL THEN 'revoked_late'
        ELSE 'not_revoked'
    END AS reason,
    CASE WHEN u.uses > 0 THEN 'critical' ELSE 'medium' END AS level,
    0.9 AS confidence,
    [e.tenant, e.credential_id] AS entity_keys,
    [e.last_task.event_id] AS anchor_event_ids,
    []::VARCHAR[] AS decision_ids,
    {
        'credential_id': e.credential_id, 'credential_type': e.last_task.credential_type,
        'credential_expires_time': coalesce(l.expires_time, e.expires_time), 'task_end_time': e.task_end_time,
        'revoked_time': r.revoked_time, 'uses': coalesce(u.uses, 0)
    } AS evidence,
    e.task_end_time AS first_seen_time,
    coalesce(u.last_time, e.task_end_time) AS last_seen_time
FROM ended AS e
CROSS JOIN params AS p
LEFT JOIN lifetimes AS l ON l.tenant = e.tenant AND l.credential_id = e.credential_id
LEFT JOIN revoked AS r ON r.tenant = e.tenant AND r.credential_id = e.credential_id
LEFT JOIN uses AS u ON u.tenant = e.tenant AND u.credential_id = e.credential_id
LEFT JOIN watermark AS o ON o.stream = 'orchestration'
LEFT JOIN watermark AS w ON w.stream = 'authorization'
WHERE coalesce(r.revoked_time > e.task_end_time + p.credential_grace, true)
    AND (
        u.uses > 0
        OR coalesce(l.expires_time, e.expires_time) > e.task_end_time + p.credential_grace
        -- An issuing without an end: it holds for ever.
        OR (l.credential_id IS NOT NULL AND coalesce(l.expires_time, e.expires_time) IS NULL)
    )
    AND coalesce(p.complete_until, o.complete_until) >= e.task_end_time + p.credential_grace + p.settle
    AND coalesce(p.complete_until, w.complete_until) >= e.task_end_time + p.credential_grace + p.settle;
