-- view: action_backing
-- needs: actions, decisions, matches, nearest, identity_events, watermark, stream_holes, params
-- about: One row per action: the verdict on the decision behind it, the reason, and the decision that came closest.
CREATE OR REPLACE TABLE use_counts AS
-- Which use of a limited decision an action is; the attempts of one tool call are one use.
SELECT action_no, dense_rank() OVER (PARTITION BY decision_no ORDER BY first_time, call_key) AS use_no
FROM (
    SELECT
        m.action_no, m.decision_no, coalesce(a.tool_call_id, a.event_id) AS call_key,
        min(a.event_time) OVER (PARTITION BY m.decision_no, coalesce(a.tool_call_id, a.event_id)) AS first_time
    FROM matches AS m
    JOIN decisions AS d ON d.decision_no = m.decision_no
    JOIN actions AS a ON a.action_no = m.action_no
    WHERE d.max_uses IS NOT NULL AND NOT a.refused
);

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
    FROM actions AS a
    LEFT JOIN matches AS m ON m.action_no = a.action_no
    LEFT JOIN decisions AS d ON d.decision_no = m.decision_no
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

CREATE OR REPLACE TABLE action_backing AS
WITH facts AS (
    SELECT
        a.*,
        d.decision_no, d.decision_id, d.source_decision_id, d.decision, d.decision_time, d.agent AS decision_agent,
        d.resource_type AS decision_resource_type, d.resource_id AS decision_resource_id, d.action AS decision_action,
        d.approver, d.expires_time, d.revoked_time, d.policy_changed_time, d.max_uses,
        d.on_behalf_of AS decision_on_behalf_of, d.sensitivity AS decision_sensitivity,
        m.agrees IS TRUE OR n.kind = 'loose' AS own,
        coalesce(m.rung, nullif(n.rung, 0)) AS rung,
        n.kind AS nearest_kind,
        CASE
            WHEN m.action_no IS NULL OR m.agrees THEN NULL
            WHEN NOT m.same_agent THEN 'other_agent'
            WHEN NOT m.same_task THEN 'other_task'
            WHEN NOT m.same_resource THEN 'other_resource'
            WHEN NOT m.same_action THEN 'other_action'
            ELSE 'other_arguments'
        END AS mismatch,
        u.use_no,
        p.misuse,
        coalesce(a.approval_id, d.approval_id) AS used_approval_id,
        coalesce(coalesce(s.complete_until, w.complete_until) >= a.until_time + s.settle, false) AS settled,
        CASE
            WHEN d.revoked_time <= a.event_time THEN 'revoked'
            WHEN d.expires_time <= a.event_time THEN 'expired'
            WHEN d.expires_time IS NULL AND a.event_time - d.decision_time > s.max_age THEN 'too_old'
            WHEN d.policy_changed_time + s.skew < a.event_time THEN 'policy_changed'
        END AS staleness
    FROM actions AS a
    LEFT JOIN matches AS m ON m.action_no = a.action_no
    LEFT JOIN nearest AS n ON n.action_no = a.action_no
    LEFT JOIN decisions AS d ON d.decision_no = coalesce(m.decision_no, n.decision_no)
    LEFT JOIN use_counts AS u ON u.action_no = a.action_no
    LEFT JOIN approval_uses AS p ON p.action_no = a.action_no
    CROSS JOIN params AS s
    LEFT JOIN watermark AS w ON w.stream = 'authorization'
),

placed AS (
    SELECT f.*,
        EXISTS (
            SELECT 1 FROM stream_holes AS h
            WHERE f.until_time >= coalesce(h.from_time, f.until_time) AND f.event_time <= coalesce(h.to_time, f.event_time)
        ) AS in_hole
    FROM facts AS f
),

reasoned AS (
    SELECT *,
        CASE
            WHEN refused AND decision_no IS NOT NULL AND decision <> 'allow' AND coalesce(nearest_kind, 'loose') = 'loose'
                THEN 'backed:deny_enforced'
            WHEN refused THEN 'backed:not_executed'
            WHEN decision = 'deny' AND coalesce(nearest_kind, 'loose') IN ('loose', 'other_agent') THEN 'after_deny:denied'
            WHEN misuse IS NOT NULL THEN 'approval_reused:' || misuse
            -- Where no id ties the two together, that there is no better decision is absence as well.
            WHEN mismatch IS NOT NULL AND rung >= 4 AND in_hole THEN 'unknown:hole'
            WHEN mismatch IS NOT NULL AND rung >= 4 AND NOT settled THEN 'unknown:not_settled'
            WHEN mismatch IS NOT NULL THEN 'reused:' || mismatch
            WHEN use_no > max_uses THEN 'reused:over_uses'
            WHEN nearest_kind IN ('other_agent', 'other_resource', 'inherited')
                THEN CASE WHEN in_hole THEN 'unknown:hole' WHEN settled THEN 'reused:' || nearest_kind
                    ELSE 'unknown:not_settled' END
            WHEN decision = 'indeterminate' THEN 'unbacked:indeterminate'
            WHEN decision_no IS NULL
                THEN CASE WHEN in_hole THEN 'unknown:hole' WHEN settled THEN 'unbacked:no_decision'
                    ELSE 'unknown:not_settled' END
            WHEN staleness IS NOT NULL THEN 'stale:' || staleness
            WHEN nearest_kind = 'loose' THEN 'backed:pattern'
            WHEN rung = 1 THEN 'backed:decision_id'
            WHEN rung = 2 THEN 'backed:request_id'
            WHEN rung = 3 THEN 'backed:span'
            WHEN rung = 4 THEN 'backed:trace_key'
            ELSE 'backed:key'
        END AS judgement
    FROM placed
)

SELECT
    event_id,
    nullif(tenant, '') AS tenant_id,
    environment,
    trace_id,
    span_id,
    native_span_id,
    conversation_id,
    task_id,
    agent,
    agent_id,
    on_behalf_of,
    tool_name,
    tool_call_id,
    -- Where no mapping says what the tool does, the words of the decision that it was matched with.
    coalesce(action, CASE WHEN own THEN decision_action END) AS action,
    coalesce(resource_type, CASE WHEN own THEN decision_resource_type END) AS resource_type,
    coalesce(resource_id, CASE WHEN own AND action IS NULL THEN decision_resource_id END) AS resource_id,
    arguments_digest,
    coalesce(sensitivity, CASE WHEN own THEN decision_sensitivity END) AS sensitivity,
    trust_zone,
    labels,
    status,
    NOT refused AS executed,
    event_time,
    until_time AS end_time,
    split_part(judgement, ':', 1) AS verdict,
    split_part(judgement, ':', 2) AS reason,
    -- An upstream agent's decision is no decision of this action's own, and an unsettled one is not claimed.
    CASE WHEN coalesce(nearest_kind, 'loose') <> 'inherited' AND split_part(judgement, ':', 1) <> 'unknown'
        THEN decision_id END AS decision_id,
    CASE WHEN coalesce(nearest_kind, 'loose') <> 'inherited' AND split_part(judgement, ':', 1) <> 'unknown'
        THEN source_decision_id END AS source_decision_id,
    CASE WHEN coalesce(nearest_kind, 'loose') <> 'inherited' AND split_part(judgement, ':', 1) <> 'unknown'
        THEN rung END AS rung,
    CASE
        WHEN split_part(judgement, ':', 1) = 'unknown' THEN 0.0
        WHEN nearest_kind = 'loose' THEN 0.6
        WHEN nearest_kind IN ('other_agent', 'other_resource', 'inherited') THEN 0.7
        WHEN rung = 1 THEN 1.0
        WHEN rung = 2 THEN 0.95
        WHEN rung = 3 THEN 0.9
        WHEN rung = 4 THEN 0.8
        WHEN rung = 5 THEN 0.6
        WHEN trace_id IS NULL THEN 0.6
        ELSE 0.85
    END AS confidence,
    decision_id AS closest_decision_id,
    cited_decision_id,
    decision,
    decision_time,
    decision_agent,
    decision_action,
    decision_resource_type,
    decision_resource_id,
    decision_on_behalf_of,
    used_approval_id AS approval_id,
    approver,
    expires_time AS decision_expires_time,
    revoked_time AS decision_revoked_time,
    use_no,
    max_uses
FROM reasoned;
