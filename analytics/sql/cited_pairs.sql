-- step: cited_pairs
-- needs: actions, decisions
-- about: Rungs 1 to 3 of the join ladder: each decision that an action names, or shares a call, request or span with. A pair
--        that is tied in several ways comes once for each.
-- One rung after the other, so that only the hash tables of one are in memory.
CREATE OR REPLACE TABLE pairs_by_decision AS
SELECT a.action_no, d.decision_no, 1 AS rung, false AS derived
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.decision_id = a.cited_decision_id
UNION ALL
SELECT a.action_no, d.decision_no, 1, false
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.source_decision_id = a.cited_decision_id
WHERE d.source_decision_id <> d.decision_id
UNION ALL
SELECT a.action_no, d.decision_no, 1, true
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.parent_decision_id = a.cited_decision_id;

CREATE OR REPLACE TABLE pairs_by_request AS
SELECT a.action_no, d.decision_no, 2 AS rung, false AS derived
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.tool_call_id = a.tool_call_id
WHERE a.trace_no IS NULL OR d.trace_no IS NULL OR a.trace_no = d.trace_no
UNION ALL
SELECT a.action_no, d.decision_no, 2, false
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.request_id = a.tool_call_id
WHERE a.trace_no IS NULL OR d.trace_no IS NULL OR a.trace_no = d.trace_no
UNION ALL
SELECT a.action_no, d.decision_no, 2, false
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.request_id = a.request_id
WHERE a.trace_no IS NULL OR d.trace_no IS NULL OR a.trace_no = d.trace_no;

CREATE OR REPLACE TABLE pairs_by_span AS
SELECT a.action_no, d.decision_no, 3 AS rung, false AS derived
FROM numbered_actions AS a
JOIN numbered_decisions AS d ON d.trace_no = a.trace_no AND d.span_id = a.span_id;

CREATE OR REPLACE VIEW cited_pairs AS
SELECT action_no, decision_no, rung, derived FROM pairs_by_decision
UNION ALL
SELECT action_no, decision_no, rung, derived FROM pairs_by_request
UNION ALL
SELECT action_no, decision_no, rung, derived FROM pairs_by_span;
