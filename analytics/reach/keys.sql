-- The keys by which rows are joined, of the rows since `oldest_time`, over `whole_orchestration_events` and its like. As
-- numbers: two that are equal by chance make a run look at more than it must, and change nothing else.
CREATE OR REPLACE MACRO key_of(value) AS CASE WHEN value IS NOT NULL THEN hash(value) END;

CREATE OR REPLACE TABLE event_keys AS
SELECT
    key_of(event_id) AS event_id, event_date, event_time, end_time, key_of(trace_id) AS trace_id,
    key_of(decision_id) AS decision_id, key_of(approval_id) AS approval_id, key_of(tool_call_id) AS tool_call_id,
    key_of(request_id) AS request_id, key_of(credential_id) AS credential_id,
    key_of(coalesce(agent_name, agent_id)) AS agent, key_of(agent_name) AS agent_name, key_of(agent_id) AS agent_id,
    key_of(action) AS action, key_of(resource_id) AS resource_id,
    event_type IN ('tool_call', 'data_access') AS is_action, event_type = 'task_start' AS is_start,
    coalesce(contains(lower(resource_type), 'policy') OR contains(lower(resource_type), 'policies'), false) AS of_policy
FROM whole_orchestration_events
WHERE event_date >= getvariable('oldest_date') AND event_time >= getvariable('oldest_time');

CREATE OR REPLACE TABLE decision_keys AS
SELECT
    key_of(decision_id) AS decision_id, event_date, decision_time, expires_time, key_of(trace_id) AS trace_id,
    key_of(source_decision_id) AS source_decision_id, key_of(parent_decision_id) AS parent_decision_id,
    key_of(approval_id) AS approval_id, key_of(tool_call_id) AS tool_call_id, key_of(request_id) AS request_id,
    key_of(credential_id) AS credential_id, max_uses IS NOT NULL AS is_limited,
    key_of(coalesce(agent_name, agent_id, principal_id)) AS agent, key_of(agent_name) AS agent_name,
    key_of(agent_id) AS agent_id, key_of(principal_id) AS principal_id, key_of(action) AS action,
    CASE WHEN resource_pattern IS NULL THEN key_of(resource_id) END AS resource_id
FROM whole_authorization_decisions
WHERE event_date >= getvariable('oldest_date') AND decision_time >= getvariable('oldest_time');

-- Decisions from before that, by what an action of today can still need of them.
CREATE OR REPLACE VIEW older_decisions AS
SELECT
    key_of(decision_id) AS decision_id, key_of(source_decision_id) AS source_decision_id, key_of(trace_id) AS trace_id,
    expires_time, key_of(coalesce(agent_name, agent_id, principal_id)) AS agent, key_of(action) AS action
FROM whole_authorization_decisions
WHERE event_date <= getvariable('oldest_date') AND decision_time < getvariable('oldest_time');

-- Those of them without a run that may still hold for an action of today: read once, and then looked into for each reach.
CREATE OR REPLACE TABLE lasting_decisions AS
SELECT decision_id, expires_time, agent, action
FROM older_decisions
WHERE trace_id IS NULL AND expires_time >= getvariable('lasting_from');

CREATE OR REPLACE TABLE identity_keys AS
SELECT
    key_of(event_id) AS event_id, event_time, key_of(trace_id) AS trace_id, key_of(decision_id) AS decision_id,
    key_of(approval_id) AS approval_id, key_of(credential_id) AS credential_id
FROM whole_identity_events;
