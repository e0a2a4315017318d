"""Avatar packages: what they describe, and how they are found and read."""
