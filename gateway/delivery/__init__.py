"""From an outbox entry to a provider: jobs, payloads, channels, and the sandbox that stands in for providers."""
