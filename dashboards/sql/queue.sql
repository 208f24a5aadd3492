-- The queue: findings in their newest state, in the order that is asked for.
-- needs: current_findings
-- macro: filtered_findings
SELECT
    finding_id, level, title, agent, tenant_id, rule_id, rule_name, verdict, reason, status, triage_status, assignee,
    triage_version, last_seen_time, first_seen_time, trace_id, action, resource_type, resource_id, confidence, explanation,
    count(*) OVER () AS total
FROM filtered_findings($levels, $rule, $tenant, $agent, $trace, $assignee, $from_time, $to_time, $work)
ORDER BY
    CASE WHEN $sort::VARCHAR = 'newest' THEN last_seen_time END DESC NULLS LAST,
    CASE WHEN $sort = 'oldest' THEN last_seen_time END NULLS LAST,
    CASE WHEN $sort = 'agent' THEN agent END NULLS LAST,
    CASE WHEN $sort = 'rule' THEN rule_id END NULLS LAST,
    list_position(['critical', 'high', 'medium', 'low', 'informational'], level), last_seen_time DESC, finding_id
LIMIT $most;
