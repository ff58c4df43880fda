"""Restores in memory."""

from nothing_runs import nothing_runs

__all__ = ["nothing_runs"]
