-- view: decision_uses
-- needs: verdicts, numbered_backing, actions, decisions, matches, nearest
-- about: What each decision was used for: one row per decision and action that rests on it, with what of the use lies within
--        the decision and what beyond; a decision that was never used has one row, without a use. Refused actions are no uses.
-- column decision_id: The decision.
-- column tenant_id: Its tenant.
-- column decision_trace_id: The trace that it was made in.
-- column decision: Its answer.
-- column decision_time: When it was made.
-- column decision_agent: The agent that it was made for.
-- column decision_action: The action that it was made for.
-- column decision_resource_type: The type of resource that it was made for.
-- column decision_resource_id: The resource that it was made for, with a trailing `*` where it is a pattern; null for all of the type.
-- column decision_task_id: The task that it was made for.
-- column decision_arguments_digest: The arguments that it is bound to; null where it binds none.
-- column max_uses: How many uses it permits; null where not limited.
-- column decision_expires_time: Until when it holds; null where it does not say, and then `max_age` counts.
-- column decision_revoked_time: When it was revoked.
-- column used: Whether an action rests on it.
-- column use_no: Number of the use, from 1; the attempts of one tool call are one use. Null where a limited decision was used
--        through its pattern, which is not counted against the limit.
-- column event_id: The action.
-- column event_time: When the action began.
-- column trace_id: The trace that the action is in.
-- column task_id: The task that the action belongs to.
-- column agent: The agent that acted.
-- column tool_name: The tool that was called.
-- column tool_call_id: The call, the same on a retry.
-- column action: The action.
-- column resource_type: Type of the resource acted on.
-- column resource_id: The resource acted on.
-- column arguments_digest: Digest of the call's arguments.
-- column same_agent: Whether the decision was made for this agent.
-- column same_action: Whether it was made for this action.
-- column same_resource: Whether it was made for this resource, or its pattern takes it in.
-- column same_task: Whether it was made for this task, or for this trace where neither names a task.
-- column in_scope: The four above together.
-- column same_arguments: Whether the arguments are those that it is bound to; true where one side names none.
-- column in_time: Whether it still held: not expired, too old, revoked, or made under a policy since changed.
-- column out_of_time: Which of these, as `expired`, `too_old`, `revoked` or `policy_changed`.
-- column within_max_uses: Whether it permits that many uses.
-- column verdict: The verdict on the action, as in `action_backing`.
-- column reason: The reason of that verdict.
CREATE OR REPLACE TABLE unlimited_uses AS
SELECT action_no, dense_rank() OVER (PARTITION BY decision_no ORDER BY first_time, call_key) AS use_no
FROM (
    SELECT
        v.action_no, v.decision_no, coalesce(a.tool_call_id, a.event_id) AS call_key,
        min(a.event_time) OVER (PARTITION BY v.decision_no, coalesce(a.tool_call_id, a.event_id)) AS first_time
    FROM verdicts AS v
    JOIN numbered_decisions AS d ON d.decision_no = v.decision_no
    JOIN numbered_actions AS a ON a.action_no = v.action_no
    WHERE d.max_uses IS NULL AND v.claimed AND NOT a.refused
);

-- Numbers and flags alone, so that the uses of one decision are found without the words of all.
CREATE OR REPLACE TABLE numbered_uses AS
SELECT
    v.action_no,
    v.decision_no,
    coalesce(v.use_no, u.use_no) AS use_no,
    coalesce(m.same_agent, n.kind <> 'other_agent') AS same_agent,
    coalesce(m.same_action, true) AS same_action,
    coalesce(m.same_resource, n.kind <> 'other_resource') AS same_resource,
    coalesce(m.same_task, true) AS same_task,
    coalesce(m.same_arguments, a.arguments_digest = d.arguments_digest, true) AS same_arguments,
    v.staleness,
    coalesce(coalesce(v.use_no, u.use_no) <= d.max_uses, true) AS within_max_uses
FROM verdicts AS v
JOIN numbered_actions AS a ON a.action_no = v.action_no
JOIN numbered_decisions AS d ON d.decision_no = v.decision_no
LEFT JOIN unlimited_uses AS u ON u.action_no = v.action_no
LEFT JOIN matches AS m ON m.action_no = v.action_no
LEFT JOIN nearest AS n ON n.action_no = v.action_no
WHERE v.claimed AND NOT a.refused;

CREATE OR REPLACE VIEW decision_uses AS
SELECT
    d.decision_id,
    nullif(d.tenant, '') AS tenant_id,
    d.trace_id AS decision_trace_id,
    d.decision,
    d.decision_time,
    d.agent AS decision_agent,
    d.action AS decision_action,
    d.resource_type AS decision_resource_type,
    coalesce(d.resource_id, nullif(d.resource_prefix, '') || '*') AS decision_resource_id,
    d.task_id AS decision_task_id,
    d.arguments_digest AS decision_arguments_digest,
    d.max_uses,
    d.expires_time AS decision_expires_time,
    d.revoked_time AS decision_revoked_time,
    u.action_no IS NOT NULL AS used,
    u.use_no,
    b.event_id,
    b.event_time,
    b.trace_id,
    b.task_id,
    b.agent,
    b.tool_name,
    b.tool_call_id,
    b.action,
    b.resource_type,
    b.resource_id,
    b.arguments_digest,
    u.same_agent,
    u.same_action,
    u.same_resource,
    u.same_task,
    u.same_agent AND u.same_action AND u.same_resource AND u.same_task AS in_scope,
    u.same_arguments,
    CASE WHEN u.action_no IS NOT NULL THEN u.staleness IS NULL END AS in_time,
    u.staleness::VARCHAR AS out_of_time,
    u.within_max_uses,
    b.verdict,
    b.reason
FROM decisions AS d
LEFT JOIN numbered_uses AS u ON u.decision_no = d.decision_no
LEFT JOIN numbered_backing AS b ON b.action_no = u.action_no;
