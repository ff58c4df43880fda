"""Decide what to do: selection, instance identity, comparison. Pure, no I/O."""
