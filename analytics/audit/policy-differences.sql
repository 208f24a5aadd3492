-- audit: policy-differences
-- question: What was answered otherwise under one version of the policy than under another?
-- reads: authorization_decisions
-- parameter old text = none: The earlier version; the one before `new` without it.
-- parameter new text = none: The later version; the newest without it.
-- parameter one_sided text = no: yes: also what was asked under one of the two versions alone.
-- parameter tenant text = none: Of this tenant; of all without it.
-- answer: One row per agent, action and type of resource that was answered otherwise: `now_denied`, `now_allowed`,
--   `now_mixed` (allowed and denied under the new one), or `only_old` and `only_new`, where it was asked under one of
--   them alone.
-- blind: It compares answers that were given, not the policies' texts. Answers may differ for the resource or the
--   arguments and not for the policy; `decision_ids` has one decision of each side to look at.
WITH versions AS (
    SELECT policy_version, min(decision_time) AS first_time
    FROM authorization_decisions
    WHERE policy_version IS NOT NULL AND ($tenant IS NULL OR tenant_id = $tenant)
    GROUP BY policy_version
),

chosen_new AS (
    SELECT coalesce($new, arg_max(policy_version, first_time)) AS version FROM versions
),

chosen AS (
    SELECT
        coalesce($old, arg_max(v.policy_version, v.first_time) FILTER (WHERE v.first_time < n.first_time))
            AS old_version,
        any_value(c.version) AS new_version
    FROM versions AS v
    CROSS JOIN chosen_new AS c
    LEFT JOIN versions AS n ON n.policy_version = c.version
),

answers AS (
    SELECT
        d.tenant_id, coalesce(d.agent_name, d.agent_id, d.principal_id) AS agent, d.action, d.resource_type,
        count(DISTINCT d.decision_id) FILTER (WHERE d.policy_version = c.old_version) AS old_decisions,
        count(DISTINCT d.decision_id) FILTER (WHERE d.policy_version = c.new_version) AS new_decisions,
        list_sort(list(DISTINCT d.decision) FILTER (WHERE d.policy_version = c.old_version)) AS old_answers,
        list_sort(list(DISTINCT d.decision) FILTER (WHERE d.policy_version = c.new_version)) AS new_answers,
        [min(d.decision_id) FILTER (WHERE d.policy_version = c.old_version),
            min(d.decision_id) FILTER (WHERE d.policy_version = c.new_version)] AS decision_ids,
        any_value(c.old_version) AS old_version,
        any_value(c.new_version) AS new_version
    FROM authorization_decisions AS d
    CROSS JOIN chosen AS c
    WHERE d.policy_version IN (c.old_version, c.new_version) AND ($tenant IS NULL OR d.tenant_id = $tenant)
    GROUP BY ALL
)

SELECT
    CASE
        WHEN old_decisions = 0 THEN 'only_new'
        WHEN new_decisions = 0 THEN 'only_old'
        WHEN new_answers = ['deny'] THEN 'now_denied'
        WHEN new_answers = ['allow'] THEN 'now_allowed'
        ELSE 'now_mixed'
    END AS change,
    tenant_id, agent, action, resource_type, old_version, new_version, old_decisions, new_decisions, old_answers,
    new_answers,
    decision_ids
FROM answers
WHERE old_answers IS DISTINCT FROM new_answers
    AND ($one_sided = 'yes' OR (old_decisions > 0 AND new_decisions > 0))
ORDER BY change, tenant_id, agent, action, resource_type;
