-- Sendings to an external sink, without an approval, that untrusted content and private data came before: proved by references
-- and spans, or likely because the same agent, or one that handed work to it, had taken in both. Walked backwards from the
-- few sinks.
WITH RECURSIVE steps AS (
    SELECT b.*, coalesce(b.tenant_id, '') AS tenant
    FROM action_backing AS b
    WHERE b.executed AND b.trace_id IS NOT NULL
),

sinks AS (
    SELECT s.*, e.destination
    FROM steps AS s
    CROSS JOIN params AS p
    LEFT JOIN watermark AS w ON w.stream = 'authorization'
    LEFT JOIN events AS e
        ON e.event_id = s.event_id AND e.trace_id = s.trace_id AND coalesce(e.tenant_id, s.tenant) = s.tenant
    WHERE list_contains(s.labels, 'public_sink') AND s.verdict <> 'unknown'
        AND ((s.approval_id IS NULL AND s.approver IS NULL) OR s.verdict = 'approval_reused')
        AND coalesce(p.complete_until, w.complete_until) >= s.end_time + p.settle
        AND NOT EXISTS (
            SELECT 1 FROM catalogue_destinations AS c WHERE regexp_matches(e.destination, c.expression)
        )
),

walk AS (
    SELECT trace_id, tenant, event_id AS sink_id, event_id AS step_id, 0 AS hops
    FROM sinks
    UNION
    SELECT w.trace_id, w.tenant, w.sink_id, l.from_event_id, w.hops + 1
    FROM walk AS w
    JOIN lineage_paths AS l ON l.trace_id = w.trace_id AND l.to_event_id = w.step_id
    WHERE l.proved AND w.hops < (SELECT hops FROM params)
),

proved AS (
    SELECT DISTINCT trace_id, tenant, sink_id, step_id FROM walk
),

-- When the agent of each sink was last handed work before it.
handed AS (
    SELECT k.trace_id, k.tenant, k.event_id AS sink_id, max(h.handoff_time) AS last_time
    FROM sinks AS k
    JOIN handoffs AS h ON h.trace_id = k.trace_id AND h.to_agent = k.agent AND NOT h.refused
        AND h.handoff_time <= k.event_time
    GROUP BY ALL
),

-- What was taken in on the way to each sink: proved to flow into it, or before it by its agent, or by an agent upstream before
-- the work was handed on.
taken AS (
    SELECT
        k.trace_id, k.tenant, k.event_id AS sink_id, t.event_id, t.agent, t.event_time, t.tool_name,
        list_contains(t.labels, 'untrusted_content') AS untrusted, list_contains(t.labels, 'private_data') AS private,
        v.step_id IS NOT NULL AS proved
    FROM sinks AS k
    JOIN steps AS t ON t.trace_id = k.trace_id AND t.tenant = k.tenant AND t.event_id <> k.event_id
    LEFT JOIN proved AS v
        ON v.trace_id = k.trace_id AND v.tenant = k.tenant AND v.sink_id = k.event_id AND v.step_id = t.event_id
    LEFT JOIN handed AS h ON h.trace_id = k.trace_id AND h.tenant = k.tenant AND h.sink_id = k.event_id
    LEFT JOIN ancestors AS x ON x.trace_id = k.trace_id AND x.agent = k.agent AND x.ancestor = t.agent
    WHERE (list_contains(t.labels, 'untrusted_content') OR list_contains(t.labels, 'private_data'))
        AND t.event_time <= k.event_time
        AND (v.step_id IS NOT NULL OR t.agent = k.agent OR (x.agent IS NOT NULL AND t.event_time <= h.last_time))
),

flows AS (
    SELECT
        trace_id, tenant, sink_id,
        bool_or(untrusted AND proved) AND bool_or(private AND proved) AS proved,
        arg_min({'id': event_id, 'agent': agent, 'at': event_time}, {'far': NOT proved, 'at': event_time, 'id': event_id})
            FILTER (WHERE untrusted) AS untrusted,
        arg_min({'id': event_id, 'agent': agent, 'at': event_time}, {'far': NOT proved, 'at': event_time, 'id': event_id})
            FILTER (WHERE private) AS private
    FROM taken
    GROUP BY trace_id, tenant, sink_id
    HAVING bool_or(untrusted) AND bool_or(private)
),

-- Sinks before which nothing was taken in but by the tools of one approved chain.
chained AS (
    SELECT t.trace_id, t.tenant, t.sink_id, c.chain_no
    FROM taken AS t
    JOIN sinks AS k ON k.trace_id = t.trace_id AND k.tenant = t.tenant AND k.event_id = t.sink_id
    JOIN (SELECT DISTINCT chain_no, to_tool, until_time FROM catalogue_chains) AS c
        ON c.to_tool = k.tool_name AND coalesce(k.event_time < c.until_time, true)
    LEFT JOIN catalogue_chains AS b ON b.chain_no = c.chain_no AND b.from_tool = t.tool_name
    GROUP BY t.trace_id, t.tenant, t.sink_id, c.chain_no
    HAVING count(*) = count(b.from_tool)
),

approved AS (
    SELECT DISTINCT
        coalesce(tenant_id, '') AS tenant, coalesce(agent_name, agent_id, principal_id) AS agent, action,
        rtrim(resource_id, '*') AS resource, resource_id LIKE '%*' AS pattern, event_time
    FROM identity_events
    WHERE event_type = 'approval'
),

open_flows AS (
    SELECT
        k.*, f.proved, f.untrusted, f.private,
        coalesce(k.decision_resource_id = k.destination, false) AS listed
    FROM flows AS f
    JOIN sinks AS k ON k.trace_id = f.trace_id AND k.tenant = f.tenant AND k.event_id = f.sink_id
    WHERE NOT EXISTS (
        SELECT 1 FROM approved AS a
        WHERE a.tenant = k.tenant AND a.agent = k.agent AND a.action = k.action
            AND (a.resource IS NULL OR a.resource = k.resource_id OR (a.pattern AND starts_with(k.resource_id, a.resource)))
            AND a.event_time >= greatest(f.untrusted.at, f.private.at) AND a.event_time <= k.event_time
    ) AND NOT EXISTS (
        SELECT 1 FROM chained AS c WHERE c.trace_id = k.trace_id AND c.tenant = k.tenant AND c.sink_id = k.event_id
    )
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
    CASE WHEN proved THEN 'proved_flow' ELSE 'likely_flow' END AS reason,
    CASE
        WHEN proved AND NOT listed THEN 'critical'
        WHEN proved OR NOT listed THEN 'high'
        ELSE 'medium'
    END AS level,
    CASE WHEN proved THEN 0.9 ELSE 0.6 END * confidence AS confidence,
    [tenant, trace_id, coalesce(agent, ''), event_id] AS entity_keys,
    list_sort(list_distinct([untrusted.id, private.id, event_id])) AS anchor_event_ids,
    CASE WHEN decision_id IS NULL THEN []::VARCHAR[] ELSE [decision_id] END AS decision_ids,
    {
        'untrusted_event_id': untrusted.id, 'untrusted_agent': untrusted.agent, 'private_event_id': private.id,
        'private_agent': private.agent, 'destination': coalesce(destination, resource_id), 'destination_listed': listed
    } AS evidence,
    least(untrusted.at, private.at) AS first_seen_time,
    event_time AS last_seen_time
FROM open_flows;
