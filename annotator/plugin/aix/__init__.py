"""The plugin's counterpart on AIX, fed by auditstream."""
