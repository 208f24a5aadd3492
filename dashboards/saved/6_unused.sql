-- Permissions held and never used
SELECT tenant_id, agent, granted, unused, unused_permissions, unused_high_risk
FROM privilege_usage
WHERE unused > 0
ORDER BY len(unused_high_risk) DESC, unused DESC, agent;
