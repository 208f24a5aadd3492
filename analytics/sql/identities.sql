-- step: identities
-- needs: orchestration_events, authorization_decisions
-- type: identity
-- about: Who acts, asks and approves, by their ids, each once. Rows of actions and decisions hold their numbers.
CREATE OR REPLACE TABLE identities AS
SELECT agent_id AS identity FROM orchestration_events
UNION
SELECT agent_id FROM authorization_decisions
UNION
SELECT principal_id FROM authorization_decisions
UNION
SELECT on_behalf_of FROM orchestration_events
UNION
SELECT on_behalf_of FROM authorization_decisions
UNION
SELECT approver FROM authorization_decisions;
