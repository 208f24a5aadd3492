-- step: nearest
-- needs: actions, decisions, matches, guessed, ancestors, learned_tools, params
-- about: For an action that no rung matched, the decision that comes closest, nearest kind first:
--        loose         its agent's own decision, for a pattern of resources or where the action's words are not known
--        other_agent   a decision for the same action and resource, asked during the action in another agent's name
--        other_resource its agent's decision in the same run for the same action on another resource
--        inherited     none of its own, while an agent upstream of it was permitted something
CREATE OR REPLACE TABLE unmatched AS
SELECT a.* EXCLUDE (action, resource_type),
    coalesce(a.action, l.action) AS action,
    CASE WHEN a.action IS NULL THEN coalesce(a.resource_type, l.resource_type) ELSE a.resource_type END AS resource_type
FROM actions AS a
LEFT JOIN matches AS m ON m.action_no = a.action_no
LEFT JOIN learned_tools AS l ON a.action IS NULL AND l.tool_name = a.tool_name
WHERE m.action_no IS NULL;

CREATE OR REPLACE TABLE nearest AS
WITH runs_of_decisions AS (
    SELECT decision_no, trace_id FROM decision_runs WHERE trace_id IS NOT NULL
    UNION
    SELECT g.decision_no, a.trace_id
    FROM guessed AS g
    JOIN actions AS a ON a.action_no = g.action_no
    WHERE a.trace_id IS NOT NULL
),

own AS (
    SELECT u.action_no, d.decision_no, 'loose' AS kind, 4 AS rung, d.decision_time, r.uses
    FROM unmatched AS u
    JOIN decisions AS d
        ON d.trace_id = u.trace_id AND d.agent = u.agent AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = '')
    JOIN decision_runs AS r ON r.decision_no = d.decision_no
    CROSS JOIN params AS s
    WHERE d.resource_prefix IS NOT NULL AND u.action = d.action
        AND coalesce(u.resource_type = d.resource_type, true) AND d.decision_time <= greatest(u.until_time, u.event_time + s.skew)
        AND coalesce(starts_with(u.resource_id, d.resource_prefix), d.resource_prefix = '')
    UNION ALL
    SELECT action_no, decision_no, 'loose', rung, NULL, 0
    FROM guessed
    UNION ALL
    SELECT u.action_no, d.decision_no, 'loose', 5, d.decision_time, 0
    FROM unmatched AS u
    JOIN decisions AS d ON d.tenant = u.tenant AND d.agent = u.agent AND d.action = u.action
    CROSS JOIN params AS s
    WHERE d.resource_prefix IS NOT NULL AND (d.trace_id IS NULL OR u.trace_id IS NULL)
        AND coalesce(u.resource_type = d.resource_type, true)
        AND coalesce(starts_with(u.resource_id, d.resource_prefix), d.resource_prefix = '')
        AND d.decision_time <= greatest(u.until_time, u.event_time + s.skew)
        AND coalesce(d.expires_time > u.event_time, u.event_time - d.decision_time <= s.max_age)
),

other_agent AS (
    SELECT u.action_no, d.decision_no, 'other_agent' AS kind, 4 AS rung, d.decision_time, 0 AS uses
    FROM unmatched AS u
    JOIN decisions AS d
        ON d.action = u.action AND d.resource_id = u.resource_id
        AND coalesce(d.resource_type, '') = coalesce(u.resource_type, '')
    JOIN decision_runs AS r ON r.decision_no = d.decision_no
    WHERE r.uses = 0
        AND (
            (d.trace_id = u.trace_id AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = ''))
            OR (d.trace_id IS NULL AND d.tenant = u.tenant)
        )
        AND d.agent IS DISTINCT FROM u.agent
        AND d.decision_time BETWEEN u.event_time AND u.until_time
    UNION ALL
    SELECT u.action_no, d.decision_no, 'other_agent', 4, d.decision_time, 0
    FROM unmatched AS u
    JOIN decisions AS d ON d.trace_id = u.trace_id AND d.action = u.action
    JOIN decision_runs AS r ON r.decision_no = d.decision_no
    WHERE u.resource_id IS NULL AND contains(u.attributes, d.resource_id) AND r.uses = 0
        AND d.agent IS DISTINCT FROM u.agent AND d.decision_time BETWEEN u.event_time AND u.until_time
),

other_resource AS (
    SELECT u.action_no, d.decision_no, 'other_resource' AS kind, 4 AS rung, d.decision_time, 0 AS uses
    FROM unmatched AS u
    JOIN runs_of_decisions AS r ON r.trace_id = u.trace_id
    JOIN decisions AS d ON d.decision_no = r.decision_no
    WHERE d.agent = u.agent AND (d.tenant = u.tenant OR d.tenant = '' OR u.tenant = '')
        AND d.action = u.action AND coalesce(d.resource_type = u.resource_type, true)
        AND d.decision = 'allow' AND d.decision_time <= u.until_time
),

-- One permitted decision per run and agent is enough to say that there was one; the one that is nearest is named.
upstream AS (
    SELECT
        u.action_no, d.decision_no, 'inherited' AS kind, 0 AS rung, d.decision_time, 0 AS uses,
        row_number() OVER (
            PARTITION BY u.action_no
            ORDER BY coalesce(d.action = u.action AND d.resource_id = u.resource_id, false) DESC, x.hops,
                d.decision_time DESC, d.decision_id
        ) AS place
    FROM unmatched AS u
    JOIN ancestors AS x ON x.trace_id = u.trace_id AND x.agent = u.agent AND x.first_time <= u.until_time
    JOIN runs_of_decisions AS r ON r.trace_id = u.trace_id
    JOIN decisions AS d ON d.decision_no = r.decision_no AND d.agent = x.ancestor
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
    SELECT action_no, decision_no, kind, rung, decision_time, uses, 4 FROM upstream WHERE place = 1
)

SELECT c.action_no, c.decision_no, c.kind, c.rung
FROM candidates AS c
JOIN decisions AS d ON d.decision_no = c.decision_no
QUALIFY row_number() OVER (
    PARTITION BY c.action_no ORDER BY c.preference, c.rung, (c.uses = 0) DESC, c.decision_time DESC, d.decision_id
) = 1;
