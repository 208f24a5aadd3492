-- What must have been logged and is not there, judged when the streams are complete for that time: permits without an action
-- by their end, handoffs without a start, starts without a handoff, holes in the offsets, and silent hours.
WITH complete AS (
    SELECT coalesce(any_value(p.complete_until), max(w.complete_until)) AS until_time
    FROM params AS p
    LEFT JOIN watermark AS w ON w.stream = 'orchestration'
),

done AS (
    SELECT coalesce(tenant_id, '') AS tenant, agent, closest_decision_id AS decision_id, date_trunc('hour', event_time) AS hour
    FROM action_backing
),

unused AS (
    SELECT
        d.tenant, d.agent, date_trunc('hour', d.decision_time) AS hour, count(*) AS permits,
        list_sort(list(d.decision_id)) AS decision_ids, min(d.decision_time) AS first_time, max(d.decision_time) AS last_time,
        CASE WHEN min(d.trace_id) = max(d.trace_id) THEN min(d.trace_id) END AS trace_id
    FROM decisions AS d
    CROSS JOIN params AS p
    CROSS JOIN complete AS c
    LEFT JOIN (SELECT DISTINCT decision_id FROM done) AS b ON b.decision_id = d.decision_id
    WHERE d.decision = 'allow' AND b.decision_id IS NULL AND d.resource_id IS NOT NULL AND d.agent IS NOT NULL
        AND d.revoked_time IS NULL
        AND c.until_time >= coalesce(d.expires_time, d.decision_time + p.max_age) + p.settle
    GROUP BY ALL
),

at_work AS (
    SELECT tenant, agent, hour, count(*) AS actions FROM done GROUP BY ALL
),

permits AS (
    SELECT u.*,
        coalesce(sum(a.actions) FILTER (WHERE a.agent = u.agent), 0) AS own_actions,
        coalesce(sum(a.actions) FILTER (WHERE a.agent <> u.agent), 0) AS other_actions
    FROM unused AS u
    LEFT JOIN at_work AS a ON a.tenant = u.tenant AND a.hour = u.hour
    GROUP BY ALL
),

seen AS (
    SELECT
        e.trace_id, e.event_id, e.event_type, e.event_time, coalesce(e.tenant_id, r.tenant_id, '') AS tenant,
        coalesce(n.agent, e.agent_name, e.agent_id) AS agent, coalesce(e.tenant_id, r.tenant_id) AS tenant_id, e.environment
    FROM events AS e
    JOIN traces AS r ON r.trace_id = e.trace_id
    LEFT JOIN agent_names AS n
        ON n.tenant = coalesce(e.tenant_id, r.tenant_id, '') AND n.identity = coalesce(e.agent_id, e.agent_name)
    WHERE coalesce(e.agent_name, e.agent_id) IS NOT NULL AND e.trace_id IN (SELECT trace_id FROM handoffs WHERE NOT refused)
),

passed AS (
    SELECT h.event_id, h.trace_id, h.handoff_time, coalesce(h.tenant_id, r.tenant_id) AS tenant_id, r.environment,
        coalesce(f.agent, h.from_agent) AS from_agent, coalesce(t.agent, h.to_agent) AS to_agent
    FROM handoffs AS h
    JOIN traces AS r ON r.trace_id = h.trace_id
    LEFT JOIN agent_names AS f ON f.tenant = coalesce(h.tenant_id, r.tenant_id, '') AND f.identity = h.from_agent
    LEFT JOIN agent_names AS t ON t.tenant = coalesce(h.tenant_id, r.tenant_id, '') AND t.identity = h.to_agent
    WHERE NOT h.refused
),

last_seen AS (
    SELECT trace_id, agent, max(event_time) AS last_time FROM seen GROUP BY trace_id, agent
),

lost AS (
    SELECT x.*
    FROM passed AS x
    CROSS JOIN params AS p
    CROSS JOIN complete AS c
    LEFT JOIN last_seen AS s ON s.trace_id = x.trace_id AND s.agent = x.to_agent
    WHERE coalesce(s.last_time < x.handoff_time - p.skew, true)
        AND c.until_time >= x.handoff_time + p.handoff_wait + p.settle
),

roots AS (
    SELECT trace_id, agent FROM seen WHERE event_type = 'run_start'
    UNION
    -- Who was the first to start was asked from without.
    SELECT trace_id, arg_min(agent, {'at': event_time, 'id': event_id})
    FROM seen
    WHERE event_type IN ('run_start', 'task_start')
    GROUP BY trace_id
    UNION
    SELECT trace_id, to_agent FROM passed
),

unasked AS (
    SELECT
        s.trace_id, s.agent, min(s.tenant_id) AS tenant_id, min(s.environment) AS environment,
        min(s.event_time) AS start_time, arg_min(s.event_id, {'at': s.event_time, 'id': s.event_id}) AS event_id
    FROM seen AS s
    CROSS JOIN params AS p
    CROSS JOIN complete AS c
    LEFT JOIN roots AS o ON o.trace_id = s.trace_id AND o.agent = s.agent
    WHERE s.event_type = 'task_start' AND o.trace_id IS NULL AND c.until_time >= s.event_time + p.settle
    GROUP BY s.trace_id, s.agent
),

holes AS (
    SELECT g.stream, g.source_topic, g.source_partition, g.hole_from, g.hole_to, min(g.observed_time) AS observed_time,
        min(h.from_time) AS from_time, min(h.to_time) AS to_time
    FROM stream_progress AS g
    LEFT JOIN stream_holes AS h
        ON h.stream = g.stream AND h.source_topic = g.source_topic AND h.source_partition = g.source_partition
        AND h.hole_from = g.hole_from AND h.hole_to = g.hole_to
    WHERE g.hole_from IS NOT NULL
    GROUP BY ALL
),

hours AS (
    SELECT 'orchestration' AS stream, date_trunc('hour', event_time) AS hour, count(*) AS events
    FROM events
    WHERE NOT time_estimated
    GROUP BY ALL
    UNION ALL
    SELECT 'authorization', date_trunc('hour', decision_time), count(*)
    FROM decisions
    GROUP BY ALL
),

silent AS (
    SELECT s.stream, o.hour, o.events AS other_events
    FROM (SELECT unnest(['orchestration', 'authorization']) AS stream) AS s
    JOIN hours AS o ON o.stream <> s.stream
    CROSS JOIN params AS p
    LEFT JOIN hours AS x ON x.stream = s.stream AND x.hour = o.hour
    LEFT JOIN watermark AS w ON w.stream = s.stream
    WHERE o.events >= p.silent_events AND x.hour IS NULL
        AND coalesce(p.complete_until, w.complete_until) >= o.hour + INTERVAL 1 HOUR + p.settle
        AND NOT EXISTS (
            SELECT 1 FROM holes AS h
            WHERE h.stream = s.stream AND coalesce(h.from_time, o.hour) < o.hour + INTERVAL 1 HOUR
                AND coalesce(h.to_time, o.hour) >= o.hour
        )
),

gaps AS (
    SELECT
        CASE WHEN u.permits >= p.silent_permits AND u.own_actions = 0 AND u.other_actions > 0 THEN 1 ELSE 2 END AS kind,
        nullif(u.tenant, '') AS tenant_id, NULL::VARCHAR AS environment, u.agent, u.trace_id,
        [u.tenant, u.agent, CAST(CAST(epoch(u.hour) AS BIGINT) AS VARCHAR)] AS entity_keys, []::VARCHAR[] AS events,
        u.decision_ids, u.permits, u.other_actions, NULL::VARCHAR AS to_agent, NULL::VARCHAR AS stream, NULL::VARCHAR AS topic,
        NULL::BIGINT AS source_partition, NULL::BIGINT AS hole_from, NULL::BIGINT AS hole_to, NULL::BIGINT AS other_events,
        u.hour, u.first_time, u.last_time
    FROM permits AS u
    CROSS JOIN params AS p
    UNION ALL
    SELECT 3, tenant_id, environment, from_agent, trace_id, [coalesce(tenant_id, ''), from_agent, event_id], [event_id], [],
        NULL, NULL, to_agent, NULL, NULL, NULL, NULL, NULL, NULL, NULL, handoff_time, handoff_time
    FROM lost
    UNION ALL
    SELECT 4, tenant_id, environment, agent, trace_id, [coalesce(tenant_id, ''), agent, trace_id], [event_id], [],
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, start_time, start_time
    FROM unasked
    UNION ALL
    SELECT 5, NULL, NULL, NULL, NULL,
        [stream, source_topic, CAST(source_partition AS VARCHAR), CAST(hole_from AS VARCHAR), CAST(hole_to AS VARCHAR)], [], [],
        NULL, NULL, NULL, stream, source_topic, source_partition, hole_from, hole_to, NULL, NULL,
        coalesce(from_time, observed_time), coalesce(to_time, from_time, observed_time)
    FROM holes
    UNION ALL
    SELECT 6, NULL, NULL, NULL, NULL, [stream, CAST(CAST(epoch(hour) AS BIGINT) AS VARCHAR)], [], [],
        NULL, NULL, NULL, stream, NULL, NULL, NULL, NULL, other_events, hour, hour, hour + INTERVAL 1 HOUR
    FROM silent
)

SELECT
    tenant_id,
    environment,
    agent,
    trace_id,
    NULL::VARCHAR AS tool_name,
    NULL::VARCHAR AS action,
    NULL::VARCHAR AS resource_type,
    NULL::VARCHAR AS resource_id,
    NULL::VARCHAR AS verdict,
    CASE
        WHEN kind = 1 THEN 'agent_silent'
        WHEN kind = 2 THEN 'permit_unused'
        WHEN kind = 3 THEN 'no_start'
        WHEN kind = 4 THEN 'no_handoff'
        WHEN kind = 5 THEN 'hole'
        ELSE 'stream_silent'
    END AS reason,
    CASE WHEN kind = 1 THEN 'high' ELSE 'medium' END AS level,
    CASE WHEN kind = 5 THEN 0.9 ELSE 0.7 END AS confidence,
    entity_keys,
    events AS anchor_event_ids,
    decision_ids,
    {
        'permits': permits, 'other_actions': other_actions, 'to_agent': to_agent, 'stream': stream, 'topic': topic,
        'partition': source_partition, 'hole_from': hole_from, 'hole_to': hole_to, 'other_events': other_events,
        'window_start_time': hour
    } AS evidence,
    first_time AS first_seen_time,
    last_time AS last_seen_time
FROM gaps;
