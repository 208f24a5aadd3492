-- view: catalogue_chains
-- needs: params
-- about: The chains of tools that the catalogue approves: one row per chain and tool that it may begin with.
-- column chain_no: Number of the declaration.
-- column from_tool: A tool that the chain may begin with.
-- column to_tool: The tool that it ends in.
-- column until_time: What happens at this moment or later is not approved; null where the approval has no end.
CREATE OR REPLACE TABLE catalogue_chains AS
SELECT c.chain_no, c.from_tool, c.to_tool, c.until_time
FROM (SELECT unnest(catalogue.chains) AS c FROM params);
