-- audit: who-could
-- question: Who could do this at that moment, and by what?
-- reads: identity_events, decisions, events, params
-- parameter action text = none: The action, such as refund; any without it.
-- parameter resource_type text = none: The type of resource; any without it.
-- parameter resource text = none: The resource; any without it.
-- parameter at time = none: The moment; that of the newest event or decision without it.
-- parameter tenant text = none: Of this tenant; of all without it.
-- answer: One row per thing that permitted it at that moment: `grant` (a permission held, by its id and whether it is
--   standing), `decision` (an allow that still held) and `approval` (a human approval that still held). `permission` is
--   as granted, and may be a wildcard.
-- blind: What a policy would have answered if it had been asked is not on record. Scopes of credentials are no grants.
--   A decision without an expiry counts for `correlate.max_age`; that its uses were used up is not looked at.
WITH moment AS (
    SELECT coalesce($at, max(at_time)) AS at_time
    FROM (
        SELECT max(decision_time) AS at_time FROM decisions
        UNION ALL
        SELECT max(event_time) FROM events
    )
),

withdrawn AS (
    SELECT tenant_id, grant_id, min(event_time) AS revoked_time
    FROM identity_events
    WHERE event_type = 'grant_revoked' AND grant_id IS NOT NULL
    GROUP BY ALL
),

given AS (
    SELECT DISTINCT
        i.tenant_id, coalesce(i.agent_name, i.agent_id, i.principal_id) AS agent,
        CASE i.event_type WHEN 'grant' THEN 'grant' ELSE 'approval' END AS by,
        CASE i.event_type WHEN 'grant' THEN coalesce(i.grant_id, i.event_id) ELSE i.approval_id END AS id,
        coalesce(i.scope, i.resource_type || '.' || coalesce(i.action, '*')) AS permission,
        i.resource_id AS resource,
        i.event_time AS since_time, least(i.expires_time, w.revoked_time) AS until_time, i.standing, i.approver
    FROM identity_events AS i
    LEFT JOIN withdrawn AS w
        ON i.event_type = 'grant' AND w.tenant_id IS NOT DISTINCT FROM i.tenant_id AND w.grant_id = i.grant_id
        AND w.revoked_time >= i.event_time
    WHERE i.event_type IN ('grant', 'approval')
    UNION ALL
    SELECT
        nullif(d.tenant, ''), d.agent, 'decision', d.decision_id, coalesce(d.resource_type, '*') || '.' || d.action,
        coalesce(d.resource_id, nullif(d.resource_prefix, '') || '*'), d.decision_time,
        least(coalesce(d.expires_time, d.decision_time + p.max_age), d.revoked_time), false, d.approver
    FROM decisions AS d
    CROSS JOIN params AS p
    WHERE d.decision = 'allow'
)

SELECT g.by, g.tenant_id, g.agent, g.permission, g.resource, g.id, g.standing, g.approver, g.since_time, g.until_time
FROM given AS g
CROSS JOIN moment AS m
WHERE g.since_time <= m.at_time AND (g.until_time IS NULL OR g.until_time > m.at_time)
    AND ($tenant IS NULL OR g.tenant_id = $tenant)
    AND ($resource_type IS NULL OR split_part(g.permission, '.', 1) IN ($resource_type, '*'))
    AND ($action IS NULL OR g.permission = '*' OR split_part(g.permission, '.', -1) IN ($action, '*'))
    AND ($resource IS NULL OR g.resource IS NULL OR g.resource = $resource
        OR (ends_with(g.resource, '*') AND starts_with($resource, rtrim(g.resource, '*'))))
ORDER BY g.by DESC, g.tenant_id, g.agent, g.permission, g.id;
