-- step: paired
-- needs: actions, decisions, dealt
-- frees: dealt
-- about: A third look: a decision that is bound to other arguments or another task does not match, and a decision without a
--        trace belongs to one run, that of the action nearest to it.
CREATE OR REPLACE TABLE paired AS
-- A decision that is bound to other arguments or another task does not match; where the newest one is such, the newest
-- of the trace that is not stands behind the action.
WITH misfits AS (
    SELECT a.action_no, a.trace_no, a.trace_tenant, a.tenant, a.agent, a.action, a.resource_type, a.resource_id,
        a.arguments_digest, a.task_id, a.until_time
    FROM dealt AS x
    JOIN numbered_actions AS a ON a.action_no = x.action_no
    WHERE NOT (x.same_task AND x.same_arguments)
),

fitting AS (
    SELECT m.action_no, d.decision_no, d.decision_time, d.decision_id
    FROM misfits AS m
    JOIN numbered_decisions AS d
        ON d.trace_no = m.trace_no AND d.trace_tenant = m.trace_tenant AND d.agent = m.agent AND d.action = m.action
        AND d.resource_id = m.resource_id AND d.arguments_digest = m.arguments_digest
    WHERE coalesce(d.resource_type, '') = coalesce(m.resource_type, '') AND d.decision_time <= m.until_time
        AND (d.tenant = m.tenant OR d.tenant = '' OR m.tenant = '')
        AND coalesce(d.task_id = m.task_id, true)
    UNION ALL
    SELECT m.action_no, d.decision_no, d.decision_time, d.decision_id
    FROM misfits AS m
    JOIN numbered_decisions AS d
        ON d.trace_no = m.trace_no AND d.trace_tenant = m.trace_tenant AND d.agent = m.agent AND d.action = m.action
        AND d.resource_id = m.resource_id AND d.task_id = m.task_id
    WHERE coalesce(d.resource_type, '') = coalesce(m.resource_type, '') AND d.decision_time <= m.until_time
        AND (d.tenant = m.tenant OR d.tenant = '' OR m.tenant = '')
        AND coalesce(d.arguments_digest = m.arguments_digest, true)
),

fits AS (
    SELECT action_no, decision_no
    FROM fitting
    QUALIFY row_number() OVER (PARTITION BY action_no ORDER BY decision_time DESC, decision_id) = 1
),

settled AS (
    SELECT
        x.action_no,
        coalesce(f.decision_no, x.decision_no) AS decision_no,
        CASE WHEN f.decision_no IS NULL THEN x.rung ELSE 4 END AS rung,
        -- One that fits agrees about all three.
        f.decision_no IS NOT NULL OR x.same_task AS same_task,
        f.decision_no IS NOT NULL OR x.same_arguments AS same_arguments,
        f.decision_no IS NOT NULL OR x.same_tenant AS same_tenant
    FROM dealt AS x
    LEFT JOIN fits AS f ON f.action_no = x.action_no
),

several AS (
    SELECT decision_no FROM settled GROUP BY decision_no HAVING count(*) > 1
),

loose AS (
    SELECT x.action_no, x.decision_no, a.trace_no, a.event_id, a.event_time, a.until_time, d.decision_time
    FROM settled AS x
    JOIN several AS s ON s.decision_no = x.decision_no
    JOIN numbered_actions AS a ON a.action_no = x.action_no
    JOIN numbered_decisions AS d ON d.decision_no = x.decision_no
    WHERE d.trace_no IS NULL AND a.trace_no IS NOT NULL
),

owners AS (
    SELECT
        decision_no,
        arg_min(
            trace_no,
            {
                'outside': decision_time < event_time OR decision_time > until_time,
                'apart': abs(date_diff('microsecond', decision_time, event_time)),
                'event_id': event_id
            }
        ) AS trace_no
    FROM loose
    GROUP BY decision_no
),

astray AS (
    SELECT l.action_no
    FROM loose AS l
    JOIN owners AS o ON o.decision_no = l.decision_no
    WHERE o.trace_no <> l.trace_no
)

SELECT x.action_no, x.decision_no, x.rung, x.same_task, x.same_arguments
FROM settled AS x
LEFT JOIN astray AS s ON s.action_no = x.action_no
WHERE s.action_no IS NULL AND x.same_tenant;
