"""Where findings go: routes, an outbox in the lake, and sinks."""
