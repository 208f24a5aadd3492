-- audit: agents-without-owner
-- question: Which agents acted for nobody that is named?
-- reads: action_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per agent with actions of which neither the event nor the decision says on whose behalf: how many of
--   how many, and what they did at most.
-- blind: That a name stands there does not prove that the person knows of it.
SELECT
    tenant_id, agent,
    count(*) FILTER (WHERE on_behalf_of IS NULL AND decision_on_behalf_of IS NULL) AS without_owner,
    count(*) AS actions,
    max(sensitivity) FILTER (WHERE on_behalf_of IS NULL AND decision_on_behalf_of IS NULL) AS highest_sensitivity,
    min(event_time) FILTER (WHERE on_behalf_of IS NULL AND decision_on_behalf_of IS NULL) AS first_time,
    max(event_time) FILTER (WHERE on_behalf_of IS NULL AND decision_on_behalf_of IS NULL) AS last_time
FROM action_backing
WHERE ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
GROUP BY tenant_id, agent
HAVING without_owner > 0
ORDER BY without_owner DESC, tenant_id, agent;
