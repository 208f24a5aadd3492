-- view: actions
-- needs: events, traces, actors, words, identities
-- order: kept
-- about: One row per action that an agent took or tried: tool calls and data accesses. A call that only starts another
--        agent, with no action or decision of its own, is a delegation: the actions are that agent's. A call that a client's
--        span tells again counts once.
-- Spans within a call, as numbers: mostly there are none, and then nothing more is looked for.
CREATE OR REPLACE TABLE calls_in_calls AS
SELECT hash(parent_key) AS span
FROM events
WHERE event_type = 'tool_call' AND parent_key IS NOT NULL
    AND hash(parent_key) IN (SELECT hash(span_key) FROM events WHERE event_type = 'tool_call' AND span_key IS NOT NULL);

-- What enters into the rows stands in tables of its own: where nothing is grouped beside it, the join of all events with
-- their traces fits into less memory.
CREATE OR REPLACE TABLE delegating AS
SELECT DISTINCT trace_id, parent_key
FROM events
WHERE event_type = 'task_start' AND parent_key IS NOT NULL AND trace_id IS NOT NULL;

-- A call that is told twice: once by the agent, and within that by the client that carried it to the tool.
CREATE OR REPLACE TABLE calls_told AS
SELECT DISTINCT trace_id, span_key, tool_name
FROM events
WHERE event_type = 'tool_call' AND tool_name IS NOT NULL AND span_key IS NOT NULL AND trace_id IS NOT NULL
    AND hash(span_key) IN (SELECT span FROM calls_in_calls)
    AND (trace_id, span_key) IN (
        SELECT (trace_id, parent_key) FROM events
        WHERE event_type = 'tool_call' AND hash(parent_key) IN (SELECT span FROM calls_in_calls)
    );

CREATE OR REPLACE TABLE action_rows AS
SELECT
    e.event_id,
    coalesce(e.tenant_id, r.tenant_id, '')::word AS tenant,
    (CASE WHEN r.shared THEN coalesce(e.tenant_id, '') ELSE '' END)::word AS trace_tenant,
    coalesce(e.environment, r.environment)::word AS environment,
    r.trace_no,
    e.span_id,
    e.native_span_id,
    e.parent_key,
    e.conversation_id,
    e.task_id,
    coalesce(e.agent_name, x.agent_name, e.agent_id, x.agent_id)::word AS agent,
    coalesce(e.agent_id, x.agent_id)::identity AS agent_id,
    coalesce(e.on_behalf_of, r.on_behalf_of)::identity AS on_behalf_of,
    e.tool_name::word AS tool_name,
    e.tool_call_id,
    e.request_id,
    e.action::word AS action,
    e.resource_type::word AS resource_type,
    e.resource_id,
    e.arguments_digest,
    -- The few actions of which an agent, an action or a resource is not known.
    coalesce(e.agent_name, x.agent_name, e.agent_id, x.agent_id) IS NULL OR e.action IS NULL OR e.resource_id IS NULL
        AS vague,
    -- What the call was given, where no mapping names its resource.
    CASE WHEN e.action IS NULL OR e.resource_id IS NULL THEN e.attributes END AS attributes,
    e.sensitivity,
    e.trust_zone::word AS trust_zone,
    e.labels,
    e.output_refs,
    e.input_refs,
    e.status::word AS status,
    coalesce(e.status, 'unset') = 'rejected' AS refused,
    e.decision_id AS cited_decision_id,
    e.approval_id,
    coalesce(e.attestation IN ('absent', 'expired', 'untrusted'), false) OR coalesce(
        nullif(coalesce(
            regexp_extract(e.agent_id, '(^|[/:])agent[/:]([^/:]+)', 2),
            regexp_extract(x.agent_id, '(^|[/:])agent[/:]([^/:]+)', 2)
        ), '') <> coalesce(e.agent_name, x.agent_name, e.agent_id, x.agent_id), false
    ) AS unproven,
    e.event_time,
    greatest(e.event_time, coalesce(e.end_time, e.event_time)) AS until_time
FROM events AS e
LEFT JOIN numbered_traces AS r ON r.trace_id = e.trace_id
LEFT JOIN actors AS x ON x.event_id = e.event_id AND x.trace_id = e.trace_id
LEFT JOIN delegating AS c ON c.trace_id = e.trace_id AND c.parent_key = e.span_key
LEFT JOIN calls_told AS o ON o.trace_id = e.trace_id AND o.span_key = e.parent_key AND o.tool_name = e.tool_name
WHERE e.event_type IN ('tool_call', 'data_access')
    AND (c.parent_key IS NULL OR e.action IS NOT NULL OR e.decision_id IS NOT NULL)
    AND o.span_key IS NULL;

-- A row's place in the table is its number: joins by it are the cheapest, and numbering by a window would cost as much
-- as the reading.
CREATE OR REPLACE VIEW numbered_actions AS
SELECT
    rowid AS action_no,
    event_id,
    tenant::VARCHAR AS tenant,
    trace_tenant::VARCHAR AS trace_tenant,
    environment::VARCHAR AS environment,
    trace_no,
    span_id,
    native_span_id,
    parent_key,
    conversation_id,
    task_id,
    agent::VARCHAR AS agent,
    agent_id::VARCHAR AS agent_id,
    on_behalf_of::VARCHAR AS on_behalf_of,
    tool_name::VARCHAR AS tool_name,
    tool_call_id,
    request_id,
    action::VARCHAR AS action,
    resource_type::VARCHAR AS resource_type,
    resource_id,
    arguments_digest,
    vague,
    attributes,
    sensitivity,
    trust_zone::VARCHAR AS trust_zone,
    labels,
    output_refs,
    input_refs,
    status::VARCHAR AS status,
    refused,
    cited_decision_id,
    approval_id,
    unproven,
    event_time,
    until_time,
    coalesce(native_span_id, span_id) AS span_key
FROM action_rows;

CREATE OR REPLACE VIEW actions AS
SELECT a.*, n.trace_id
FROM numbered_actions AS a
LEFT JOIN trace_names AS n ON n.trace_no = a.trace_no;
