-- needs: digests
-- Each digest chain: what it covers, and when it was last added to.
SELECT
    chain,
    CAST(sum(rows) AS BIGINT) AS rows,
    max(to_offset) AS below_offset,
    max(sealed_time) AS sealed_time,
    count(*) AS segments
FROM digests
WHERE chain <> 'seals'
GROUP BY chain
ORDER BY chain
LIMIT $most;
