"""Looking inside a running installation: `lipstream top`, `trace`, `tail` and `dead`. Everything is read from Redis."""
