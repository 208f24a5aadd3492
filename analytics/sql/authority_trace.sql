-- view: authority_trace
-- needs: numbered_backing, actions, decisions, events, decision_identities, identity_events, handoff_paths
-- about: On whose authority each action was taken, one row per action: for whom, approved by whom, permitted by which decision,
--        handed on from agent to agent, with which credential, and what the verdict on it is.
-- column event_id: The action.
-- column tenant_id: Its tenant.
-- column environment: Deployment environment.
-- column trace_id: The run that it is part of.
-- column task_id: The task that it belongs to.
-- column event_time: When it began.
-- column on_behalf_of: The human or service at the root, as the run says.
-- column decision_on_behalf_of: The same, as the decision says.
-- column approval_ids: The human approvals that the action or its decision names, sorted.
-- column approvers: Who gave them, sorted: as the action, the decision and the approvals on record say.
-- column decision_id: The decision behind it; null where none is.
-- column closest_decision_id: Where none is, the decision that came closest. The columns about the decision tell of it then.
-- column decision: The decision's answer.
-- column decision_agent: The agent that it was made for.
-- column decision_time: When it was made.
-- column decision_expires_time: Until when it holds.
-- column decision_revoked_time: When it was revoked.
-- column pdp_id: Which decision point answered.
-- column policy_version: The revision of the policy that it was made under.
-- column path_agents: The agents that the work passed through, from the root agent to the one that acted: back from it over the
--        latest handoff before, each time. Refused handoffs are not on it.
-- column handoff_ids: The handoffs between them, in order.
-- column depth: How many handoffs.
-- column path_complete: False where the path is longer than the setting `hops`; its beginning is then missing.
-- column agent: The agent that acted.
-- column credential_id: The credential, as the action names it, else as a decision of its own does.
-- column credential_type: Kind of credential.
-- column credential_issued_time: When it was issued, as the same record or the credential's own event says.
-- column credential_expires_time: When it expires.
-- column credential_revoked_time: When it was revoked.
-- column attestation: State of the identity's proof.
-- column attestation_issuer: Who attested the identity.
-- column tool_name: The tool that was called.
-- column action: The action.
-- column resource_type: Type of the resource acted on.
-- column resource_id: The resource acted on.
-- column executed: False where it was refused and did not run.
-- column verdict: The verdict, as in `action_backing`.
-- column reason: The reason of the verdict.
-- column confidence: How sure the match with the decision is.
CREATE OR REPLACE VIEW authority_trace AS
WITH approvals AS (
    SELECT coalesce(tenant_id, '') AS tenant, approval_id, list(DISTINCT approver) FILTER (WHERE approver IS NOT NULL) AS approvers
    FROM identity_events
    WHERE event_type = 'approval' AND approval_id IS NOT NULL
    GROUP BY ALL
),

credentials AS (
    SELECT
        coalesce(tenant_id, '') AS tenant,
        credential_id,
        min(coalesce(credential_issued_time, event_time)) FILTER (WHERE event_type = 'credential_issued') AS issued_time,
        max(coalesce(credential_expires_time, expires_time)) FILTER (WHERE event_type = 'credential_issued') AS expires_time,
        min(event_time) FILTER (WHERE event_type = 'credential_revoked') AS revoked_time
    FROM identity_events
    WHERE event_type IN ('credential_issued', 'credential_revoked') AND credential_id IS NOT NULL
    GROUP BY ALL
),

-- The action's own credential where it names one; else that of its own decision. What two records say is not mixed.
joined AS (
    SELECT
        b.*,
        a.tenant,
        a.approval_id AS own_approval_id,
        CASE WHEN b.claimed THEN d.approval_id END AS its_approval_id,
        e.approver AS own_approver,
        CASE WHEN b.claimed THEN d.approver END AS its_approver,
        d.policy_version,
        i.pdp_id,
        CASE
            WHEN coalesce(e.credential_id, e.credential_fingerprint, e.credential_type, e.attestation) IS NOT NULL THEN {
                'id': e.credential_id, 'type': e.credential_type, 'issued': e.credential_issued_time,
                'expires': e.credential_expires_time, 'attestation': e.attestation, 'issuer': e.attestation_issuer}
            WHEN b.own THEN {
                'id': i.credential_id, 'type': i.credential_type, 'issued': i.credential_issued_time,
                'expires': i.credential_expires_time, 'attestation': i.attestation, 'issuer': i.attestation_issuer}
        END AS credential
    FROM numbered_backing AS b
    JOIN actions AS a ON a.action_no = b.action_no
    LEFT JOIN decisions AS d ON d.decision_no = b.decision_no
    LEFT JOIN events AS e
        ON e.event_id = b.event_id AND e.event_time = b.event_time AND e.trace_id IS NOT DISTINCT FROM b.trace_id
        AND coalesce(e.tenant_id, a.tenant) = a.tenant AND e.event_type IN ('tool_call', 'data_access')
    LEFT JOIN decision_identities AS i
        ON i.decision_id = d.decision_id AND i.tenant = d.tenant AND i.decision_time = d.decision_time
        AND i.trace_id IS NOT DISTINCT FROM d.trace_id
)

SELECT
    j.event_id,
    j.tenant_id,
    j.environment,
    j.trace_id,
    j.task_id,
    j.event_time,
    j.on_behalf_of,
    j.decision_on_behalf_of,
    list_sort(list_distinct(list_filter([j.own_approval_id, j.its_approval_id], lambda x: x IS NOT NULL))) AS approval_ids,
    list_sort(list_distinct(list_concat(
        list_filter([j.own_approver, j.its_approver], lambda x: x IS NOT NULL),
        list_concat(coalesce(p.approvers, []), coalesce(q.approvers, []))
    ))) AS approvers,
    j.decision_id,
    CASE WHEN j.decision_id IS NULL THEN j.closest_decision_id END AS closest_decision_id,
    j.decision,
    j.decision_agent,
    j.decision_time,
    j.decision_expires_time,
    j.decision_revoked_time,
    j.pdp_id,
    j.policy_version,
    coalesce(w.agents, list_filter([j.agent], lambda x: x IS NOT NULL)) AS path_agents,
    coalesce(w.handoff_ids, []) AS handoff_ids,
    coalesce(w.depth, 0) AS depth,
    coalesce(w.complete, true) AS path_complete,
    j.agent,
    j.credential.id AS credential_id,
    j.credential.type AS credential_type,
    coalesce(j.credential.issued, c.issued_time) AS credential_issued_time,
    coalesce(j.credential.expires, c.expires_time) AS credential_expires_time,
    c.revoked_time AS credential_revoked_time,
    j.credential.attestation AS attestation,
    j.credential.issuer AS attestation_issuer,
    j.tool_name,
    j.action,
    j.resource_type,
    j.resource_id,
    j.executed,
    j.verdict,
    j.reason,
    j.confidence
FROM joined AS j
LEFT JOIN approvals AS p ON p.tenant = j.tenant AND p.approval_id = j.own_approval_id
LEFT JOIN approvals AS q ON q.tenant = j.tenant AND q.approval_id = j.its_approval_id
LEFT JOIN credentials AS c ON c.tenant = j.tenant AND c.credential_id = j.credential.id
LEFT JOIN handed_actions AS f ON f.action_no = j.action_no
LEFT JOIN handoff_paths AS w ON w.handoff_no = f.handoff_no;
