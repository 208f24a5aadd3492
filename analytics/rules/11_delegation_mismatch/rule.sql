-- Actions whose decision was made for another principal than the run's, or whose chain of actors is too deep, goes in a
-- circle, or has a hop that the run does not show. Work that is handed back to an agent is no circle: the handoffs show it.
WITH steps AS (
    SELECT b.*, coalesce(b.tenant_id, '') AS tenant
    FROM action_backing AS b
    WHERE b.executed AND b.verdict <> 'unknown' AND b.trace_id IS NOT NULL
),

-- Every chain that is told about an action, the principal first. A token's chain of actors does not name the principal, so
-- an empty place stands for it.
told AS (
    SELECT s.tenant, s.trace_id, s.event_id, d.delegation_chain AS chain
    FROM steps AS s
    JOIN decisions AS d ON d.decision_id = s.decision_id AND d.tenant IN (s.tenant, '')
    WHERE len(d.delegation_chain) > 0 AND s.verdict <> 'reused'
    UNION ALL
    SELECT s.tenant, s.trace_id, s.event_id,
        [''] || list_filter(list_reverse(i.act_chain), lambda a: a IS DISTINCT FROM s.decision_on_behalf_of)
    FROM steps AS s
    JOIN decision_identities AS i ON i.decision_id = s.decision_id AND i.tenant IN (s.tenant, '')
    WHERE len(i.act_chain) > 0 AND s.verdict <> 'reused'
    UNION ALL
    SELECT s.tenant, s.trace_id, s.event_id,
        [''] || list_filter(list_reverse(e.act_chain), lambda a: a IS DISTINCT FROM s.on_behalf_of)
    FROM steps AS s
    JOIN events AS e ON e.event_id = s.event_id AND e.trace_id = s.trace_id AND coalesce(e.tenant_id, s.tenant) = s.tenant
    WHERE len(e.act_chain) > 0
),

chains AS (
    SELECT DISTINCT tenant, trace_id, chain FROM told
),

places AS (
    SELECT tenant, chain, unnest(range(1, len(chain) + 1)) AS place
    FROM (SELECT DISTINCT tenant, chain FROM chains)
),

-- The agents of a chain by name; an unknown one in front is the principal.
named AS (
    SELECT p.tenant, p.chain, p.place, coalesce(n.agent, p.chain[p.place]) AS agent
    FROM places AS p
    LEFT JOIN agent_names AS n ON n.tenant = p.tenant AND n.identity = p.chain[p.place]
    WHERE p.place > 1 OR n.agent IS NOT NULL
),

hops AS (
    SELECT *, lag(agent) OVER (PARTITION BY tenant, chain ORDER BY place) AS before
    FROM named
),

shapes AS (
    SELECT
        tenant, chain, count(DISTINCT agent) AS depth,
        count(*) FILTER (WHERE before IS DISTINCT FROM agent) > count(DISTINCT agent) AS circles
    FROM hops
    GROUP BY tenant, chain
),

passed AS (
    SELECT DISTINCT
        h.trace_id, coalesce(h.tenant_id, r.tenant_id, '') AS tenant, coalesce(f.agent, h.from_agent) AS from_agent,
        coalesce(t.agent, h.to_agent) AS to_agent
    FROM handoffs AS h
    LEFT JOIN traces AS r ON r.trace_id = h.trace_id
    LEFT JOIN agent_names AS f ON f.tenant = coalesce(h.tenant_id, r.tenant_id, '') AND f.identity = h.from_agent
    LEFT JOIN agent_names AS t ON t.tenant = coalesce(h.tenant_id, r.tenant_id, '') AND t.identity = h.to_agent
    WHERE NOT h.refused
),

-- Every agent that the run shows.
shown AS (
    SELECT trace_id, tenant, to_agent AS agent FROM passed
    UNION
    SELECT e.trace_id, coalesce(e.tenant_id, ''), coalesce(n.agent, e.agent_name, e.agent_id)
    FROM events AS e
    LEFT JOIN agent_names AS n ON n.tenant = coalesce(e.tenant_id, '') AND n.identity = coalesce(e.agent_id, e.agent_name)
    WHERE coalesce(e.agent_name, e.agent_id) IS NOT NULL AND e.trace_id IN (SELECT trace_id FROM chains)
),

-- Hops that no handoff shows. In a run that shows handoffs such a hop is strange where an agent of the run handed on to one
-- that the run does not know, or where those who did hand on to the agent behind are not in front of it.
unseen AS (
    SELECT
        c.tenant, c.trace_id, c.chain, h.before, h.agent,
        (
            EXISTS (SELECT 1 FROM passed AS q WHERE q.trace_id = c.trace_id AND q.tenant IN (c.tenant, ''))
            AND EXISTS (SELECT 1 FROM shown AS a WHERE a.trace_id = c.trace_id AND a.tenant IN (c.tenant, '')
                AND a.agent = h.before)
            AND NOT EXISTS (SELECT 1 FROM shown AS a WHERE a.trace_id = c.trace_id AND a.tenant IN (c.tenant, '')
                AND a.agent = h.agent)
        ) OR (
            EXISTS (SELECT 1 FROM passed AS q WHERE q.trace_id = c.trace_id AND q.tenant IN (c.tenant, '')
                AND q.to_agent = h.agent)
            AND NOT EXISTS (SELECT 1 FROM passed AS q JOIN named AS m ON m.agent = q.from_agent
                WHERE q.trace_id = c.trace_id AND q.tenant IN (c.tenant, '') AND q.to_agent = h.agent
                    AND m.tenant = c.tenant AND m.chain = c.chain AND m.place < h.place)
        ) AS strange
    FROM chains AS c
    JOIN hops AS h ON h.tenant = c.tenant AND h.chain = c.chain AND h.before <> h.agent
    LEFT JOIN passed AS p
        ON p.trace_id = c.trace_id AND p.tenant IN (c.tenant, '') AND p.from_agent = h.before AND p.to_agent = h.agent
    WHERE p.trace_id IS NULL
    QUALIFY row_number() OVER (
        PARTITION BY c.tenant, c.trace_id, c.chain ORDER BY strange DESC, h.place
    ) = 1
),

roots AS (
    SELECT DISTINCT trace_id, on_behalf_of
    FROM events
    WHERE event_type = 'run_start' AND on_behalf_of IS NOT NULL
),

problems AS (
    SELECT
        s.trace_id, s.event_id, s.tenant, 1 AS place, NULL::VARCHAR[] AS chain, NULL::BIGINT AS depth,
        NULL::VARCHAR AS hop_from, NULL::VARCHAR AS hop_to
    FROM steps AS s
    JOIN traces AS r ON r.trace_id = s.trace_id
    LEFT JOIN roots AS o ON o.trace_id = s.trace_id AND o.on_behalf_of = s.decision_on_behalf_of
    WHERE s.decision_id IS NOT NULL AND s.verdict <> 'reused'
        AND s.decision_on_behalf_of <> r.on_behalf_of AND o.trace_id IS NULL
    UNION ALL
    SELECT
        t.trace_id, t.event_id, t.tenant,
        CASE WHEN c.circles AND u.chain IS NOT NULL THEN 2 WHEN c.depth > p.delegation_depth THEN 3 ELSE 4 END,
        t.chain, c.depth, u.before, u.agent
    FROM told AS t
    JOIN steps AS s ON s.trace_id = t.trace_id AND s.event_id = t.event_id AND s.tenant = t.tenant
    JOIN shapes AS c ON c.tenant = t.tenant AND c.chain = t.chain
    CROSS JOIN params AS p
    LEFT JOIN unseen AS u ON u.tenant = t.tenant AND u.trace_id = t.trace_id AND u.chain = t.chain
    LEFT JOIN watermark AS w ON w.stream = 'orchestration'
    WHERE c.depth > p.delegation_depth
        OR ((c.circles OR u.strange) AND u.chain IS NOT NULL
            AND coalesce(p.complete_until, w.complete_until) >= s.end_time + p.settle)
),

worst AS (
    SELECT *
    FROM problems
    QUALIFY row_number() OVER (PARTITION BY tenant, trace_id, event_id ORDER BY place, chain) = 1
)

SELECT
    s.tenant_id,
    s.environment,
    s.agent,
    s.trace_id,
    s.tool_name,
    s.action,
    s.resource_type,
    s.resource_id,
    s.verdict,
    CASE
        WHEN x.place = 1 THEN 'other_principal'
        WHEN x.place = 2 THEN 'cycle'
        WHEN x.place = 3 THEN 'too_deep'
        ELSE 'other_handoffs'
    END AS reason,
    'high' AS level,
    s.confidence,
    [s.tenant, s.trace_id, coalesce(s.agent, ''), s.event_id] AS entity_keys,
    [s.event_id] AS anchor_event_ids,
    CASE WHEN s.decision_id IS NULL THEN []::VARCHAR[] ELSE [s.decision_id] END AS decision_ids,
    {
        'run_on_behalf_of': r.on_behalf_of, 'decision_on_behalf_of': s.decision_on_behalf_of, 'chain': list_filter(x.chain, lambda a: a <> ''),
        'depth': x.depth, 'depth_limit': p.delegation_depth, 'hop_from': x.hop_from, 'hop_to': x.hop_to
    } AS evidence,
    s.event_time AS first_seen_time,
    s.event_time AS last_seen_time
FROM worst AS x
JOIN steps AS s ON s.trace_id = x.trace_id AND s.event_id = x.event_id AND s.tenant = x.tenant
JOIN traces AS r ON r.trace_id = x.trace_id
CROSS JOIN params AS p;
