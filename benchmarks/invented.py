"""Invented leads in the datablist column names: seeded, so that two runs measure the same rows."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

HEADER = [
    "Index", "Account Id", "Lead Owner", "First Name", "Last Name", "Company", "Phone 1", "Phone 2", "Email 1",
    "Email 2", "Website", "Source", "Deal Stage", "Notes",
]  # fmt: skip
_FIRST = [
    "Ana", "Luís", "Meredith", "Eugene", "Zoë", "Jürgen", "María José", "Kofi", "Aiko", "Wei", "Fatima", "Oleg",
    "Ingrid", "Pablo", "Noor", "Sven", "Chloé", "Tariq", "Yara", "Dmitri", "Holly", "Mateo", "Priya", "Anders", "Lucía",
    "Graham",
]  # fmt: skip
_ROOTS = [
    "Hayd", "Brad", "Müll", "Mens", "Tanak", "Garc", "Lind", "Okaf", "Petr", "Schul", "Navar", "Whit", "Kowal", "Duar",
    "Ferr", "Hals", "Ibarr", "Jans", "Kell", "Lomb", "Mor", "Nakam", "Oliv", "Pach", "Quint", "Ross", "Silv", "Tor",
]  # fmt: skip
_ENDS = ["en", "er", "ano", "eira", "sson", "ov", "ini", "ley", "mann", "ski", "ero", "ard", "ton", "ez", "oglu", "sen"]
_TRADES = ["Solar", "Foods", "Logistics", "Data", "Steel", "Media", "Energy", "Tools", "Health", "Paper", "Travel"]
_FORMS = ["LLC", "GmbH", "S.A.", "Ltd", "Inc", "& Sons"]
_SOURCES = ["Partner Program", "Cold Call", "Trade Show", "Web", "Referral"]
_AREAS = [212, 213, 305, 312, 404, 415, 503, 512, 602, 617, 702, 713, 718, 818, 917]


def rows(count: int, *, seed: int = 7) -> Iterator[list[str]]:
    """`count` rows, each a different person with two phones and two e-mail addresses."""
    dice = random.Random(seed)
    for index in range(1, count + 1):
        first, last = dice.choice(_FIRST), dice.choice(_ROOTS) + dice.choice(_ENDS)
        founder, trade = dice.choice(_ROOTS) + dice.choice(_ENDS), dice.choice(_TRADES)
        company, domain = f"{founder} {trade} {dice.choice(_FORMS)}", f"{founder}{trade}".lower().replace("ü", "ue")
        # Scattered over their range, as real numbers are, and no two alike: 3,999,971 is a prime.
        area, number = dice.choice(_AREAS), 2_000_000 + index * 3_999_971 % 7_900_000
        phone = f"{number:07d}"
        yield [
            str(index), f"A{seed:02d}{index:09d}", "Isabella Hanna", first, last, company,
            f"({area}){phone[:3]}-{phone[3:]}", f"+1-{dice.choice(_AREAS)}-{phone[:3]}-{phone[3:]}x{index % 999}",
            f"lead{seed}.{index}@{domain}.com", f"Alt{seed}.{index}@Example.org",
            f"https://www.example{index % 997}.com/?utm_source=google&utm_medium=cpc&utm_campaign=c{index % 50}",
            dice.choice(_SOURCES), "New", "Remain firm discover eye. Among chair kid act.",
        ]  # fmt: skip


def write_csv(path: Path, count: int, *, seed: int = 7) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows(count, seed=seed))
