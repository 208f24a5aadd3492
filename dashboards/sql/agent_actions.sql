-- What an agent did, by action and type of resource, and how much of it stood on a decision of its own.
-- needs: agent_activity
SELECT
    action, resource_type,
    coalesce(sum(actions) FILTER (WHERE executed), 0)::BIGINT AS ran,
    coalesce(sum(actions) FILTER (WHERE NOT executed), 0)::BIGINT AS refused,
    coalesce(sum(actions) FILTER (WHERE executed AND verdict = 'backed'), 0)::BIGINT AS backed,
    coalesce(sum(actions) FILTER (WHERE executed AND verdict = 'unknown'), 0)::BIGINT AS unknown,
    coalesce(sum(actions) FILTER (WHERE executed AND verdict NOT IN ('backed', 'unknown')), 0)::BIGINT AS not_backed,
    max(last_time) AS last_time
FROM agent_activity
WHERE agent = $agent AND coalesce(tenant_id, '') = $tenant
GROUP BY action, resource_type
ORDER BY not_backed DESC, ran DESC, action, resource_type
LIMIT 200;
