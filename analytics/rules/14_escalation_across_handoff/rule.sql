-- An agent was denied an action, and an agent downstream of it then ran the same action on the same resource, permitted by
-- a decision that no human approved: what the parent lacks, the child did for it. The same where the parent did not ask, but
-- the scopes of its credential, which its own decisions in the run tell, have no such permission, and the child's decision
-- does not name the parent. And a parent that passed on all its scopes by a delegated credential. Where the run does not
-- tell a parent's scopes nothing is said of what it lacks.
WITH denied AS (
    SELECT *
    FROM action_backing
    WHERE decision = 'deny' AND reason IN ('deny_enforced', 'denied') AND trace_id IS NOT NULL
),

permitted AS (
    SELECT b.*
    FROM action_backing AS b
    WHERE b.executed AND b.verdict = 'backed' AND b.decision = 'allow' AND b.trace_id IS NOT NULL
        AND b.approver IS NULL AND b.approval_id IS NULL
),

pairs AS (
    SELECT
        p.*, d.event_id AS denied_event_id, d.agent AS denied_agent, d.event_time AS denied_time,
        d.decision_id AS denied_decision_id, x.hops
    FROM permitted AS p
    JOIN denied AS d
        ON d.trace_id = p.trace_id AND d.tenant_id IS NOT DISTINCT FROM p.tenant_id
        AND d.action = p.action AND d.resource_id = p.resource_id
        AND coalesce(d.resource_type, '') = coalesce(p.resource_type, '')
    JOIN ancestors AS x ON x.trace_id = p.trace_id AND x.agent = p.agent AND x.ancestor = d.agent
    WHERE d.agent <> p.agent AND d.event_time <= p.event_time AND x.first_time <= p.event_time
    QUALIFY row_number() OVER (
        PARTITION BY p.trace_id, p.event_id ORDER BY d.event_time DESC, d.event_id
    ) = 1
),

-- What the credential of each agent holds, by the run. One scope that is not of the form `type.action` may mean anything.
scoped AS (
    SELECT DISTINCT tenant, trace_id, agent, unnest(scopes) AS scope
    FROM decisions
    WHERE scopes IS NOT NULL AND trace_id IS NOT NULL AND agent IS NOT NULL
),

held AS (
    SELECT tenant, trace_id, agent, list_sort(list(scope)) AS scopes
    FROM scoped
    GROUP BY tenant, trace_id, agent
    HAVING bool_and(scope = '*' OR contains(scope, '.'))
),

own_permits AS (
    SELECT DISTINCT tenant, trace_id, agent, resource_type, action
    FROM decisions
    WHERE decision = 'allow' AND trace_id IS NOT NULL
),

chained AS (
    SELECT decision_id, tenant, unnest(list_append(coalesce(delegation_chain, []), on_behalf_of)) AS identity
    FROM decisions
    UNION
    SELECT decision_id, tenant, unnest(act_chain)
    FROM decision_identities
),

-- Whom the decision of a step names besides its own agent.
named AS (
    SELECT c.decision_id, c.tenant, coalesce(n.agent, c.identity) AS other
    FROM chained AS c
    LEFT JOIN agent_names AS n ON n.tenant = c.tenant AND n.identity = c.identity
    UNION
    SELECT d.decision_id, d.tenant, o.agent
    FROM decisions AS d
    JOIN decisions AS o ON o.decision_id = d.parent_decision_id AND o.tenant = d.tenant
),

steps AS (
    SELECT
        p.*, coalesce(p.tenant_id, '') AS tenant, p.resource_type || '.' || p.action AS permission,
        p.resource_type || '.*' AS any_action
    FROM permitted AS p
    LEFT JOIN pairs AS q ON q.trace_id = p.trace_id AND q.event_id = p.event_id
    WHERE q.event_id IS NULL
),

-- Each step beside the nearest agents upstream whose scopes the run tells. Work that came back is not passed on.
beside AS (
    SELECT s.*, h.agent AS parent, h.scopes AS parent_scopes, y.hops, y.first_time AS handed_time
    FROM steps AS s
    JOIN ancestors AS y ON y.trace_id = s.trace_id AND y.agent = s.agent
    JOIN held AS h ON h.trace_id = s.trace_id AND h.tenant = s.tenant AND h.agent = y.ancestor
    LEFT JOIN ancestors AS back ON back.trace_id = s.trace_id AND back.agent = h.agent AND back.ancestor = s.agent
    WHERE y.first_time <= s.event_time AND back.agent IS NULL
    QUALIFY rank() OVER (PARTITION BY s.trace_id, s.event_id ORDER BY y.hops) = 1
),

-- One of several parents that may do it is enough.
may AS (
    SELECT DISTINCT b.trace_id, b.event_id
    FROM beside AS b
    LEFT JOIN own_permits AS o
        ON o.tenant = b.tenant AND o.trace_id = b.trace_id AND o.agent = b.parent AND o.action = b.action
        AND o.resource_type = b.resource_type
    LEFT JOIN named AS n ON n.decision_id = b.decision_id AND n.tenant = b.tenant AND n.other = b.parent
    WHERE o.agent IS NOT NULL OR n.other IS NOT NULL
        OR list_contains(b.parent_scopes, b.permission) OR list_contains(b.parent_scopes, b.any_action)
        OR list_contains(b.parent_scopes, '*') OR list_contains(b.parent_scopes, '*.*')
),

lacking AS (
    SELECT b.*
    FROM beside AS b
    LEFT JOIN may AS m ON m.trace_id = b.trace_id AND m.event_id = b.event_id
    WHERE m.event_id IS NULL AND b.permission IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY b.trace_id, b.event_id ORDER BY b.parent) = 1
),

-- The first step in the run under a delegated credential that holds all that its giver has, of more than one.
passed_on AS (
    SELECT b.*
    FROM beside AS b
    JOIN decisions AS d ON d.decision_id = b.decision_id AND d.tenant = b.tenant
    JOIN decision_identities AS i
        ON i.decision_id = d.decision_id AND i.tenant = d.tenant AND i.decision_time = d.decision_time
    LEFT JOIN lacking AS l ON l.trace_id = b.trace_id AND l.event_id = b.event_id
    WHERE l.event_id IS NULL AND i.credential_type = 'delegated' AND b.hops = 1
        AND len(b.parent_scopes) > 1 AND d.scopes IS NOT NULL
        AND len(list_filter(b.parent_scopes, lambda s: NOT list_contains(d.scopes, s))) = 0
    QUALIFY row_number() OVER (
        PARTITION BY b.trace_id, b.tenant, b.agent, b.parent ORDER BY b.event_time, b.event_id
    ) = 1
),

found AS (
    SELECT
        tenant_id, environment, agent, trace_id, tool_name, action, resource_type, resource_id, verdict, event_id, event_time,
        decision_id, hops, false AS whole, confidence, denied_time AS first_time, NULL::VARCHAR AS parent,
        NULL::VARCHAR[] AS parent_scopes, NULL::VARCHAR AS permission,
        denied_event_id, denied_agent, denied_time, denied_decision_id
    FROM pairs
    UNION ALL
    -- That a credential lacks a permission is told by a list, not by an answer.
    SELECT
        tenant_id, environment, agent, trace_id, tool_name, action, resource_type, resource_id, verdict, event_id, event_time,
        decision_id, hops, false AS whole, confidence * 0.75 AS confidence, handed_time AS first_time, parent,
        parent_scopes, permission,
        NULL::VARCHAR AS denied_event_id, NULL::VARCHAR AS denied_agent, NULL::TIMESTAMPTZ AS denied_time,
        NULL::VARCHAR AS denied_decision_id
    FROM lacking
    UNION ALL
    SELECT
        tenant_id, environment, agent, trace_id, tool_name, action, resource_type, resource_id, verdict, event_id, event_time,
        decision_id, hops, true AS whole, confidence * 0.75 AS confidence, handed_time AS first_time, parent,
        parent_scopes, permission,
        NULL::VARCHAR AS denied_event_id, NULL::VARCHAR AS denied_agent, NULL::TIMESTAMPTZ AS denied_time,
        NULL::VARCHAR AS denied_decision_id
    FROM passed_on
)

SELECT
    tenant_id,
    environment,
    agent,
    trace_id,
    tool_name,
    action,
    resource_type,
    resource_id,
    verdict,
    CASE
        WHEN denied_event_id IS NOT NULL THEN 'denied_upstream'
        WHEN whole THEN 'all_scopes_delegated'
        ELSE 'parent_lacks'
    END AS reason,
    CASE WHEN whole THEN 'medium' ELSE 'high' END AS level,
    confidence,
    [coalesce(tenant_id, ''), trace_id, coalesce(agent, ''), event_id] AS entity_keys,
    list_sort(list_filter([denied_event_id, event_id], lambda e: e IS NOT NULL)) AS anchor_event_ids,
    list_sort(list_filter([denied_decision_id, decision_id], lambda d: d IS NOT NULL)) AS decision_ids,
    {
        'denied_event_id': denied_event_id, 'denied_agent': denied_agent, 'denied_time': denied_time,
        'denied_decision_id': denied_decision_id, 'permitted_decision_id': decision_id, 'hops': hops,
        'parent_agent': parent, 'parent_scopes': parent_scopes, 'permission': permission
    } AS evidence,
    first_time AS first_seen_time,
    event_time AS last_seen_time
FROM found;
