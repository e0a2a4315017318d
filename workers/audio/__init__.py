"""PCM -> log-mel columns."""
