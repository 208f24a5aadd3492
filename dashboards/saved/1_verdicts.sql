-- Verdicts and their reasons
SELECT verdict, reason, count(*) AS actions
FROM action_backing
GROUP BY ALL
ORDER BY actions DESC, verdict, reason;
