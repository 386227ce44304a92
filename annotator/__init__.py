"""Say in which container each audit event happened: Linux with and without contid records, and AIX WPARs."""

__version__ = "0.1.0"
