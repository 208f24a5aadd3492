-- audit: approvals-by-approver
-- question: Who approved how much, how soon was it used, and how often beyond what was approved?
-- reads: identity_events, action_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per approver: approvals given in the period, those never used, uses, uses beyond the approval, uses
--   of work done on the approver's own behalf (`own_behalf_uses`), and the median time from the approval to its first
--   use. Very many approvals, or a very short time, ask whether they were read.
-- blind: How long the approver looked at it is not on record. A name that is written in two ways counts as two
--   approvers.
WITH given AS (
    SELECT tenant_id, approval_id, any_value(approver) AS approver, min(event_time) AS approved_time
    FROM identity_events
    WHERE event_type = 'approval' AND approval_id IS NOT NULL
        AND ($tenant IS NULL OR tenant_id = $tenant)
        AND ($since IS NULL OR event_time >= $since)
        AND ($until IS NULL OR event_time < $until)
    GROUP BY tenant_id, approval_id
),

uses AS (
    SELECT
        g.tenant_id, g.approver, g.approval_id, g.approved_time, min(b.event_time) AS first_use_time,
        count(b.event_id) AS uses,
        count(*) FILTER (WHERE b.verdict = 'approval_reused') AS beyond,
        count(*) FILTER (WHERE b.on_behalf_of = g.approver) AS own_behalf
    FROM given AS g
    LEFT JOIN action_backing AS b
        ON b.approval_id = g.approval_id AND b.tenant_id IS NOT DISTINCT FROM g.tenant_id AND b.executed
        AND b.reason <> 'inherited'
    GROUP BY ALL
)

SELECT
    tenant_id, approver, count(*) AS approvals, count(*) FILTER (WHERE uses = 0) AS never_used,
    sum(uses)::BIGINT AS uses,
    sum(beyond)::BIGINT AS uses_beyond, sum(own_behalf)::BIGINT AS own_behalf_uses,
    median(date_diff('millisecond', approved_time, first_use_time)) / 1000 AS median_seconds_to_use,
    min(approved_time) AS first_time, max(approved_time) AS last_time
FROM uses
GROUP BY tenant_id, approver
ORDER BY approvals DESC, tenant_id, approver;
