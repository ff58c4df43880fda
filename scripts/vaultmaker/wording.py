"""Names, texts and small random values: what every object is filled with."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime, timedelta

from vaultmaker.shapes import words

HOST = "https://looker.example.com"
EXTRACTED_AT = datetime(2025, 11, 3, 4, tzinfo=UTC)
PERMITTED = ("index", "show", "update")

WORDS = words(
    """campaign cohort cost revenue orders churn fleet fraud funnel headcount inventory latency margin
    payroll pipeline quota refunds renewals retention returns routes sessions shipping signups spend
    tickets uptime warehouse yield"""
)
REGIONS = ("EMEA", "APAC", "LATAM", "Nordics", "São Paulo", "Île-de-France", "Москва", "東京", "北京")
NAMES = ("Noor", "José", "Łucja", "Søren", "李", "Aoife", "محمد", "Zoë")
ODD_TITLES = (
    "📈 Weekly KPIs 🚀",
    "NOT NULL",
    "100% of _everything_, daily",
    "لوحة المبيعات",
    "לוח מכירות 2024",
    "売上ダッシュボード（月次）",  # noqa: RUF001 - as people type it
    "Sales / Finance / Q1",
    "<b>bold</b> & [red]markup[/red] {{ liquid }}",
    "bell \x07 escape \x1b[31m tab\t",
    "re\u0301sume\u0301 zero\u200bwidth \u202eturned",
    "0",
    "null",
    "'; DROP TABLE content_items; --",
    "-EMEA,APAC",
    "  spaces around  ",
    "a title that goes on and on, " * 68 + "to the twentieth hundred",
)
MODELS = ("thelook", "marketing", "finance_eu")
TEXT = "The numbers on this tile refresh nightly. Ask the owning team before you change the filters. "


def chance(rng: random.Random, share: float) -> bool:
    """Return True in this share of cases."""
    return rng.random() < share


def token(rng: random.Random, length: int) -> str:
    """Return a random token of letters and digits."""
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def moment(rng: random.Random, first_year: int = 2019, years: int = 5) -> datetime:
    """Return a time with milliseconds."""
    return datetime(first_year, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=rng.randrange(years * 31_536_000_000)
    )


def can(*actions: str) -> dict[str, bool]:
    """Return what the extracting account was permitted."""
    return dict.fromkeys(actions or PERMITTED, True)
