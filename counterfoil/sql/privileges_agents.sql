-- The agents, those with most to remove first, with what their proposals come to.
WITH proposed AS (
    SELECT
        tenant_id, agent,
        count(*) FILTER (WHERE proposal = 'remove') AS to_remove,
        count(*) FILTER (WHERE proposal = 'narrow') AS to_narrow,
        max(replayed_actions) AS replayed_actions,
        max(broken_actions) AS broken_actions
    FROM least_privilege
    GROUP BY ALL
)

SELECT
    u.tenant_id, u.agent, u.eligibility, u.granted, u.used, u.unused, u.unused_rate, u.weighted_unused_rate, u.standing_share,
    coalesce(p.to_remove, 0) AS to_remove,
    coalesce(p.to_narrow, 0) AS to_narrow,
    coalesce(p.replayed_actions, 0) AS replayed_actions,
    coalesce(p.broken_actions, 0) AS broken_actions
FROM privilege_usage AS u
LEFT JOIN proposed AS p ON p.agent = u.agent AND p.tenant_id IS NOT DISTINCT FROM u.tenant_id
WHERE ($agent::VARCHAR IS NULL OR u.agent = $agent) AND ($tenant::VARCHAR IS NULL OR u.tenant_id = $tenant)
ORDER BY to_remove DESC, to_narrow DESC, u.tenant_id, u.agent;
