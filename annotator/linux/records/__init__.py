"""The grammar of Linux audit records, and what they mean."""
