"""Records that nobody would want to get: any JSON value, and real records with parts or bytes changed."""
