"""Real servers for tests: PostgreSQL and Redis, started and killed as a test needs it."""
