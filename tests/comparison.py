"""The independent comparison of `scripts/compare.py`, which the demo uses as well."""

from compare import GONE, compare
from comparer.dashboards import differences
from comparer.sources import Backup, read_dump, vault_dashboards

__all__ = ["GONE", "Backup", "compare", "differences", "read_dump", "vault_dashboards"]
