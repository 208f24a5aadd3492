-- step: dealt
-- needs: actions, open_actions, decisions, cited, keyed, params
-- frees: keyed
-- about: A second look at rungs 4 and 5, where 'the newest decision so far' is not enough: actions that ran at the same
--        time under the same key each get their own decision, in order; and a decision that a clock ahead of the agent's
--        put just after the action is found.
CREATE OR REPLACE TABLE unused_decisions AS
SELECT m.rung, m.match_key, m.decision_no, m.at_time AS decision_time, m.tie,
    d.tenant, d.trace_no, d.agent, d.action, coalesce(d.resource_type, '') AS resource_type, d.resource_id
FROM match_sides AS m
JOIN numbered_decisions AS d ON d.decision_no = m.decision_no
LEFT JOIN cited AS c ON c.decision_no = m.decision_no
LEFT JOIN keyed AS k ON k.decision_no = m.decision_no
WHERE m.side = 0 AND c.decision_no IS NULL AND k.decision_no IS NULL;

CREATE OR REPLACE TABLE dealt AS
WITH shared AS (
    SELECT decision_no FROM keyed GROUP BY decision_no HAVING count(*) > 1
),

-- Actions that share one decision, in order, and the decisions they could share out.
crowd AS (
    SELECT
        k.action_no, k.rung, k.match_key, k.decision_no, a.event_time, a.until_time, d.decision_time,
        hash(d.decision_id) AS tie, d.tenant, d.trace_no, d.agent, d.action, coalesce(d.resource_type, '') AS resource_type,
        d.resource_id,
        row_number() OVER (PARTITION BY k.decision_no ORDER BY a.event_time, a.event_id) AS place,
        count(*) OVER (PARTITION BY k.decision_no) AS places
    FROM keyed AS k
    JOIN shared AS s ON s.decision_no = k.decision_no
    JOIN numbered_actions AS a ON a.action_no = k.action_no
    JOIN numbered_decisions AS d ON d.decision_no = k.decision_no
),

crowds AS (
    SELECT rung, match_key, decision_no, decision_time, tie, tenant, trace_no, agent, action, resource_type, resource_id,
        places, min(event_time) AS first_time
    FROM crowd
    GROUP BY ALL
),

shares AS (
    SELECT c.decision_no AS crowd_no, c.places, u.decision_no, u.decision_time, u.tie
    FROM crowds AS c
    JOIN unused_decisions AS u ON u.rung = c.rung AND u.match_key = c.match_key
    CROSS JOIN params AS s
    WHERE u.decision_time <= c.decision_time AND u.decision_time >= c.first_time - s.skew
        -- Here and below, what the key stands for is compared as well.
        AND u.agent = c.agent AND u.action = c.action AND u.resource_type = c.resource_type
        AND u.resource_id = c.resource_id
        AND (c.rung = 5 OR u.trace_no = c.trace_no) AND (c.rung = 4 OR u.tenant = c.tenant)
    QUALIFY row_number() OVER (PARTITION BY u.decision_no ORDER BY c.decision_time, c.tie) = 1
    UNION ALL
    SELECT decision_no, places, decision_no, decision_time, tie
    FROM crowds
),

ranked AS (
    SELECT *,
        row_number() OVER (PARTITION BY crowd_no ORDER BY decision_time, tie) AS rank,
        count(*) OVER (PARTITION BY crowd_no) AS ranks
    FROM shares
),

-- The last decisions go to the last actions; where there are fewer decisions than actions the first ones share.
dealt_out AS (
    SELECT c.action_no, r.decision_no, c.rung
    FROM crowd AS c
    JOIN ranked AS r ON r.crowd_no = c.decision_no AND r.rank = greatest(1, c.place + r.ranks - c.places)
    WHERE r.decision_time <= c.until_time
),

-- A decision just after an action that has none, or that ran after a deny: the clocks differ.
tardy AS (
    SELECT m.action_no, u.decision_no, m.rung, m.match_key
    FROM match_sides AS m
    JOIN open_actions AS a ON a.action_no = m.action_no
    JOIN unused_decisions AS u ON u.rung = m.rung AND u.match_key = m.match_key
    LEFT JOIN keyed AS k ON k.action_no = m.action_no
    LEFT JOIN numbered_decisions AS d ON d.decision_no = k.decision_no
    CROSS JOIN params AS s
    WHERE m.side = 1 AND NOT a.refused AND (d.decision IS NULL OR d.decision <> 'allow')
        AND u.decision_time > a.until_time AND u.decision_time <= a.event_time + s.skew
        AND u.agent = a.agent AND u.action = a.action AND u.resource_id = a.resource_id
        AND u.resource_type = coalesce(a.resource_type, '')
        AND (m.rung = 5 OR u.trace_no = a.trace_no) AND (m.rung = 4 OR u.tenant = a.tenant)
    QUALIFY row_number() OVER (PARTITION BY m.action_no ORDER BY m.rung, u.decision_time, u.tie) = 1
        AND row_number() OVER (PARTITION BY u.decision_no ORDER BY a.event_time DESC, a.event_id) = 1
),

-- Whose decision is another than was found by key.
moved AS (
    SELECT action_no, decision_no, rung FROM tardy
    UNION ALL
    SELECT p.action_no, p.decision_no, p.rung
    FROM dealt_out AS p
    LEFT JOIN tardy AS t ON t.action_no = p.action_no
    WHERE t.action_no IS NULL
)

SELECT k.action_no, k.decision_no, k.rung, k.same_task, k.same_arguments, true AS same_tenant
FROM keyed AS k
LEFT JOIN moved AS x ON x.action_no = k.action_no
WHERE x.action_no IS NULL
UNION ALL
SELECT
    x.action_no,
    x.decision_no,
    x.rung,
    coalesce(a.task_id = d.task_id, true),
    coalesce(a.arguments_digest = d.arguments_digest, true),
    a.tenant = d.tenant OR a.tenant = '' OR d.tenant = ''
FROM moved AS x
JOIN numbered_actions AS a ON a.action_no = x.action_no
JOIN numbered_decisions AS d ON d.decision_no = x.decision_no;
