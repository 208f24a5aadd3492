-- step: judged_pairs
-- needs: actions, decisions, cited_pairs, params
-- frees: cited_pairs
-- slices: numbered_actions
-- about: What an action and the decision that it names, or shares an id with, agree about. What is compared is dropped at
--        once: only its outcome goes on.
CREATE OR REPLACE TABLE judged_pairs AS
SELECT
    p.action_no,
    p.decision_no,
    p.rung,
    p.derived,
    a.agent IS NULL OR d.agent IS NULL OR a.agent = d.agent AS same_name,
    coalesce(a.action = d.action, true) AS same_action,
    coalesce(a.resource_type = d.resource_type, true) AND coalesce(
        a.resource_id = d.resource_id, starts_with(a.resource_id, d.resource_prefix), true
    ) AS same_resource,
    coalesce(a.task_id = d.task_id, a.trace_no = d.trace_no, true) AS same_task,
    coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments,
    d.decision_time > greatest(a.event_time + s.skew, a.until_time) AS too_late,
    a.tenant = d.tenant OR a.tenant = '' OR d.tenant = '' AS same_tenant
FROM cited_pairs AS p
JOIN numbered_actions AS a ON a.action_no = p.action_no
JOIN numbered_decisions AS d ON d.decision_no = p.decision_no
CROSS JOIN params AS s;
