-- What an agent was granted, and whether its permitted actions used it in the window.
-- needs: privilege_usage
SELECT
    g.permission,
    CASE
        WHEN list_contains(u.used_permissions, g.permission) THEN 'used'
        WHEN list_contains(u.unused_high_risk, g.permission) THEN 'unused, high risk'
        WHEN list_contains(u.unused_permissions, g.permission) THEN 'unused'
        ELSE 'not all of the window'
    END AS use,
    g.standing, g.sensitivity, g.from_time, g.until_time, g.grant_id
FROM grants AS g
LEFT JOIN privilege_usage AS u ON coalesce(u.tenant_id, '') = g.tenant AND u.agent = g.agent
WHERE g.agent = $agent AND g.tenant = $tenant
ORDER BY list_position(['unused, high risk', 'unused', 'not all of the window', 'used'], use), g.permission, g.from_time
LIMIT 500;
