"""The command line: commands, options, tables. The only place that prints."""
