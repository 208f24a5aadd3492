-- step: nearest
-- needs: unmatched, actions, traces, decisions, matches, guessed, ancestors, params
-- about: For an action that no rung matched, the decision that comes closest, nearest kind first:
--        loose         its agent's own decision, for a pattern of resources or where the action's words are not known
--        other_agent   a decision for the same action and resource, asked during the action in another agent's name
--        other_resource its agent's decision in the same run for the same action on another resource
--        inherited     none of its own, while an agent upstream of it was permitted something
-- The decisions of the runs that these actions are in: of the run itself, or without a trace and behind an action of it.
CREATE OR REPLACE TABLE run_decisions AS
WITH unmatched_runs AS (
    SELECT DISTINCT trace_no, trace_id FROM unmatched WHERE trace_no IS NOT NULL
),

-- Decisions without a trace that are behind an action of these runs. One that is behind actions of several is of the first.
behind AS (
    SELECT DISTINCT m.decision_no
    FROM matches AS m
    JOIN numbered_actions AS a ON a.action_no = m.action_no
    JOIN unmatched_runs AS r ON r.trace_no = a.trace_no
    JOIN numbered_decisions AS d ON d.decision_no = m.decision_no
    WHERE d.trace_no IS NULL
),

told AS (
    SELECT b.decision_no, min(r.trace_id) AS trace_id
    FROM behind AS b
    JOIN matches AS m ON m.decision_no = b.decision_no
    JOIN numbered_actions AS a ON a.action_no = m.action_no
    JOIN numbered_traces AS r ON r.trace_no = a.trace_no
    GROUP BY b.decision_no
),

of_runs AS (
    SELECT d.decision_no, d.trace_no
    FROM numbered_decisions AS d
    JOIN unmatched_runs AS r ON r.trace_no = d.trace_no
    UNION
    SELECT t.decision_no, r.trace_no
    FROM told AS t
    JOIN unmatched_runs AS r ON r.trace_id = t.trace_id
    UNION
    SELECT g.decision_no, a.trace_no
    FROM guessed AS g
    JOIN numbered_actions AS a ON a.action_no = g.action_no
    WHERE a.trace_no IS NOT NULL
)

SELECT r.trace_no, r.decision_no, d.trace_no IS NOT NULL AS in_trace, d.tenant, d.agent, d.action, d.resource_type,
    d.resource_id, d.decision, d.decision_time, d.decision_id
FROM of_runs AS r
JOIN numbered_decisions AS d ON d.decision_no = r.decision_no;

CREATE OR REPLACE TABLE nearest AS
WITH used_patterns AS (
    SELECT DISTINCT m.decision_no
    FROM matches AS m
    JOIN numbered_decisions AS d ON d.decision_no = m.decision_no
    WHERE d.resource_prefix IS NOT NULL
),

own AS (
    SELECT u.action_no, d.decision_no, 'loose' AS kind, 4 AS rung, d.decision_time, m.decision_no IS NULL AS free
    FROM unmatched AS u
    JOIN numbered_decisions AS d
        ON d.trace_no = u.trace_no AND d.agent = u.agent AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = '')
    LEFT JOIN used_patterns AS m ON m.decision_no = d.decision_no
    CROSS JOIN params AS s
    WHERE d.resource_prefix IS NOT NULL AND u.action = d.action
        AND coalesce(u.resource_type = d.resource_type, true) AND d.decision_time <= greatest(u.until_time, u.event_time + s.skew)
        AND coalesce(starts_with(u.resource_id, d.resource_prefix), d.resource_prefix = '')
    UNION ALL
    SELECT action_no, decision_no, 'loose', rung, NULL, true
    FROM guessed
    UNION ALL
    SELECT u.action_no, d.decision_no, 'loose', 5, d.decision_time, true
    FROM unmatched AS u
    JOIN numbered_decisions AS d ON d.tenant = u.tenant AND d.agent = u.agent AND d.action = u.action
    CROSS JOIN params AS s
    WHERE d.resource_prefix IS NOT NULL AND (d.trace_no IS NULL OR u.trace_no IS NULL)
        AND coalesce(u.resource_type = d.resource_type, true)
        AND coalesce(starts_with(u.resource_id, d.resource_prefix), d.resource_prefix = '')
        AND d.decision_time <= greatest(u.until_time, u.event_time + s.skew)
        AND coalesce(d.expires_time > u.event_time, u.event_time - d.decision_time <= s.max_age)
),

asked AS (
    SELECT u.action_no, d.decision_no, d.agent AS asked_for, u.agent, u.event_time, u.until_time, d.decision_time
    FROM unmatched AS u
    JOIN run_decisions AS d
        ON d.trace_no = u.trace_no AND d.action = u.action AND d.resource_id = u.resource_id
        AND coalesce(d.resource_type, '') = coalesce(u.resource_type, '')
    WHERE d.in_trace AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = '')
    UNION ALL
    SELECT u.action_no, d.decision_no, d.agent, u.agent, u.event_time, u.until_time, d.decision_time
    FROM unmatched AS u
    JOIN numbered_decisions AS d
        ON d.tenant = u.tenant AND d.action = u.action AND d.resource_id = u.resource_id
        AND coalesce(d.resource_type, '') = coalesce(u.resource_type, '')
    WHERE d.trace_no IS NULL
    UNION ALL
    SELECT u.action_no, d.decision_no, d.agent, u.agent, u.event_time, u.until_time, d.decision_time
    FROM unmatched AS u
    JOIN run_decisions AS d ON d.trace_no = u.trace_no AND d.action = u.action
    WHERE d.in_trace AND u.resource_id IS NULL AND contains(u.attributes, d.resource_id)
),

other_agent AS (
    SELECT q.action_no, q.decision_no, 'other_agent' AS kind, 4 AS rung, q.decision_time, true AS free
    FROM asked AS q
    LEFT JOIN matches AS m ON m.decision_no = q.decision_no
    WHERE m.decision_no IS NULL AND q.asked_for IS DISTINCT FROM q.agent
        AND q.decision_time BETWEEN q.event_time AND q.until_time
),

other_resource AS (
    SELECT u.action_no, d.decision_no, 'other_resource' AS kind, 4 AS rung, d.decision_time, true AS free
    FROM unmatched AS u
    JOIN run_decisions AS d ON d.trace_no = u.trace_no
    WHERE d.agent = u.agent AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = '')
        AND d.action = u.action AND coalesce(d.resource_type = u.resource_type, true)
        AND d.decision = 'allow' AND d.decision_time <= u.until_time
),

-- One permitted decision per run and agent is enough to say that there was one; the one that is nearest is named.
upstream AS (
    SELECT
        u.action_no, d.decision_no, 'inherited' AS kind, 0 AS rung, d.decision_time, true AS free,
        row_number() OVER (
            PARTITION BY u.action_no
            ORDER BY coalesce(d.action = u.action AND d.resource_id = u.resource_id, false) DESC, x.hops,
                d.decision_time DESC, d.decision_id
        ) AS place
    FROM unmatched AS u
    JOIN ancestors AS x ON x.trace_id = u.trace_id AND x.agent = u.agent AND x.first_time <= u.until_time
    JOIN run_decisions AS d ON d.trace_no = u.trace_no AND d.agent = x.ancestor
    WHERE d.decision = 'allow' AND d.decision_time <= u.until_time
        AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = '')
),

candidates AS (
    SELECT *, 1 AS preference FROM own
    UNION ALL
    SELECT *, 2 FROM other_agent
    UNION ALL
    SELECT *, 3 FROM other_resource
    UNION ALL
    SELECT action_no, decision_no, kind, rung, decision_time, free, 4 FROM upstream WHERE place = 1
)

SELECT c.action_no, c.decision_no, c.kind, c.rung
FROM candidates AS c
JOIN numbered_decisions AS d ON d.decision_no = c.decision_no
QUALIFY row_number() OVER (
    PARTITION BY c.action_no ORDER BY c.preference, c.rung, c.free DESC, c.decision_time DESC, d.decision_id
) = 1;
