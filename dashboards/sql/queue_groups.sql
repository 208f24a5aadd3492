-- How many findings of each level there are per rule, agent, trace, tenant or level, of those that the queue's filters leave.
-- needs: current_findings
SELECT
    CASE $by::VARCHAR
        WHEN 'rule' THEN rule_id
        WHEN 'agent' THEN agent
        WHEN 'in_run' THEN trace_id
        WHEN 'tenant' THEN tenant_id
        ELSE level
    END AS value,
    count(*) AS findings,
    count(*) FILTER (WHERE level = 'critical') AS critical,
    count(*) FILTER (WHERE level = 'high') AS high,
    count(*) FILTER (WHERE level = 'medium') AS medium,
    count(*) FILTER (WHERE triage_status = 'new') AS new,
    max(last_seen_time) AS last_seen_time
FROM current_findings
WHERE (len($levels::VARCHAR[]) = 0 OR list_contains($levels::VARCHAR[], level))
    AND ($rule::VARCHAR IS NULL OR rule_id = $rule)
    AND ($tenant::VARCHAR IS NULL OR tenant_id = $tenant)
    AND ($agent::VARCHAR IS NULL OR agent = $agent)
    AND ($trace::VARCHAR IS NULL OR trace_id = $trace)
    AND ($assignee::VARCHAR IS NULL OR coalesce(assignee, '') = $assignee)
    AND ($from_time::TIMESTAMPTZ IS NULL OR last_seen_time >= $from_time)
    AND ($to_time::TIMESTAMPTZ IS NULL OR first_seen_time <= $to_time)
    AND CASE $work::VARCHAR
        WHEN 'open' THEN status IN ('open', 'updated') AND triage_status <> 'closed'
        WHEN 'new' THEN status IN ('open', 'updated') AND triage_status = 'new'
        WHEN 'in_progress' THEN status IN ('open', 'updated') AND triage_status = 'in_progress'
        WHEN 'closed' THEN status = 'closed' OR triage_status = 'closed'
        WHEN 'suppressed' THEN status = 'suppressed'
        ELSE true
    END
GROUP BY 1
ORDER BY critical DESC, high DESC, medium DESC, findings DESC, 1
LIMIT $most;
