-- What earlier runs gathered, up to the versions at hand: the rows of the set that covers the most of them.
CREATE OR REPLACE TABLE covered AS
SELECT set_id, event_date, orchestration_version, authorization_version, identity_version
FROM gathered
WHERE kind = 'covered' AND orchestration_version <= getvariable('orchestration_version')
    AND authorization_version <= getvariable('authorization_version')
    AND identity_version <= getvariable('identity_version')
ORDER BY orchestration_version + authorization_version + identity_version DESC, recorded_time DESC, set_id
LIMIT 1;

CREATE OR REPLACE TABLE known AS
SELECT g.kind, g.subject, g.told_time
FROM gathered AS g
JOIN covered AS c ON c.set_id = g.set_id AND c.event_date = g.event_date
WHERE g.kind <> 'covered' AND g.orchestration_version <= getvariable('orchestration_version')
    AND g.authorization_version <= getvariable('authorization_version')
    AND g.identity_version <= getvariable('identity_version');

CREATE OR REPLACE TABLE fresh AS FROM known LIMIT 0;
