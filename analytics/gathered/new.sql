-- What is fresh and says more than what was known.
SELECT DISTINCT f.kind, f.subject, f.told_time
FROM fresh AS f
WHERE NOT EXISTS (
    SELECT 1
    FROM known AS k
    WHERE k.kind = f.kind AND k.subject = f.subject
        AND CASE f.kind
            WHEN 'newest_by_source' THEN coalesce(k.told_time >= f.told_time, f.told_time IS NULL)
            WHEN 'policies_seen' THEN k.told_time <= f.told_time
            ELSE true
        END
)
