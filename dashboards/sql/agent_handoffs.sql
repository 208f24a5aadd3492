-- Who hands work to an agent, and to whom it hands work on.
-- needs: handoff_backing
SELECT
    CASE WHEN to_agent = $agent THEN 'in' ELSE 'out' END AS direction,
    CASE WHEN to_agent = $agent THEN from_agent ELSE to_agent END AS peer,
    count(*) AS handoffs,
    count(*) FILTER (WHERE verdict = 'backed') AS backed,
    count(*) FILTER (WHERE verdict NOT IN ('backed', 'unknown')) AS not_backed,
    max(handoff_time) AS last_time
FROM handoff_backing
WHERE (to_agent = $agent OR from_agent = $agent) AND coalesce(tenant_id, '') = $tenant
GROUP BY ALL
ORDER BY direction, handoffs DESC, peer
LIMIT 100;
