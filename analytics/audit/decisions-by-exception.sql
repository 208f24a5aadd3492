-- audit: decisions-by-exception
-- question: Which decisions came about in another way than by an explicit rule of the policy?
-- reads: authorization_decisions
-- parameter words text = break.?glass|emergency|override: What in the reason or the policies' names tells of an
--   exception; an expression.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per decision that was implicit, conditional, undefined or an error, or whose reason or policies tell
--   of an emergency (`exception`). An allow among them deserves a look.
-- blind: It rests on what the decision point says of itself. Break-glass access that is called otherwise needs other
--   `words`.
SELECT
    min(decision_time) AS decision_time, tenant_id, any_value(coalesce(agent_name, agent_id, principal_id)) AS agent,
    any_value(on_behalf_of) AS on_behalf_of, any_value(decision) AS decision, any_value(determination) AS determination,
    bool_or(regexp_matches(lower(concat_ws(' ', reason, array_to_string(policy_ids, ' '))), $words)) AS exception,
    any_value(action) AS action, any_value(resource_type) AS resource_type,
    any_value(coalesce(resource_id, resource_pattern)) AS resource,
    any_value(reason) AS reason, any_value(policy_ids) AS policy_ids, any_value(approver) AS approver,
    any_value(pdp_id) AS pdp_id,
    decision_id, any_value(trace_id) AS trace_id
FROM authorization_decisions
WHERE ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR decision_time >= $since)
    AND ($until IS NULL OR decision_time < $until)
    AND (
        determination IN ('implicit', 'conditional', 'undefined', 'error')
        OR regexp_matches(lower(concat_ws(' ', reason, array_to_string(policy_ids, ' '))), $words)
    )
GROUP BY tenant_id, decision_id
ORDER BY decision_time, decision_id;
