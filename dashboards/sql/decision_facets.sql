-- The answers that the filters leave, in all and per agent, action, type of resource or revision of the policy.
-- needs: decisions
-- macro: filtered_decisions
SELECT
    CASE $by::VARCHAR
        WHEN 'agent' THEN agent
        WHEN 'action' THEN action
        WHEN 'resource' THEN resource_type
        WHEN 'policy' THEN policy_version
        WHEN 'tenant' THEN nullif(tenant, '')
    END AS value,
    count(*) AS decisions,
    count(*) FILTER (WHERE decision = 'allow') AS allow,
    count(*) FILTER (WHERE decision = 'deny') AS deny,
    count(*) FILTER (WHERE decision NOT IN ('allow', 'deny')) AS indeterminate,
    100.0 * count(*) FILTER (WHERE decision = 'allow') / count(*) AS allow_percent,
    100.0 * count(*) FILTER (WHERE decision = 'deny') / count(*) AS deny_percent,
    count(*) FILTER (WHERE approver IS NOT NULL) AS approved
FROM filtered_decisions($answers, $tenant, $agent, $action, $resource_type, $text)
GROUP BY 1
ORDER BY deny DESC, decisions DESC, 1
LIMIT 200;
