-- The decisions that were used more than once or for more than they were made for, the most doubtful first.
-- needs: decision_uses
SELECT
    decision_id, any_value(decision) AS decision, any_value(decision_time) AS decision_time,
    any_value(decision_agent) AS agent, any_value(tenant_id) AS tenant_id, any_value(decision_action) AS action,
    any_value(decision_resource_type) AS resource_type, any_value(decision_resource_id) AS resource_id,
    any_value(max_uses) AS max_uses, count(*) AS uses,
    count(*) FILTER (WHERE NOT in_scope) AS out_of_scope,
    count(*) FILTER (WHERE NOT same_arguments) AS other_arguments,
    count(*) FILTER (WHERE NOT in_time) AS out_of_time,
    count(*) FILTER (WHERE NOT within_max_uses) AS over_uses,
    count(*) FILTER (WHERE NOT (in_scope AND same_arguments AND in_time AND within_max_uses)) AS beyond
FROM decision_uses
WHERE used
    AND ($tenant::VARCHAR IS NULL OR tenant_id = $tenant)
    AND ($agent::VARCHAR IS NULL OR decision_agent = $agent)
GROUP BY decision_id, decision_trace_id, decision_time
HAVING count(*) > 1 OR beyond > 0
ORDER BY beyond DESC, uses DESC, decision_time DESC, decision_id
LIMIT $most;
