"""`lipstream replay` and `lipstream recordings`: sessions that were recorded, run again, compared, kept and removed."""
