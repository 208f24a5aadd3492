-- The moment up to which each stream is complete.
-- needs: watermark
SELECT stream, complete_until FROM watermark ORDER BY stream;
