-- What an agent did, by action and type of resource, and how much of it stood on a decision of its own.
-- needs: action_backing
SELECT
    action, resource_type, count(*) FILTER (WHERE executed) AS ran, count(*) FILTER (WHERE NOT executed) AS refused,
    count(*) FILTER (WHERE executed AND verdict = 'backed') AS backed,
    count(*) FILTER (WHERE executed AND verdict = 'unknown') AS unknown,
    count(*) FILTER (WHERE executed AND verdict NOT IN ('backed', 'unknown')) AS not_backed,
    max(event_time) AS last_time
FROM action_backing
WHERE agent = $agent AND coalesce(tenant_id, '') = $tenant
GROUP BY action, resource_type
ORDER BY not_backed DESC, ran DESC, action, resource_type
LIMIT 200;
