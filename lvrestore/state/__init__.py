"""The state file of a destination: sessions, claims, journal, mappings, dead letters."""
