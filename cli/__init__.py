"""The `lipstream` command."""
