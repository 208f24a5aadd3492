-- Every agent that acted, decided upon or granted something, those with open findings first.
-- needs: agent_activity, current_findings, privilege_usage
WITH acted AS (
    SELECT coalesce(tenant_id, '') AS tenant, agent, sum(actions)::BIGINT AS actions, max(last_time) AS last_time
    FROM agent_activity
    WHERE agent IS NOT NULL
    GROUP BY ALL
),

found AS (
    SELECT
        coalesce(tenant_id, '') AS tenant, agent, count(*) AS findings,
        min(list_position(['critical', 'high', 'medium', 'low', 'informational'], level)) AS worst
    FROM current_findings
    WHERE agent IS NOT NULL AND status IN ('open', 'updated') AND triage_status <> 'closed'
    GROUP BY ALL
),

held AS (
    SELECT coalesce(tenant_id, '') AS tenant, agent FROM privilege_usage WHERE agent IS NOT NULL
),

every AS (
    SELECT tenant, agent FROM acted UNION SELECT tenant, agent FROM found UNION SELECT tenant, agent FROM held
)

SELECT
    nullif(e.tenant, '') AS tenant_id, e.agent, coalesce(a.actions, 0) AS actions, a.last_time,
    coalesce(f.findings, 0) AS findings, ['critical', 'high', 'medium', 'low', 'informational'][f.worst] AS level
FROM every AS e
LEFT JOIN acted AS a ON a.tenant = e.tenant AND a.agent = e.agent
LEFT JOIN found AS f ON f.tenant = e.tenant AND f.agent = e.agent
ORDER BY f.worst NULLS LAST, f.findings DESC NULLS LAST, a.actions DESC NULLS LAST, e.agent, e.tenant
LIMIT $most;
