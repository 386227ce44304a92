"""The process that auditd starts: it drains standard input and keeps what the worker has not finished."""
