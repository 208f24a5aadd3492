-- view: catalogue_resource_types
-- needs: params
-- about: What the catalogue says about types of resources: one row per type.
-- column resource_type: The type, exactly as events and decisions name it.
-- column sensitivity: 0 (public) to 4 (critical).
-- column trust_zone: Zone of trust that such resources are in.
-- column labels: Of untrusted_content, private_data, public_sink and destructive.
CREATE OR REPLACE TABLE catalogue_resource_types AS
SELECT c.resource_type, c.sensitivity, c.trust_zone, c.labels
FROM (SELECT unnest(catalogue.resource_types) AS c FROM params);
