-- step: keyed
-- needs: open_actions, decisions
-- about: Rungs 4 and 5 of the join ladder: for each action that no rung above matched, the newest decision up to its end
--        on the same trace, agent, action and resource; else, where one side has no trace, on tenant, agent, action and
--        resource. A running window and no range join, so that a hot key costs a sort and not a product.
-- An action with a trace looks among its trace's decisions and among those without a trace; an action without a trace
-- among all of its tenant.
CREATE OR REPLACE TABLE action_sides AS
SELECT 4 AS rung, hash(trace_no, trace_tenant, agent, action, coalesce(resource_type, ''), resource_id) AS match_key,
    until_time AS at_time, action_no, hash(event_id) AS tie
FROM open_actions
WHERE trace_no IS NOT NULL
UNION ALL
SELECT 5, hash(tenant, agent, action, coalesce(resource_type, ''), resource_id, trace_no IS NULL),
    until_time, action_no, hash(event_id)
FROM open_actions;

-- Both sides of the match under one key; of the decisions only those whose key an action has.
CREATE OR REPLACE TABLE match_sides AS
SELECT rung, match_key, at_time, 1 AS side, action_no, NULL AS decision_no, tie
FROM action_sides
UNION ALL
SELECT d.rung, d.match_key, d.decision_time, 0, NULL, d.decision_no, hash(d.decision_id)
FROM (
    SELECT
        CASE WHEN trace_no IS NULL THEN 5 ELSE 4 END AS rung,
        CASE
            WHEN trace_no IS NULL THEN hash(tenant, agent, action, coalesce(resource_type, ''), resource_id, false)
            ELSE hash(trace_no, trace_tenant, agent, action, coalesce(resource_type, ''), resource_id)
        END AS match_key,
        decision_time,
        decision_no,
        decision_id
    FROM numbered_decisions
    WHERE resource_id IS NOT NULL AND agent IS NOT NULL
    UNION ALL
    SELECT 5, hash(tenant, agent, action, coalesce(resource_type, ''), resource_id, true),
        decision_time, decision_no, decision_id
    FROM numbered_decisions
    WHERE resource_id IS NOT NULL AND agent IS NOT NULL
        AND EXISTS (SELECT 1 FROM open_actions AS o WHERE o.trace_no IS NULL)
) AS d
WHERE d.match_key IN (SELECT match_key FROM action_sides);

CREATE OR REPLACE TABLE keyed AS
WITH newest AS (
    SELECT
        rung,
        match_key,
        side,
        action_no,
        last_value(decision_no IGNORE NULLS) OVER (
            PARTITION BY rung, match_key ORDER BY at_time, side, tie
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS decision_no
    FROM match_sides
)

SELECT
    n.action_no,
    n.decision_no,
    n.rung,
    n.match_key,
    coalesce(a.task_id = d.task_id, true) AS same_task,
    coalesce(a.arguments_digest = d.arguments_digest, true) AS same_arguments
FROM newest AS n
JOIN open_actions AS a ON a.action_no = n.action_no
JOIN numbered_decisions AS d ON d.decision_no = n.decision_no
WHERE n.side = 1
    -- The key is a hash, so what it stands for is compared as well.
    AND a.agent = d.agent AND a.action = d.action AND a.resource_id = d.resource_id
    AND coalesce(a.resource_type, '') = coalesce(d.resource_type, '')
    AND (n.rung = 5 OR a.trace_no = d.trace_no)
    -- Within a trace, a side that does not name its tenant goes with the other.
    AND (a.tenant = d.tenant OR (n.rung = 4 AND (a.tenant = '' OR d.tenant = '')))
QUALIFY row_number() OVER (PARTITION BY n.action_no ORDER BY n.rung) = 1;
