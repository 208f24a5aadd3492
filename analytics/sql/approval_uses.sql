-- step: approval_uses
-- needs: actions, decisions, matches, identity_events
-- about: Which use of a human approval an action is, and in what it goes beyond the approval: its action, resource,
--        arguments or number of uses. An approval that is not on record is taken to be for what it was first used for.
CREATE OR REPLACE TABLE approval_uses AS
WITH approvals AS (
    SELECT
        approval_id,
        arg_min(action, {'at': event_time, 'id': event_id}) AS action,
        arg_min(resource_type, {'at': event_time, 'id': event_id}) AS resource_type,
        arg_min(resource_id, {'at': event_time, 'id': event_id}) AS resource_id,
        arg_min(arguments_digest, {'at': event_time, 'id': event_id}) AS arguments_digest,
        arg_min(max_uses, {'at': event_time, 'id': event_id}) AS max_uses
    FROM identity_events
    WHERE event_type = 'approval' AND approval_id IS NOT NULL
    GROUP BY approval_id
),

uses AS (
    SELECT
        a.action_no, coalesce(a.approval_id, d.approval_id) AS approval_id, coalesce(a.tool_call_id, a.event_id) AS call_key,
        a.event_time, a.event_id, a.action, a.resource_type, a.resource_id, a.arguments_digest
    FROM numbered_actions AS a
    LEFT JOIN matches AS m ON m.action_no = a.action_no
    LEFT JOIN numbered_decisions AS d ON d.decision_no = m.decision_no
    WHERE coalesce(a.approval_id, d.approval_id) IS NOT NULL AND NOT a.refused
        AND coalesce(d.decision, 'allow') = 'allow'
),

ordered AS (
    SELECT *,
        min(event_time) OVER (PARTITION BY approval_id, call_key) AS first_time,
        first_value({'a': action, 't': resource_type, 'r': resource_id, 'g': arguments_digest}) OVER (
            PARTITION BY approval_id ORDER BY event_time, event_id
        ) AS first_use
    FROM uses
),

counted AS (
    SELECT *, dense_rank() OVER (PARTITION BY approval_id ORDER BY first_time, call_key) AS use_no
    FROM ordered
)

SELECT
    u.action_no,
    u.approval_id,
    u.use_no,
    CASE
        WHEN u.action <> coalesce(p.action, u.first_use.a) THEN 'other_action'
        WHEN u.resource_type <> coalesce(p.resource_type, u.first_use.t) THEN 'other_resource'
        WHEN NOT coalesce(
            CASE
                WHEN p.resource_id LIKE '%*' THEN starts_with(u.resource_id, rtrim(p.resource_id, '*'))
                ELSE u.resource_id = coalesce(p.resource_id, u.first_use.r)
            END, true
        ) THEN 'other_resource'
        WHEN u.arguments_digest <> coalesce(p.arguments_digest, u.first_use.g) THEN 'other_arguments'
        WHEN u.use_no > coalesce(p.max_uses, 1) THEN 'over_uses'
    END AS misuse
FROM counted AS u
LEFT JOIN approvals AS p ON p.approval_id = u.approval_id;
