"""Background jobs: work that no session waits for, kept by RQ in Redis and done by `lipstream worker jobs`."""
