"""What people and programs see of a run: tallies, tables, progress, JSON lines."""
