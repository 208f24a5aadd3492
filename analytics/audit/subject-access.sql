-- audit: subject-access
-- question: Where does this person appear in the record?
-- reads: action_backing, decisions, identity_events, triage
-- parameter person text: The person, as the record names them, such as user:ana@example.com.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per kind of trace and part: actions on their behalf, decisions about them, approvals that they gave,
--   grants and credentials in their name, work on findings. `ids` has the first thousand ids.
-- blind: Names are compared as they are written; a person who is known by several must be asked for by each. What a
--   record's own text says about the person (`raw`, `attributes`, ids of resources) is not searched.
SELECT
    part, tenant_id, agent, count(*) AS records, min(at_time) AS first_time, max(at_time) AS last_time,
    list_sort(list(DISTINCT what)) AS what, list_slice(list_sort(list(DISTINCT id)), 1, 1000) AS ids
FROM (
    SELECT 'action on their behalf' AS part, tenant_id, agent, event_time AS at_time,
    concat_ws('.', resource_type, action) AS what,
        event_id AS id
    FROM action_backing
    WHERE on_behalf_of = $person
    UNION ALL
    SELECT 'action on their approval', tenant_id, agent, event_time, concat_ws('.', resource_type, action), event_id
    FROM action_backing
    WHERE approver = $person AND reason <> 'inherited'
    UNION ALL
    SELECT 'decision about them', nullif(tenant, ''), agent, decision_time, decision, decision_id
    FROM decisions
    WHERE on_behalf_of = $person OR principal_id = $person OR list_contains(delegation_chain, $person)
    UNION ALL
    SELECT 'identity event', tenant_id, coalesce(agent_name, agent_id, principal_id), event_time, event_type, event_id
    FROM identity_events
    WHERE on_behalf_of = $person OR principal_id = $person OR approver = $person OR list_contains(act_chain, $person)
    UNION ALL
    SELECT 'work on findings', NULL, NULL, triage_time, status, finding_id
    FROM triage
    WHERE actor = $person OR assignee = $person
)
WHERE ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR at_time >= $since)
    AND ($until IS NULL OR at_time < $until)
GROUP BY part, tenant_id, agent
ORDER BY part, tenant_id, agent;
