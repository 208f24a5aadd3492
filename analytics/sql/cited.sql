-- step: cited
-- needs: actions, decisions, cited_pairs, params
-- frees: cited_pairs
-- slices: numbered_actions, cited_pairs
-- about: The decision of each action on rungs 1 to 3 of the join ladder. What the pair disagrees about is kept: a decision
--        that was named but made for something else is a finding.
CREATE OR REPLACE TABLE cited AS
-- Most actions have one decision only, in however many ways they are tied, and need no order.
WITH told AS (
    SELECT
        action_no, min(decision_no) AS decision_no, min(rung) AS rung, bool_or(derived) AS derived,
        min(decision_no) <> max(decision_no) OR bool_or(derived) <> bool_and(derived) AS contested
    FROM cited_pairs
    GROUP BY action_no
),

pairs AS (
    SELECT action_no, decision_no, rung, derived, contested
    FROM told
    WHERE NOT contested
    UNION ALL
    SELECT p.action_no, p.decision_no, min(p.rung), p.derived, true
    FROM told AS t
    JOIN cited_pairs AS p ON p.action_no = t.action_no
    WHERE t.contested
    GROUP BY p.action_no, p.decision_no, p.derived
),

judged AS (
    SELECT
        p.action_no,
        p.decision_no,
        p.rung,
        p.derived,
        p.contested,
        coalesce(a.action = d.action, true) AS same_action,
        coalesce(a.resource_type = d.resource_type, true) AND coalesce(
            a.resource_id = d.resource_id, starts_with(a.resource_id, d.resource_prefix), true
        ) AS same_resource,
        coalesce(a.task_id = d.task_id, a.trace_no = d.trace_no, true) AS same_task,
        coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments,
        coalesce(a.agent = d.agent, true) OR coalesce(a.agent_id = d.agent_id, false) AS same_agent,
        a.tenant = d.tenant OR a.tenant = '' OR d.tenant = '' AS same_tenant
    FROM pairs AS p
    JOIN numbered_actions AS a ON a.action_no = p.action_no
    JOIN numbered_decisions AS d ON d.decision_no = p.decision_no
    CROSS JOIN params AS s
    WHERE d.decision_time <= greatest(a.event_time + s.skew, a.until_time)
),

able AS (
    SELECT * EXCLUDE (derived, same_tenant)
    FROM (
        SELECT *, same_agent AND same_action AND same_resource AND same_task AND same_arguments AS agrees
        FROM judged
    )
    WHERE same_tenant AND (agrees OR NOT derived)
)

SELECT * EXCLUDE (contested)
FROM able
WHERE NOT contested
UNION ALL
SELECT a.* EXCLUDE (contested)
FROM able AS a
JOIN numbered_decisions AS d ON d.decision_no = a.decision_no
WHERE a.contested
QUALIFY row_number() OVER (
    PARTITION BY a.action_no
    ORDER BY (a.rung = 1) DESC, a.agrees DESC, a.rung, d.decision_time DESC, d.decision_id
) = 1;
