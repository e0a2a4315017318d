"""Who may come in, from where, how often: keys, tokens, origins, limits, headers."""
