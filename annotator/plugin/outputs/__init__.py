"""The outputs of a configuration: routing, queues, metrics."""
