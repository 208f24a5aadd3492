-- audit: acted-after-deny
-- question: What ran although it had been denied?
-- reads: action_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action whose newest matching decision was a denial and that ran all the same: the point of
--   enforcement did not enforce.
-- blind: What was denied and done in another way (other words, another agent) shows in `denied-then-allowed` and rule
--   14.
SELECT
    event_time, decision_time AS denied_time, tenant_id, environment, agent, on_behalf_of, tool_name, action,
    resource_type,
    resource_id, sensitivity, decision_id, trace_id, event_id
FROM action_backing
WHERE verdict = 'after_deny'
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
ORDER BY event_time, event_id;
