"""Leads as forms and ad platforms send them: 20 fields, five markets, each person another one. Seeded."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

# Per market: country as people write it, what a national number looks like (# is any digit), mail domains.
_MARKETS = {
    "US": (("USA", "United States"), ("({area}) 55#-####", "+1 {area}-{two}#-####"), ("gmail.com", "yahoo.com")),
    "MX": (("México", "mexico"), ("55 {two}## ####", "+52 1 33 {two}## ####", "044 81 {two}## ####"), ("hotmail.com",)),
    "BR": (("Brasil", "BR"), ("(11) 9{two}##-####", "+55 21 9{two}## ####"), ("uol.com.br", "gmail.com")),
    "DE": (("Deutschland", "Germany"), ("0171 {two}#####", "+49 (0)30 {two}####"), ("web.de", "gmx.de")),
    "ES": (("España", "Spain"), ("612 {two}# ###", "0034 6{two} ### ###"), ("gmail.com", "telefonica.net")),
}
_AREAS = (212, 213, 305, 312, 404, 415, 503, 512, 602, 617, 702, 713, 718, 818, 917)
_GIVEN = (
    "María José", "Juan Carlos", "Ana", "Luís", "Beatriz", "Jürgen", "Anneliese", "Michael", "jennifer", "DAVID",
    "Zoë", "Thiago", "Sofía", "Wolfgang", "Karen", "Íñigo", "Paula", "José", "Heike", "Robert",
)  # fmt: skip
_FAMILY = (
    "Hernández García", "de la Cruz", "O'Neill", "McDonald", "Müller", "SILVA SANTOS", "van der Berg", "Schmidt",
    "Souza Lima", "johnson", "Lopez", "Ortiz Vega", "Fischer-Braun", "Smith", "Ferreira da Costa", "Weiß",
)  # fmt: skip
_WORDS = ("nordic", "casa", "solar", "data", "verde", "prime", "blue", "rio", "alpha", "norte", "log", "med", "tec")
_FORMS = ("GmbH", "S.A. de C.V.", "Ltda", "LLC", "S.L.", "Inc.", "AG", "")
_TITLES = ("Head of Marketing", "Gerente de Compras", "Geschäftsführer", "Sales Manager", "Diretora Comercial", "CTO")
_CITIES = ("Monterrey", "São Paulo", "München", "Austin", "Sevilla", "CIUDAD DE MÉXICO", "Köln", "curitiba")
_INDUSTRIES = ("Software", "Retail", "Manufacturing", "Salud", "Logistik", "Educação")
_MESSAGES = (
    "Hola, me gustaría recibir una cotización para 25 usuarios. ¿Tienen disponibilidad esta semana?",
    "Please call me back about pricing.\nWe run 12 shops and need it before March.",
    "Wir suchen eine Lösung für unser Vertriebsteam (ca. 40 Personen) & bitten um ein Angebot.",
)


def bodies(count: int, *, seed: int = 11) -> Iterator[bytes]:
    """`count` JSON objects in canonical names (source `api`)."""
    dice = random.Random(seed)
    for index in range(count):
        yield json.dumps(lead(dice, index), ensure_ascii=False).encode()


def lead(dice: random.Random, index: int) -> dict[str, object]:
    """One lead of 20 fields; phones and addresses are new for each `index`."""
    region = dice.choice(tuple(_MARKETS))
    countries, phones, domains = _MARKETS[region]
    given, family = dice.choice(_GIVEN), dice.choice(_FAMILY)
    word = f"{dice.choice(_WORDS)}{dice.choice(_WORDS)}{index % 4999}"
    domain = dice.choice(domains) if dice.random() < 0.5 else f"{word}.com"
    return {
        "external_id": f"f-{index:09d}",
        "occurred_at": f"2026-{index % 12 + 1:02d}-{index % 28 + 1:02d}T{index % 24:02d}:14:55Z",
        "region": region,
        "first_name": given,
        "last_name": family,
        "email": f"{given.split()[0]}.{family.split()[-1]}{index}@{domain}".replace("'", ""),
        "phone": _number(dice, dice.choice(phones)),
        "company": f"{word.title()} {dice.choice(_FORMS)}".strip(),
        "website": f"https://www.{word}.com/",
        "job_title": dice.choice(_TITLES),
        "industry": dice.choice(_INDUSTRIES),
        "employee_count": str(dice.choice((5, 40, 250, 1200))),
        "city": dice.choice(_CITIES),
        "postal_code": f"{dice.randrange(10_000, 99_999)}",
        "country": dice.choice(countries),
        "message": dice.choice(_MESSAGES),
        "page_url": f"https://www.example.com/demo?utm_source=google&utm_medium=cpc&gclid=Cj0{index}",
        "referrer": "https://www.google.com/",
        "utm_campaign": f"brand-{region.lower()}-{index % 40}",
        "form_id": "demo-request",
    }


def _number(dice: random.Random, pattern: str) -> str:
    text = pattern.format(area=dice.choice(_AREAS), two=dice.randrange(22, 99))
    return "".join(str(dice.randrange(10)) if character == "#" else character for character in text)
