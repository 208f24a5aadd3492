-- audit: denied-then-allowed
-- question: What was denied and, soon after, allowed to the same agent?
-- reads: authorization_decisions
-- parameter within duration = 1h: How soon after.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per denial that an allow for the same agent, action and type of resource came after. `changed` has
--   what differs: resource, arguments, task, policy, approval. An approval may be the right way; another resource or
--   other arguments may be probing.
-- blind: Where another agent did it instead, rule 14 tells. That the allow was used is not looked at: see `who-did`.
WITH asked AS (
    SELECT
        tenant_id, coalesce(agent_name, agent_id, principal_id) AS agent, action, resource_type, decision, decision_id,
        min(decision_time) AS decision_time, any_value(coalesce(resource_id, resource_pattern)) AS resource,
        any_value(arguments_digest) AS arguments_digest, any_value(task_id) AS task_id,
        any_value(policy_version) AS policy_version,
        any_value(approval_id) AS approval_id, any_value(approver) AS approver, any_value(trace_id) AS trace_id,
        any_value(reason) AS reason
    FROM authorization_decisions
    WHERE decision IN ('allow', 'deny') AND ($tenant IS NULL OR tenant_id = $tenant)
    GROUP BY ALL
),

asked_by_key AS (
    SELECT *, concat_ws(chr(31), coalesce(tenant_id, ''), agent, action, coalesce(resource_type, '')) AS key FROM asked
)

SELECT
    d.decision_time AS denied_time, a.decision_time AS allowed_time,
    date_diff('millisecond', d.decision_time, a.decision_time) / 1000 AS seconds, d.tenant_id, d.agent, d.action,
    d.resource_type,
    d.resource AS denied_resource, a.resource AS allowed_resource,
    list_filter([
        CASE WHEN d.resource IS DISTINCT FROM a.resource THEN 'resource' END,
        CASE WHEN d.arguments_digest IS DISTINCT FROM a.arguments_digest THEN 'arguments' END,
        CASE WHEN d.task_id IS DISTINCT FROM a.task_id THEN 'task' END,
        CASE WHEN d.policy_version IS DISTINCT FROM a.policy_version THEN 'policy' END,
        CASE WHEN d.approval_id IS DISTINCT FROM a.approval_id THEN 'approval' END
    ], lambda x: x IS NOT NULL) AS changed,
    d.reason AS denied_reason, a.approver, d.decision_id AS denied_decision_id, a.decision_id AS allowed_decision_id,
    d.trace_id
FROM (SELECT * FROM asked_by_key WHERE decision = 'deny') AS d
ASOF JOIN (SELECT * FROM asked_by_key WHERE decision = 'allow') AS a
    ON a.key = d.key AND a.decision_time > d.decision_time
WHERE a.decision_time <= d.decision_time + $within
    AND ($since IS NULL OR d.decision_time >= $since)
    AND ($until IS NULL OR d.decision_time < $until)
ORDER BY denied_time, denied_decision_id;
