-- Per rule: findings in each state, what people made of them, and the last run.
-- needs: current_findings
WITH found AS (
    SELECT
        rule_id,
        count(*) FILTER (WHERE status IN ('open', 'updated') AND triage_status <> 'closed') AS open,
        count(*) FILTER (WHERE status = 'closed') AS explained,
        count(*) FILTER (WHERE status = 'suppressed') AS suppressed,
        count(*) FILTER (WHERE triage_status = 'closed') AS closed,
        count(*) FILTER (WHERE triage_status = 'closed' AND disposition = 'true_positive') AS true_positive,
        count(*) FILTER (WHERE triage_status = 'closed' AND disposition = 'expected') AS expected,
        count(*) FILTER (WHERE triage_status = 'closed' AND disposition = 'false_positive') AS false_positive,
        max(last_seen_time) AS last_seen_time
    FROM current_findings
    GROUP BY rule_id
),

ran AS (
    SELECT rule_id, max(start_time) AS run_time, arg_max(outcome, start_time) AS outcome FROM runs GROUP BY rule_id
)

SELECT * EXCLUDE (rule_id), coalesce(f.rule_id, r.rule_id) AS rule_id
FROM found AS f
FULL JOIN ran AS r ON r.rule_id = f.rule_id;
