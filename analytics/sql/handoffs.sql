-- view: handoffs
-- needs: events
-- about: One row per passing of work from one agent to another: handoffs, and delegations, where an agent's span encloses
--        the start of another agent.
CREATE OR REPLACE TABLE handoffs AS
WITH starts AS (
    SELECT trace_id, event_id, span_key, parent_key, event_time, coalesce(agent_name, agent_id) AS agent
    FROM events
    WHERE event_type = 'task_start' AND trace_id IS NOT NULL AND parent_key IS NOT NULL
        AND coalesce(agent_name, agent_id) IS NOT NULL
),

spans AS (
    SELECT trace_id, span_key, parent_key, event_id, event_type, coalesce(agent_name, agent_id) AS agent
    FROM events
    WHERE span_key IS NOT NULL AND trace_id IN (SELECT trace_id FROM starts)
),

-- Up from the start of an agent to the nearest span with an agent; the call on the way is the delegating step.
climbs AS (
    SELECT
        s.trace_id, s.event_id, s.event_time, s.agent AS to_agent,
        coalesce(p1.agent, p2.agent, p3.agent, p4.agent) AS from_agent,
        CASE
            WHEN p1.event_type = 'tool_call' THEN p1.event_id
            WHEN p2.event_type = 'tool_call' THEN p2.event_id
            WHEN p3.event_type = 'tool_call' THEN p3.event_id
        END AS call_id
    FROM starts AS s
    JOIN spans AS p1 ON p1.trace_id = s.trace_id AND p1.span_key = s.parent_key
    LEFT JOIN spans AS p2 ON p2.trace_id = s.trace_id AND p2.span_key = p1.parent_key
    LEFT JOIN spans AS p3 ON p3.trace_id = s.trace_id AND p3.span_key = p2.parent_key
    LEFT JOIN spans AS p4 ON p4.trace_id = s.trace_id AND p4.span_key = p3.parent_key
)

SELECT
    event_id, event_type AS kind, trace_id, tenant_id, event_time AS handoff_time,
    coalesce(agent_name, agent_id) AS from_agent, coalesce(target_agent_name, target_agent_id) AS to_agent,
    coalesce(status, 'unset') IN ('rejected', 'error', 'canceled') AS refused
FROM events
WHERE event_type IN ('handoff', 'delegation') AND trace_id IS NOT NULL
UNION ALL
SELECT DISTINCT coalesce(call_id, event_id), 'delegation', trace_id, NULL, event_time, from_agent, to_agent, false
FROM climbs
WHERE from_agent IS NOT NULL AND from_agent <> to_agent;
