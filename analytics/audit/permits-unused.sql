-- audit: permits-unused
-- question: Which permissions were asked for, granted, and then not used?
-- reads: decision_uses
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per agent, action and type of resource: allows of the period that no action rests on, of how many.
--   Many say that agents ask for more than they do, or that actions are not logged.
-- blind: An action that does not name its decision, and differs in agent, action or resource, leaves the decision
--   unused.
SELECT
    tenant_id, decision_agent AS agent, decision_action AS action, decision_resource_type AS resource_type,
    count(DISTINCT decision_id) FILTER (WHERE NOT used) AS unused,
    count(DISTINCT decision_id) AS allowed,
    min(decision_time) FILTER (WHERE NOT used) AS first_time,
    max(decision_time) FILTER (WHERE NOT used) AS last_time
FROM decision_uses
WHERE decision = 'allow'
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR decision_time >= $since)
    AND ($until IS NULL OR decision_time < $until)
GROUP BY ALL
HAVING unused > 0
ORDER BY unused DESC, tenant_id, agent, action, resource_type;
