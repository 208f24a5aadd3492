-- audit: who-did
-- question: Who did this, or tried to, and what stood behind it?
-- reads: action_backing
-- parameter agent text = none: By this agent; by any without it.
-- parameter action text = none: The action, such as refund; any without it.
-- parameter resource_type text = none: The type of resource; any without it.
-- parameter resource text = none: The resource; any without it.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action, in order of time. `executed` is false where it was refused. The verdict says whether a
--   decision covers it; `decision_id` is the one behind it, and where there is none `closest_decision_id` the one that
--   came closest.
-- blind: An action of which no event came is not here. Where a source says neither action nor resource, it is found
--   only without these.
SELECT
    event_time, tenant_id, environment, agent, on_behalf_of, tool_name, action, resource_type, resource_id, executed,
    status,
    verdict, reason, decision_id, closest_decision_id, decision, approval_id, approver, confidence, trace_id, event_id
FROM action_backing
WHERE ($agent IS NULL OR agent = $agent)
    AND ($action IS NULL OR action = $action)
    AND ($resource_type IS NULL OR resource_type = $resource_type)
    AND ($resource IS NULL OR resource_id = $resource)
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
ORDER BY event_time, event_id;
