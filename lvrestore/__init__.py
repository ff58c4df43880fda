"""Restore Looker content from a lookervault backup into a Looker instance."""

__version__ = "0.1.0"
