"""Read a lookervault backup: open, select, stream, decode, check. Never writes."""
