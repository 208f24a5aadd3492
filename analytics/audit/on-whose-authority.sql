-- audit: on-whose-authority
-- question: On whose authority was this done?
-- reads: authority_trace
-- parameter event text = none: The action, by its event id; any without it.
-- parameter trace text = none: The run; any without it.
-- parameter agent text = none: The agent that acted; any without it.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action: for whom, approved by whom, permitted by which decision of which decision point under
--   which policy, handed on from agent to agent (`path_agents`), with which credential. An empty `decision_id` says
--   that none stood behind it.
-- blind: What an event does not name cannot be followed. The path is as the handoffs tell it; `path_complete` is false
--   where it is longer than `correlate.hops`.
SELECT
    event_time, tenant_id, on_behalf_of, approvers, approval_ids, path_agents, depth, path_complete, agent,
    tool_name, action,
    resource_type, resource_id, executed, verdict, reason, decision_id, closest_decision_id, decision, decision_time,
    pdp_id,
    policy_version, credential_id, credential_type, attestation, trace_id, event_id
FROM authority_trace
WHERE ($event IS NULL OR event_id = $event)
    AND ($trace IS NULL OR trace_id = $trace)
    AND ($agent IS NULL OR agent = $agent)
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
ORDER BY event_time, event_id;
