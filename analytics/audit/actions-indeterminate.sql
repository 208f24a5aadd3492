-- audit: actions-indeterminate
-- question: What ran while the policy gave no answer?
-- reads: action_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action that ran and whose own decision was indeterminate: an error of the decision point, or a
--   policy that does not say. What runs then runs on the default of the point of enforcement.
-- blind: Where the decision point did not answer at all there is no decision: see `actions-without-decision`.
SELECT
    event_time, tenant_id, environment, agent, on_behalf_of, tool_name, action, resource_type, resource_id,
    sensitivity, verdict,
    reason, closest_decision_id AS decision_id, decision_time, trace_id, event_id
FROM action_backing
WHERE decision = 'indeterminate' AND executed
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
ORDER BY event_time, event_id;
