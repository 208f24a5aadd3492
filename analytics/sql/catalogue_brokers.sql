-- view: catalogue_brokers
-- needs: params
-- about: The brokers that the catalogue declares: one row per broker and agent that may use its credential, itself included.
-- column broker_no: Number of the declaration.
-- column broker: The agent that acts for others.
-- column agent: The broker, or an agent that it acts for.
-- column credential_fingerprint: The only credential that is meant; null where any of the broker's is.
CREATE OR REPLACE TABLE catalogue_brokers AS
SELECT c.broker_no, c.broker, c.agent, c.credential_fingerprint
FROM (SELECT unnest(catalogue.brokers) AS c FROM params);
