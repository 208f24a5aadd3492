-- view: lineage_paths
-- needs: action_backing, actions, traces, handoffs, params
-- about: What unlocked what within a run: one row per pair of actions where the later took in the earlier's output
--        (reference), ran inside it (span), or was the first of an agent after a handoff from the earlier's agent
--        (handoff, which is inferred and not proved).
CREATE OR REPLACE TABLE lineage_paths AS
WITH steps AS (
    SELECT a.trace_id, a.trace_tenant, a.event_id, a.agent, a.event_time, a.until_time, a.span_key, a.parent_key,
        a.output_refs, a.input_refs
    FROM actions AS a
    WHERE a.trace_id IS NOT NULL AND NOT a.refused
),

given AS (
    SELECT trace_id, trace_tenant, event_id, agent, event_time, unnest(output_refs) AS reference
    FROM steps
    WHERE output_refs IS NOT NULL
),

taken AS (
    SELECT trace_id, trace_tenant, event_id, agent, event_time, unnest(input_refs) AS reference
    FROM steps
    WHERE input_refs IS NOT NULL
),

by_handoff AS (
    SELECT
        h.trace_id, f.event_id AS from_event_id, t.event_id AS to_event_id,
        row_number() OVER (PARTITION BY h.trace_id, h.event_id, t.event_id ORDER BY f.event_time DESC, f.event_id) AS back,
        dense_rank() OVER (PARTITION BY h.trace_id, h.event_id ORDER BY t.event_time, t.event_id) AS ahead
    FROM handoffs AS h
    CROSS JOIN params AS s
    JOIN steps AS f
        ON f.trace_id = h.trace_id AND f.agent = h.from_agent
        AND f.event_time BETWEEN h.handoff_time - s.chain_window AND h.handoff_time
    JOIN steps AS t
        ON t.trace_id = h.trace_id AND t.trace_tenant = f.trace_tenant AND t.agent = h.to_agent
        AND t.event_time BETWEEN h.handoff_time AND h.handoff_time + s.chain_window
)

SELECT trace_id, from_event_id, to_event_id, min(kind) AS kind, bool_or(proved) AS proved
FROM (
    SELECT g.trace_id, g.event_id AS from_event_id, t.event_id AS to_event_id, 'reference' AS kind, true AS proved
    FROM given AS g
    JOIN taken AS t
        ON t.trace_id = g.trace_id AND t.trace_tenant = g.trace_tenant AND t.reference = g.reference
        AND t.event_id <> g.event_id
    WHERE t.event_time >= g.event_time
    UNION ALL
    SELECT c.trace_id, p.event_id, c.event_id, 'span', true
    FROM steps AS c
    JOIN steps AS p ON p.trace_id = c.trace_id AND p.trace_tenant = c.trace_tenant AND p.span_key = c.parent_key
    UNION ALL
    SELECT trace_id, from_event_id, to_event_id, 'handoff', false
    FROM by_handoff
    WHERE back = 1 AND ahead = 1 AND from_event_id <> to_event_id
)
GROUP BY trace_id, from_event_id, to_event_id;
