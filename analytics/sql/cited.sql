-- step: cited
-- needs: actions, decisions, params
-- about: Rungs 1 to 3 of the join ladder: the decision that an action names, or shares a call, request or span with.
--        What the pair disagrees about is kept: a decision that was named but made for something else is a finding.
CREATE OR REPLACE TABLE cited AS
WITH pairs AS (
    SELECT a.action_no, d.decision_no, 1 AS rung, false AS derived
    FROM actions AS a
    JOIN decisions AS d ON d.decision_id = a.cited_decision_id
    UNION ALL
    SELECT a.action_no, d.decision_no, 1, false
    FROM actions AS a
    JOIN decisions AS d ON d.source_decision_id = a.cited_decision_id
    WHERE d.source_decision_id <> d.decision_id
    UNION ALL
    SELECT a.action_no, d.decision_no, 1, true
    FROM actions AS a
    JOIN decisions AS d ON d.parent_decision_id = a.cited_decision_id
    UNION ALL
    SELECT a.action_no, d.decision_no, 2, false
    FROM actions AS a
    JOIN decisions AS d ON d.tool_call_id = a.tool_call_id
    WHERE a.trace_id IS NULL OR d.trace_id IS NULL OR a.trace_id = d.trace_id
    UNION ALL
    SELECT a.action_no, d.decision_no, 2, false
    FROM actions AS a
    JOIN decisions AS d ON d.request_id = a.tool_call_id
    WHERE a.trace_id IS NULL OR d.trace_id IS NULL OR a.trace_id = d.trace_id
    UNION ALL
    SELECT a.action_no, d.decision_no, 2, false
    FROM actions AS a
    JOIN decisions AS d ON d.request_id = a.request_id
    WHERE a.trace_id IS NULL OR d.trace_id IS NULL OR a.trace_id = d.trace_id
    UNION ALL
    SELECT a.action_no, d.decision_no, 3, false
    FROM actions AS a
    JOIN decisions AS d ON d.trace_id = a.trace_id AND d.span_id = a.span_id
),

judged AS (
    SELECT
        p.action_no,
        p.decision_no,
        p.rung,
        p.derived,
        a.agent IS NULL OR d.agent IS NULL OR a.agent = d.agent OR coalesce(a.agent_id = d.agent_id, false) AS same_agent,
        coalesce(a.action = d.action, true) AS same_action,
        coalesce(a.resource_type = d.resource_type, true) AND coalesce(
            a.resource_id = d.resource_id, starts_with(a.resource_id, d.resource_prefix), true
        ) AS same_resource,
        coalesce(a.task_id = d.task_id, a.trace_id = d.trace_id, true) AS same_task,
        coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments,
        d.decision_time > greatest(a.event_time + s.skew, a.until_time) AS too_late,
        d.decision_time,
        d.decision_id
    FROM pairs AS p
    JOIN actions AS a ON a.action_no = p.action_no
    JOIN decisions AS d ON d.decision_no = p.decision_no
    CROSS JOIN params AS s
    WHERE a.tenant = d.tenant OR a.tenant = '' OR d.tenant = ''
),

agreed AS (
    SELECT *, same_agent AND same_action AND same_resource AND same_task AND same_arguments AND NOT too_late AS agrees
    FROM judged
)

SELECT action_no, decision_no, rung, same_agent, same_action, same_resource, same_task, same_arguments, agrees
FROM agreed
WHERE (agrees OR NOT derived) AND NOT too_late
QUALIFY row_number() OVER (
    PARTITION BY action_no
    ORDER BY (rung = 1) DESC, agrees DESC, rung, decision_time DESC, decision_id
) = 1;
