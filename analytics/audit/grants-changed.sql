-- audit: grants-changed
-- question: Who was given, or lost, which permission in the period?
-- reads: identity_events
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per grant and per withdrawal, in order of time, with the reason that the source gives. A withdrawal
--   has the permission of the grant that it names.
-- blind: A grant that ended by its expiry has no row of its own: `until_time` says when. What a policy permits without
--   a grant is not here.
WITH given AS (
    SELECT
        tenant_id, grant_id, min(coalesce(scope, resource_type || '.' || action)) AS permission,
        min(coalesce(agent_name, agent_id, principal_id)) AS agent
    FROM identity_events
    WHERE event_type = 'grant' AND grant_id IS NOT NULL
    GROUP BY ALL
)

SELECT
    i.event_time, i.event_type AS what, i.tenant_id,
    coalesce(i.agent_name, i.agent_id, i.principal_id, g.agent) AS agent,
    coalesce(i.scope, i.resource_type || '.' || i.action, g.permission) AS permission, i.resource_id, i.standing,
    i.sensitivity,
    i.expires_time AS until_time, i.approver, i.reason, i.grant_id, i.event_id
FROM identity_events AS i
LEFT JOIN given AS g
    ON i.event_type = 'grant_revoked' AND g.grant_id = i.grant_id AND g.tenant_id IS NOT DISTINCT FROM i.tenant_id
WHERE i.event_type IN ('grant', 'grant_revoked')
    AND ($tenant IS NULL OR i.tenant_id = $tenant)
    AND ($since IS NULL OR i.event_time >= $since)
    AND ($until IS NULL OR i.event_time < $until)
QUALIFY row_number() OVER (
    PARTITION BY i.tenant_id, i.event_id ORDER BY i.source_topic, i.source_partition, i.source_offset
) = 1
ORDER BY i.event_time, i.event_id;
