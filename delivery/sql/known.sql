-- Every delivery that the outbox of a sink has an entry of.
SELECT DISTINCT delivery_id
FROM deliveries
WHERE sink = $sink;
