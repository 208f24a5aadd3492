-- Paths of permitted actions in one run, each unlocking the next, that cross agents or trust zones, rise in sensitivity,
-- and end in an action outside the scopes that the root task was given. Walked backwards from the few possible ends.
WITH RECURSIVE steps AS (
    SELECT *
    FROM action_backing
    WHERE executed AND verdict = 'backed' AND trace_id IS NOT NULL
),

ends AS (
    SELECT s.*, t.task_scopes
    FROM steps AS s
    JOIN traces AS t ON t.trace_id = s.trace_id
    CROSS JOIN params AS p
    WHERE t.task_scopes IS NOT NULL AND s.sensitivity >= p.sensitivity_rise
        AND NOT list_contains(t.task_scopes, coalesce(s.resource_type, '') || '.' || coalesce(s.action, ''))
        AND NOT list_contains(t.task_scopes, coalesce(s.resource_type, '') || '.*')
        AND NOT list_contains(t.task_scopes, '*')
),

walk AS (
    SELECT
        trace_id, event_id AS end_id, event_id AS step_id, agent, trust_zone, 0 AS hops, false AS crossed, true AS proved
    FROM ends
    UNION
    SELECT
        w.trace_id, w.end_id, s.event_id, s.agent, s.trust_zone, w.hops + 1,
        w.crossed OR s.agent <> w.agent OR coalesce(s.trust_zone <> w.trust_zone, false),
        w.proved AND l.proved
    FROM walk AS w
    JOIN lineage_paths AS l ON l.trace_id = w.trace_id AND l.to_event_id = w.step_id
    JOIN steps AS s ON s.trace_id = l.trace_id AND s.event_id = l.from_event_id
    WHERE w.hops < (SELECT hops FROM params)
),

chains AS (
    SELECT w.end_id, w.trace_id, w.step_id, w.hops, w.proved, s.agent AS first_agent, s.sensitivity AS first_sensitivity,
        s.event_time AS first_time, s.action AS first_action, s.resource_type AS first_resource_type,
        s.resource_id AS first_resource_id, s.decision_id AS first_decision_id
    FROM walk AS w
    JOIN steps AS s ON s.trace_id = w.trace_id AND s.event_id = w.step_id
    JOIN ends AS e ON e.trace_id = w.trace_id AND e.event_id = w.end_id
    CROSS JOIN params AS p
    WHERE w.hops > 0 AND w.crossed
        AND NOT EXISTS (
            SELECT 1 FROM catalogue_chains AS c
            WHERE c.from_tool = s.tool_name AND c.to_tool = e.tool_name AND coalesce(e.event_time < c.until_time, true)
        )
        AND e.sensitivity - s.sensitivity >= p.sensitivity_rise
    QUALIFY row_number() OVER (
        PARTITION BY w.trace_id, w.end_id ORDER BY w.proved DESC, s.sensitivity, w.hops, s.event_time, s.event_id
    ) = 1
)

SELECT
    e.tenant_id,
    e.environment,
    e.agent,
    e.trace_id,
    e.tool_name,
    e.action,
    e.resource_type,
    e.resource_id,
    e.verdict,
    CASE WHEN c.proved THEN 'proved_chain' ELSE 'inferred_chain' END AS reason,
    CASE WHEN e.sensitivity >= 4 THEN 'critical' WHEN e.sensitivity = 3 THEN 'high' ELSE 'medium' END AS level,
    CASE WHEN c.proved THEN 0.9 ELSE 0.6 END * e.confidence AS confidence,
    [coalesce(e.tenant_id, ''), e.trace_id, coalesce(e.agent, ''), e.event_id] AS entity_keys,
    list_sort([c.step_id, e.event_id]) AS anchor_event_ids,
    list_sort(list_filter([c.first_decision_id, e.decision_id], lambda d: d IS NOT NULL)) AS decision_ids,
    {
        'first_event_id': c.step_id, 'first_agent': c.first_agent, 'first_action': c.first_action,
        'first_resource_type': c.first_resource_type, 'first_resource_id': c.first_resource_id,
        'first_sensitivity': c.first_sensitivity, 'last_sensitivity': e.sensitivity, 'hops': c.hops,
        'task_scopes': e.task_scopes
    } AS evidence,
    c.first_time AS first_seen_time,
    e.event_time AS last_seen_time
FROM chains AS c
JOIN ends AS e ON e.trace_id = c.trace_id AND e.event_id = c.end_id;
