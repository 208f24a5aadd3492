-- audit: credentials-after-task
-- question: Which credentials were valid, or used, after the task that they were issued for?
-- reads: identity_events, events, decision_identities
-- parameter grace duration = 5m: How long after the end of the task does not count.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per credential that was issued for a task and was neither revoked nor expired when the task had ended
--   and the grace was over. `uses_after` counts actions and permitted decisions with it after that.
-- blind: Only credentials whose issuing, or whose task's start, names run and task, and tasks whose end is on record.
--   Where the decisions are not complete (see `coverage`), a withdrawal may still come. The period is that of the
--   tasks' ends.
WITH named AS (
    SELECT
        tenant_id, credential_id, trace_id, task_id, coalesce(agent_name, agent_id, principal_id) AS agent,
        credential_type,
        event_time AS issued_time, coalesce(credential_expires_time, expires_time) AS expires_time
    FROM identity_events
    WHERE event_type = 'credential_issued'
    UNION ALL
    SELECT
        tenant_id, credential_id, trace_id, task_id, coalesce(agent_name, agent_id), credential_type,
        credential_issued_time,
        credential_expires_time
    FROM events
    WHERE event_type = 'task_start' AND coalesce(credential_type, '') NOT IN ('static', 'workload')
),

issued AS (
    SELECT
        tenant_id, credential_id, trace_id, task_id, agent, any_value(credential_type) AS credential_type,
        min(issued_time) AS issued_time, max(expires_time) AS expires_time
    FROM named
    WHERE credential_id IS NOT NULL AND task_id IS NOT NULL AND ($tenant IS NULL OR tenant_id = $tenant)
    GROUP BY tenant_id, credential_id, trace_id, task_id, agent
),

revoked AS (
    SELECT tenant_id, credential_id, min(event_time) AS revoked_time
    FROM identity_events
    WHERE event_type = 'credential_revoked' AND credential_id IS NOT NULL
    GROUP BY ALL
),

ends AS (
    SELECT
        trace_id, task_id, coalesce(agent_name, agent_id) AS agent,
        max(CASE event_type WHEN 'task_stop' THEN event_time ELSE end_time END) AS end_time
    FROM events
    WHERE event_type IN ('task_start', 'task_stop')
    GROUP BY ALL
    HAVING max(CASE event_type WHEN 'task_stop' THEN event_time ELSE end_time END) IS NOT NULL
),

used AS (
    SELECT tenant_id, credential_id, event_time AS used_time
    FROM events
    WHERE event_type IN ('tool_call', 'data_access') AND status IS DISTINCT FROM 'rejected'
        AND credential_id IS NOT NULL
    UNION ALL
    SELECT nullif(tenant, ''), credential_id, decision_time
    FROM decision_identities
    WHERE decision = 'allow' AND credential_id IS NOT NULL
),

beyond AS (
    SELECT i.*, e.end_time AS task_end_time, r.revoked_time
    FROM issued AS i
    JOIN ends AS e ON e.trace_id = i.trace_id AND e.task_id = i.task_id AND e.agent = i.agent
    LEFT JOIN revoked AS r ON r.tenant_id IS NOT DISTINCT FROM i.tenant_id AND r.credential_id = i.credential_id
    WHERE coalesce(r.revoked_time > e.end_time + $grace, true)
        AND ($since IS NULL OR e.end_time >= $since)
        AND ($until IS NULL OR e.end_time < $until)
),

found AS (
    SELECT b.*, count(u.used_time) AS uses_after, max(u.used_time) AS last_use_time
    FROM beyond AS b
    LEFT JOIN used AS u
        ON u.tenant_id IS NOT DISTINCT FROM b.tenant_id AND u.credential_id = b.credential_id
        AND u.used_time > b.task_end_time + $grace
    GROUP BY ALL
)

SELECT
    tenant_id, agent, credential_id, credential_type, task_id, trace_id, issued_time, task_end_time, expires_time,
    revoked_time,
    uses_after, last_use_time
FROM found
WHERE uses_after > 0 OR coalesce(expires_time > task_end_time + $grace, true)
ORDER BY uses_after DESC, task_end_time, credential_id;
