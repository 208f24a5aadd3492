-- How many findings of each level there are per rule, agent, trace, tenant or level, of those that the queue's filters leave.
-- needs: current_findings
-- macro: filtered_findings
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
FROM filtered_findings($levels, $rule, $tenant, $agent, $trace, $assignee, $from_time, $to_time, $work)
GROUP BY 1
ORDER BY critical DESC, high DESC, medium DESC, findings DESC, 1
LIMIT $most;
