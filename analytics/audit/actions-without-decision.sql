-- audit: actions-without-decision
-- question: Which actions does no decision cover?
-- reads: action_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action. `unbacked`: the decisions of that time are complete, and none stands behind it.
--   `unknown`: none was seen, but they are not complete for that time, so that it cannot be told yet.
--   `closest_decision_id` is what came nearest.
-- blind: Actions with a wrong, stale or denied decision are not here: `decisions-overused` and `acted-after-deny` have
--   them.
SELECT
    event_time, verdict, reason, tenant_id, environment, agent, on_behalf_of, tool_name, action, resource_type,
    resource_id,
    sensitivity, labels, closest_decision_id, confidence, trace_id, event_id
FROM action_backing
WHERE verdict IN ('unbacked', 'unknown')
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
ORDER BY event_time, event_id;
