-- step: verdicts
-- needs: actions, decisions, words, matches, nearest, use_counts, approval_uses, watermark, actions_in_holes, params
-- slices: numbered_actions
-- about: The verdict on each action, narrow: `action_backing` puts the words of action and decision beside it.
CREATE OR REPLACE TABLE verdicts AS
WITH facts AS (
    SELECT
        a.action_no, a.refused, a.trace_no IS NOT NULL AS in_trace, h.action_no IS NOT NULL AS in_hole,
        a.unproven OR coalesce(d.unproven, false) AS unproven,
        d.decision_no, d.decision, d.max_uses,
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
        coalesce(coalesce(s.complete_until, w.complete_until) >= a.until_time + s.settle, false) AS settled,
        CASE
            WHEN d.revoked_time <= a.event_time THEN 'revoked'
            WHEN d.expires_time <= a.event_time THEN 'expired'
            WHEN d.expires_time IS NULL AND a.event_time - d.decision_time > s.max_age THEN 'too_old'
            WHEN d.policy_changed_time + s.skew < a.event_time THEN 'policy_changed'
        END AS staleness
    FROM numbered_actions AS a
    LEFT JOIN matches AS m ON m.action_no = a.action_no
    LEFT JOIN nearest AS n ON n.action_no = a.action_no
    LEFT JOIN numbered_decisions AS d ON d.decision_no = coalesce(m.decision_no, n.decision_no)
    LEFT JOIN use_counts AS u ON u.action_no = a.action_no
    LEFT JOIN approval_uses AS p ON p.action_no = a.action_no
    LEFT JOIN actions_in_holes AS h ON h.action_no = a.action_no
    CROSS JOIN params AS s
    LEFT JOIN watermark AS w ON w.stream = 'authorization'
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
    FROM facts
)

SELECT
    action_no,
    decision_no,
    verdict::word AS verdict,
    reason::word AS reason,
    own,
    -- An upstream agent's decision is no decision of this action's own, and an unsettled one is not claimed.
    verdict <> 'unknown' AND coalesce(nearest_kind, 'loose') <> 'inherited' AS claimed,
    rung,
    CASE
        WHEN verdict = 'unknown' THEN 0.0
        WHEN nearest_kind = 'loose' THEN 0.6
        WHEN nearest_kind IN ('other_agent', 'other_resource', 'inherited') THEN 0.7
        WHEN rung = 1 THEN 1.0
        WHEN rung = 2 THEN 0.95
        WHEN rung = 3 THEN 0.9
        WHEN rung = 4 THEN 0.8
        WHEN rung = 5 THEN 0.6
        WHEN NOT in_trace THEN 0.6
        ELSE 0.85
    END AS confidence,
    use_no,
    staleness::word AS staleness,
    unproven
FROM (
    SELECT *, split_part(judgement, ':', 1) AS verdict, split_part(judgement, ':', 2) AS reason
    FROM reasoned
);
