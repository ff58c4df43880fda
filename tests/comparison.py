"""The independent comparison of `scripts/compare.py`, which the demo uses as well."""

from compare import compare, counterparts, differences, read_dump, vault_dashboards

__all__ = ["compare", "counterparts", "differences", "read_dump", "vault_dashboards"]
