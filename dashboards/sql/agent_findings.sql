-- The findings about an agent, open ones first.
-- needs: current_findings
SELECT finding_id, level, title, rule_id, status, triage_status, assignee, last_seen_time, count(*) OVER () AS total
FROM current_findings
WHERE agent = $agent AND coalesce(tenant_id, '') = $tenant
ORDER BY
    status IN ('open', 'updated') AND triage_status <> 'closed' DESC,
    list_position(['critical', 'high', 'medium', 'low', 'informational'], level), last_seen_time DESC, finding_id
LIMIT 100;
