-- audit: privileges-unused
-- question: Which permissions were held for long and not used?
-- reads: identity_events, action_backing, decisions
-- parameter for duration = 90d: For how long.
-- parameter standing_only text = yes: yes: those that hold until revoked; no: also those given for a time.
-- parameter tenant text = none: Of this tenant; of all without it.
-- answer: One row per permission that an agent held through the whole window up to the newest record, and that no
--   action of it used which ran, was permitted and stood on a decision of its own. `agent_actions` is 0 for an agent
--   that did nothing at all.
-- blind: With less history than the window, the window is as long as the history. A use of which no event came makes a
--   permission look unused: see `coverage`. What a wildcard was used for, `counterfoil privileges` says.
WITH span AS (
    SELECT min(at_time) AS first_time, max(at_time) AS to_time
    FROM (
        SELECT event_time AS at_time FROM action_backing
        UNION ALL
        SELECT decision_time FROM decisions
        UNION ALL
        SELECT event_time FROM identity_events WHERE event_type IN ('grant', 'grant_revoked')
    )
),

looked AS (
    SELECT greatest(first_time, to_time - $for) AS from_time, to_time FROM span
),

withdrawn AS (
    SELECT tenant_id, grant_id, min(event_time) AS revoked_time
    FROM identity_events
    WHERE event_type = 'grant_revoked' AND grant_id IS NOT NULL
    GROUP BY ALL
),

held AS (
    SELECT
        i.tenant_id, coalesce(i.agent_name, i.agent_id, i.principal_id) AS agent,
        coalesce(i.scope, i.resource_type || '.' || i.action) AS permission,
        min(i.event_time) AS since_time, bool_or(coalesce(i.standing, true)) AS standing,
        max(i.sensitivity) AS sensitivity,
        list_sort(list(DISTINCT coalesce(i.grant_id, i.event_id))) AS grant_ids
    FROM identity_events AS i
    CROSS JOIN looked AS l
    LEFT JOIN withdrawn AS w ON w.tenant_id IS NOT DISTINCT FROM i.tenant_id AND w.grant_id = i.grant_id
    WHERE i.event_type = 'grant' AND i.event_time <= l.from_time
        AND coalesce(least(i.expires_time, w.revoked_time) >= l.to_time, true)
        AND ($standing_only = 'no' OR coalesce(i.standing, true))
        AND ($tenant IS NULL OR i.tenant_id = $tenant)
    GROUP BY ALL
),

used AS (
    SELECT
        b.tenant_id, b.agent,
        coalesce(b.resource_type, b.decision_resource_type, '') AS kind,
        coalesce(b.action, b.decision_action) AS action,
        b.executed AND b.decision = 'allow' AND b.verdict IN ('backed', 'stale') AS rightly
    FROM action_backing AS b
    CROSS JOIN looked AS l
    WHERE b.event_time BETWEEN l.from_time AND l.to_time
)

SELECT
    h.tenant_id, h.agent, h.permission, h.sensitivity, h.standing, h.since_time, h.grant_ids,
    l.from_time AS window_start_time,
    l.to_time AS window_end_time,
    (SELECT count(*) FROM used AS u WHERE u.tenant_id IS NOT DISTINCT FROM h.tenant_id AND u.agent = h.agent)
        AS agent_actions
FROM held AS h
CROSS JOIN looked AS l
WHERE NOT EXISTS (
    SELECT 1 FROM used AS u
    WHERE u.tenant_id IS NOT DISTINCT FROM h.tenant_id AND u.agent = h.agent AND u.rightly
        AND h.permission IN (u.kind || '.' || u.action, u.kind || '.*', '*', '*.*')
)
ORDER BY h.sensitivity DESC NULLS LAST, h.tenant_id, h.agent, h.permission;
