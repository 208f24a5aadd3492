-- The findings of a rule that hold and that a suppression's scope takes in. Each key is a pattern for LIKE, or null for any.
-- needs: current_findings
SELECT finding_id, level, title, agent, last_seen_time, count(*) OVER () AS total
FROM current_findings
WHERE rule_id = $rule AND status IN ('open', 'updated')
    AND ($tenant::VARCHAR IS NULL OR tenant_id LIKE $tenant ESCAPE '\')
    AND ($environment::VARCHAR IS NULL OR environment LIKE $environment ESCAPE '\')
    AND ($agent::VARCHAR IS NULL OR agent LIKE $agent ESCAPE '\')
    AND ($action::VARCHAR IS NULL OR action LIKE $action ESCAPE '\')
    AND ($resource::VARCHAR IS NULL OR resource_id LIKE $resource ESCAPE '\')
    AND ($reason::VARCHAR IS NULL OR reason LIKE $reason ESCAPE '\')
    AND ($trace::VARCHAR IS NULL OR trace_id LIKE $trace ESCAPE '\')
    AND ($finding::VARCHAR IS NULL OR finding_id LIKE $finding ESCAPE '\')
ORDER BY list_position(['critical', 'high', 'medium', 'low', 'informational'], level), last_seen_time DESC, finding_id
LIMIT $most;
