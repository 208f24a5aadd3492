"""The contracts of Counterfoil: tables, findings, settings and errors. Imports nothing of the other rooms."""
