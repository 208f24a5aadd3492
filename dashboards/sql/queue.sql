-- The queue: findings in their newest state, in the order that is asked for.
-- needs: current_findings
SELECT
    finding_id, level, title, agent, tenant_id, rule_id, rule_name, verdict, reason, status, triage_status, assignee,
    triage_version, last_seen_time, first_seen_time, trace_id, action, resource_type, resource_id, confidence, explanation,
    count(*) OVER () AS total
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
ORDER BY
    CASE WHEN $sort::VARCHAR = 'newest' THEN last_seen_time END DESC NULLS LAST,
    CASE WHEN $sort = 'oldest' THEN last_seen_time END NULLS LAST,
    CASE WHEN $sort = 'agent' THEN agent END NULLS LAST,
    CASE WHEN $sort = 'rule' THEN rule_id END NULLS LAST,
    list_position(['critical', 'high', 'medium', 'low', 'informational'], level), last_seen_time DESC, finding_id
LIMIT $most;
