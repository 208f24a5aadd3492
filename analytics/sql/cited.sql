-- step: cited
-- needs: actions, decisions, params
-- about: Rungs 1 to 3 of the join ladder: the decision that an action names, or shares a call, request or span with.
--        What the pair disagrees about is kept: a decision that was named but made for something else is a finding.
CREATE OR REPLACE TABLE cited_pairs AS
SELECT action_no, decision_no, derived, min(rung) AS rung
FROM (
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
    WHERE a.trace_no IS NULL OR d.trace_no IS NULL OR a.trace_no = d.trace_no
    UNION ALL
    SELECT a.action_no, d.decision_no, 2, false
    FROM actions AS a
    JOIN decisions AS d ON d.request_id = a.tool_call_id
    WHERE a.trace_no IS NULL OR d.trace_no IS NULL OR a.trace_no = d.trace_no
    UNION ALL
    SELECT a.action_no, d.decision_no, 2, false
    FROM actions AS a
    JOIN decisions AS d ON d.request_id = a.request_id
    WHERE a.trace_no IS NULL OR d.trace_no IS NULL OR a.trace_no = d.trace_no
    UNION ALL
    SELECT a.action_no, d.decision_no, 3, false
    FROM actions AS a
    JOIN decisions AS d ON d.trace_no = a.trace_no AND d.span_id = a.span_id
)
GROUP BY action_no, decision_no, derived;

-- What is compared is dropped at once: only its outcome goes on.
CREATE OR REPLACE TABLE judged_pairs AS
SELECT *, same_agent AND same_action AND same_resource AND same_task AND same_arguments AND NOT too_late AS agrees
FROM (
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
        coalesce(a.task_id = d.task_id, a.trace_no = d.trace_no, true) AS same_task,
        coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments,
        d.decision_time > greatest(a.event_time + s.skew, a.until_time) AS too_late,
        a.tenant = d.tenant OR a.tenant = '' OR d.tenant = '' AS same_tenant
    FROM cited_pairs AS p
    JOIN actions AS a ON a.action_no = p.action_no
    JOIN decisions AS d ON d.decision_no = p.decision_no
    CROSS JOIN params AS s
);

CREATE OR REPLACE TABLE cited AS
WITH able AS (
    SELECT action_no, decision_no, rung, same_agent, same_action, same_resource, same_task, same_arguments, agrees
    FROM judged_pairs
    WHERE (agrees OR NOT derived) AND NOT too_late AND same_tenant
),

-- Most actions have one decision only, and need no order.
contested AS (
    SELECT action_no FROM able GROUP BY action_no HAVING count(*) > 1
)

SELECT a.*
FROM able AS a
LEFT JOIN contested AS c ON c.action_no = a.action_no
WHERE c.action_no IS NULL
UNION ALL
SELECT a.*
FROM able AS a
JOIN contested AS c ON c.action_no = a.action_no
JOIN decisions AS d ON d.decision_no = a.decision_no
QUALIFY row_number() OVER (
    PARTITION BY a.action_no
    ORDER BY (a.rung = 1) DESC, a.agrees DESC, a.rung, d.decision_time DESC, d.decision_id
) = 1;
