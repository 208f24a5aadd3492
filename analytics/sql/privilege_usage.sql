-- view: privilege_usage
-- needs: identity_events, decisions, action_backing, params
-- about: One row per agent: the permissions that it held through the whole window, those that its permitted actions used,
--        and whether it can be judged: an agent without activity is dormant, one granted its permissions within the window
--        is too new, one of which only credential scopes are known has no grants to compare.
CREATE OR REPLACE TABLE privilege_window AS
WITH seen AS (
    SELECT min(decision_time) AS first_time, max(decision_time) AS last_time FROM decisions
    UNION ALL
    SELECT min(event_time), max(event_time) FROM identity_events WHERE event_type IN ('grant', 'grant_revoked')
    UNION ALL
    SELECT min(event_time), max(event_time) FROM action_backing
)

SELECT
    greatest(min(first_time), max(last_time) - (SELECT privilege_window FROM params)) AS from_time,
    max(last_time) AS to_time
FROM seen;

CREATE OR REPLACE TABLE grants AS
WITH given AS (
    SELECT
        coalesce(tenant_id, '') AS tenant,
        coalesce(agent_name, agent_id, principal_id) AS agent,
        coalesce(scope, resource_type || '.' || action) AS permission,
        coalesce(grant_id, event_id) AS grant_id,
        min(event_time) AS from_time,
        min(expires_time) AS expires_time,
        coalesce(bool_and(standing), true) AS standing,
        max(sensitivity) AS sensitivity
    FROM identity_events
    WHERE event_type = 'grant'
    GROUP BY ALL
),

withdrawn AS (
    SELECT coalesce(tenant_id, '') AS tenant, grant_id, min(event_time) AS revoked_time
    FROM identity_events
    WHERE event_type = 'grant_revoked' AND grant_id IS NOT NULL
    GROUP BY ALL
)

SELECT g.* EXCLUDE (expires_time), least(g.expires_time, w.revoked_time) AS until_time
FROM given AS g
LEFT JOIN withdrawn AS w ON w.tenant = g.tenant AND w.grant_id = g.grant_id
WHERE g.permission IS NOT NULL AND g.agent IS NOT NULL;

CREATE OR REPLACE TABLE privilege_usage AS
WITH held AS (
    SELECT
        g.tenant, g.agent, g.permission, max(g.sensitivity) AS sensitivity,
        bool_or(g.from_time <= w.from_time AND (g.until_time IS NULL OR g.until_time >= w.to_time)) AS throughout
    FROM grants AS g
    CROSS JOIN privilege_window AS w
    WHERE g.from_time <= w.to_time AND (g.until_time IS NULL OR g.until_time > w.from_time)
    GROUP BY ALL
),

used AS (
    SELECT
        coalesce(b.tenant_id, '') AS tenant, b.agent,
        coalesce(b.resource_type, b.decision_resource_type, '') || '.' || coalesce(b.action, b.decision_action) AS permission,
        coalesce(b.resource_type, b.decision_resource_type, '') || '.*' AS any_action,
        count(*) AS uses
    FROM action_backing AS b
    CROSS JOIN privilege_window AS w
    WHERE b.executed AND b.decision = 'allow' AND b.verdict IN ('backed', 'stale')
        AND b.event_time BETWEEN w.from_time AND w.to_time
    GROUP BY ALL
),

matched AS (
    SELECT h.tenant, h.agent, h.permission, h.sensitivity, h.throughout, coalesce(sum(u.uses), 0) AS uses
    FROM held AS h
    LEFT JOIN used AS u
        ON u.tenant = h.tenant AND u.agent = h.agent AND h.permission IN (u.permission, u.any_action, '*', '*.*')
    GROUP BY ALL
),

hours AS (
    SELECT
        g.tenant, g.agent,
        sum(date_diff('second', greatest(g.from_time, w.from_time), least(coalesce(g.until_time, w.to_time), w.to_time)))
            FILTER (WHERE g.standing) / 3600.0 AS standing_hours,
        sum(date_diff('second', greatest(g.from_time, w.from_time), least(coalesce(g.until_time, w.to_time), w.to_time)))
            / 3600.0 AS grant_hours
    FROM grants AS g
    CROSS JOIN privilege_window AS w
    WHERE g.from_time <= w.to_time AND (g.until_time IS NULL OR g.until_time > w.from_time)
    GROUP BY ALL
),

activity AS (
    SELECT tenant, agent, sum(uses) AS uses FROM used GROUP BY ALL
),

scoped AS (
    SELECT tenant, agent, list_sort(list_distinct(flatten(list(scopes)))) AS scopes
    FROM decisions
    WHERE scopes IS NOT NULL AND agent IS NOT NULL
    GROUP BY ALL
),

counted AS (
    SELECT
        tenant, agent,
        count(*) FILTER (WHERE throughout) AS granted,
        count(*) FILTER (WHERE throughout AND uses > 0) AS used,
        count(*) FILTER (WHERE NOT throughout) AS granted_later,
        list_sort(list(permission) FILTER (WHERE throughout AND uses = 0)) AS unused_permissions,
        list_sort(list(permission) FILTER (WHERE throughout AND uses > 0)) AS used_permissions,
        list_sort(list(permission) FILTER (WHERE throughout AND uses = 0
            AND sensitivity >= (SELECT high_risk FROM params))) AS unused_high_risk,
        sum(1 + coalesce(sensitivity, 0)) FILTER (WHERE throughout) AS weight,
        sum(1 + coalesce(sensitivity, 0)) FILTER (WHERE throughout AND uses = 0) AS unused_weight
    FROM matched
    GROUP BY ALL
)

SELECT
    nullif(coalesce(c.tenant, s.tenant), '') AS tenant_id,
    coalesce(c.agent, s.agent) AS agent,
    w.from_time AS window_start_time,
    w.to_time AS window_end_time,
    coalesce(c.granted, 0) AS granted,
    coalesce(c.used, 0) AS used,
    coalesce(c.granted - c.used, 0) AS unused,
    CASE WHEN c.granted > 0 THEN 1 - c.used / c.granted::DOUBLE END AS unused_rate,
    CASE WHEN c.weight > 0 THEN coalesce(c.unused_weight, 0) / c.weight::DOUBLE END AS weighted_unused_rate,
    coalesce(c.used_permissions, []) AS used_permissions,
    coalesce(c.unused_permissions, []) AS unused_permissions,
    coalesce(c.unused_high_risk, []) AS unused_high_risk,
    coalesce(a.uses, 0) AS permitted_actions,
    round(h.standing_hours / nullif(h.grant_hours, 0), 4) AS standing_share,
    coalesce(s.scopes, []) AS credential_scopes,
    CASE
        WHEN c.agent IS NULL THEN 'scopes_only'
        WHEN c.granted = 0 THEN 'too_new'
        WHEN coalesce(a.uses, 0) = 0 THEN 'dormant'
        ELSE 'eligible'
    END AS eligibility
FROM counted AS c
FULL JOIN scoped AS s ON s.tenant = c.tenant AND s.agent = c.agent
CROSS JOIN privilege_window AS w
LEFT JOIN hours AS h ON h.tenant = c.tenant AND h.agent = c.agent
LEFT JOIN activity AS a ON a.tenant = coalesce(c.tenant, s.tenant) AND a.agent = coalesce(c.agent, s.agent);
