"""What a lead says of who it is, the keys it is found under, and the employers it names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identity.matching.employers import are_same, employers_of, labels
from pipeline.identity.matching.evidence import KEYS_VERSION, Evidence, evidence_of, keys_of
from pipeline.records import Lead


def lead(**fields: Any) -> Lead:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Lead(UUID(int=1), "default", "api", "bulk", at, at, "1", fields)


NUMBERS = [f"+3460005751{digit}" for digit in range(10)]
MAILS = [f"ana{letter}@aol.com" for letter in "abcdefghi"]
MAIL, SITE = "ana@gmail.com", "ana@kairotech.mx"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, {}),
        ({"full_name": "Ana López"}, {"name": ("ana", "lopez")}),
        ({"first_name": "Ana", "last_name": "López Vega"}, {"name": ("ana", "lopez", "vega")}),
        ({"first_name": "Ana"}, {"name": ("ana",)}),
        ({"last_name": "López"}, {"name": ("lopez",)}),
        ({"full_name": "Ana López", "first_name": "A."}, {"name": ("ana", "lopez")}),
        ({"full_name": "Dr. Ana de la Cruz"}, {"name": ("ana", "cruz")}),
        ({"full_name": "E. Wright"}, {"name": ("e", "wright")}),
        ({"full_name": "😀😀"}, {"name": ()}),
        ({"full_name": "12345"}, {"name": ()}),
        ({"full_name": "X"}, {"name": ("x",)}),
        ({"full_name": "李小龙"}, {"name": ("李小龙",)}),
        ({"full_name": "محمد علي"}, {"name": ("محمد", "علي")}),
        ({"full_name": "A" * 10_000}, {"name": ("a" * 40,)}),
        ({"full_name": "Ana " * 100}, {"name": ("ana",) * 12}),
        ({"email": MAIL}, {"email": MAIL, "is_work": False}),
        ({"email": "a.n.a@googlemail.com"}, {"email": MAIL}),
        ({"email": "ana+web@gmail.com"}, {"email": MAIL}),
        ({"email": SITE}, {"email": SITE, "is_work": True, "employers": ("kairotech",)}),
        ({"email": "ana@kairo-tech.mx"}, {"employers": ("kairotech",)}),
        ({"email": "ana@mail.kairotech.mx"}, {"is_work": True, "employers": ("mail",)}),
        ({"email": "ana@mailinator.com"}, {"is_work": False, "employers": ()}),
        ({"email": "test@test.com"}, {"email": None, "employers": ()}),
        ({"email": "noemail@noemail.com"}, {"email": None}),
        ({"email": "asdf@asdf.com"}, {"email": None}),
        ({"email": "info@kairotech.mx"}, {"is_shared": True, "employers": ("kairotech",)}),
        ({"email": "ventas@kairotech.mx"}, {"is_shared": True}),
        ({"email": "sales-uk@kairotech.mx"}, {"is_shared": True}),
        ({"email": "family.mora12@gmail.com"}, {"is_shared": True}),
        ({"email": "familia_mora@gmail.com"}, {"is_shared": True}),
        ({"email": "fam-mora@gmx.de"}, {"is_shared": True}),
        ({"full_name": "Ana Mora", "email": "fammora12@gmail.com"}, {"is_shared": True}),
        ({"full_name": "Ana Mora", "email": "familiamora@gmail.com"}, {"is_shared": True}),
        ({"full_name": "Ana Mora", "email": "casa.mora77@gmail.com"}, {"is_shared": True}),
        ({"full_name": "Ana Walker", "email": "thewalker3@gmail.com"}, {"is_shared": True}),
        ({"full_name": "Ana Mora", "email": "casandra@gmail.com"}, {"is_shared": False}),
        ({"full_name": "Ana Mora", "email": "ana.mora@gmail.com"}, {"is_shared": False}),
        ({"full_name": "Ana Mora", "email": "mora@gmail.com"}, {"is_shared": False}),
        ({"email": "marcos.sanchez@gmail.com"}, {"name": ("marcos", "sanchez")}),
        ({"email": "sanchez_marcos82@outlook.com"}, {"name": ("marcos", "sanchez")}),
        ({"email": "kdjf.ertz@outlook.com"}, {"name": ()}),
        ({"email": "marcos@outlook.com"}, {"name": ()}),
        ({"email": "m.sanchez@outlook.com"}, {"name": ()}),
        ({"full_name": "Ana", "email": "marcos.sanchez@gmail.com"}, {"name": ("ana",)}),
        ({"other_emails": ["ana@aol.com"]}, {"email": "ana@aol.com"}),
        ({"other_emails": ["marcos.sanchez@gmail.com"]}, {"name": ("marcos", "sanchez"), "others": ()}),
        ({"email": MAIL}, {"others": ()}),
        ({"email": MAIL, "other_emails": ["bea@aol.com"]}, {"email": MAIL, "others": ("bea@aol.com",)}),
        ({"email": MAIL, "other_emails": [SITE]}, {"email": MAIL, "is_work": False, "employers": ()}),
        ({"email": MAIL, "other_emails": ["cleo@aol.com", "bea@aol.com"]}, {"others": ("bea@aol.com", "cleo@aol.com")}),
        ({"email": SITE, "other_emails": ["a.n.a+x@googlemail.com"]}, {"others": (MAIL,)}),
        ({"email": MAIL, "other_emails": ["an.a+web@gmail.com"]}, {"others": ()}),
        ({"email": MAIL, "other_emails": ["test@test.com"]}, {"others": ()}),
        ({"email": MAIL, "other_emails": ["info@kairotech.mx"]}, {"others": (), "is_shared": False}),
        ({"email": MAIL, "other_emails": ["familia.mora@aol.com"]}, {"others": ()}),
        ({"full_name": "Ana Mora", "email": MAIL, "other_emails": ["fammora@aol.com"]}, {"others": ()}),
        ({"full_name": "Ana", "email": MAIL, "other_emails": ["fammora@aol.com"]}, {"others": ("fammora@aol.com",)}),
        ({"email": "info@kairotech.mx", "other_emails": [MAIL]}, {"is_shared": True, "others": (MAIL,)}),
        ({"email": "test@test.com", "other_emails": [MAIL]}, {"email": MAIL, "others": ()}),
        ({"email": "test@test.com", "other_emails": [MAIL, SITE]}, {"email": MAIL, "others": (SITE,)}),
        ({"email": "test@test.com", "other_emails": ["x@test.com"], "external_id": "1"}, {"profiles": ("api:1",)}),
        ({"email": MAIL, "other_emails": MAILS}, {"others": tuple(MAILS[:8])}),
        ({"phone": "+34600057519"}, {"phones": ("+34600057519",)}),
        ({"phone": "+5216641234567"}, {"phones": ("+526641234567",)}),
        ({"whatsapp_id": "+551187654321"}, {"phones": ("+5511987654321",)}),
        ({"phone": "+34600057519", "whatsapp_id": "+34600057519"}, {"phones": ("+34600057519",)}),
        ({"phone": "+34600057519", "other_phones": ["+34600057518"]}, {"phones": ("+34600057518", "+34600057519")}),
        ({"other_phones": NUMBERS}, {"phones": tuple(NUMBERS[:8])}),
        ({"linkedin_url": "https://www.linkedin.com/in/Ana-Lopez/"}, {"profiles": ("linkedin:/in/ana-lopez",)}),
        ({"external_id": "r1"}, {"profiles": ("api:r1",)}),
        ({"external_id": "r1", "email": MAIL}, {"profiles": ("api:r1",)}),
        ({"submission_id": "s1", "email": MAIL}, {"profiles": ()}),
        ({"company": "Kairotech, S.A. de C.V."}, {"employers": ("kairotech",)}),
        ({"company": "KAIROTECH", "email": SITE}, {"employers": ("kairotech",)}),
        ({"company": "Elorza y Hurtado Asociados"}, {"employers": (".eha", "elorzahurtadoasociados")}),
        ({"company": "www.kairotech.mx"}, {"employers": ("kairotech",)}),
        ({"company": "https://kairotech.mx/contacto"}, {"employers": ("kairotech",)}),
        ({"company": "Freelance"}, {"employers": ()}),
        ({"company": "n/a"}, {"employers": ()}),
        ({"company": "X"}, {"employers": ()}),
        ({"company": "K" * 5_000}, {"employers": ("k" * 60,)}),
        ({"company": "Orbicom", "email": "ana@kairotech.mx"}, {"employers": ("kairotech", "orbicom")}),
    ],
)  # fmt: skip
def test_a_lead_says_this_of_who_it_is(fields: dict[str, Any], said: dict[str, Any]) -> None:
    evidence = evidence_of(lead(**fields))
    assert {name: getattr(evidence, name) for name in said} == said


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Kairotech", "KAIROTECH S.A. de C.V.", True),
        ("Kairotech", "kairotech.mx", True),
        ("Kairotech", "@kairotech.com", True),
        ("Kairotech", "Kairocare", False),
        ("Innomark", "Innoplus", False),
        ("Elorza y Hurtado Asociados", "Elorza & Hurtado Asociados, S.C.", True),
        ("Elorza y Hurtado Asociados", "Elorza e Hurtado Asociados", True),
        ("Elorza y Hurtado Asociados", "EHA", True),
        ("EHA", "eha", True),
        ("EHA", "EHB", False),
        ("Elorza y Hurtado Asociados", "Egea y Huerta Abogados", False),  # initials alike: many are
        ("García y Mateu Asociados", "@garciaymateuasociados.com", True),
        ("García & Mateu Asociados", "@garciamateuasociados.com", True),
        ("Hall & Warren plc", "@hallwarren.com", True),
        ("Hall & Warren plc", "@hallandwarren.com", True),
        ("Hall and Warren", "Hall Warren Ltd", True),
        ("Müller und Söhne GmbH", "@muellerundsoehne.de", False),  # umlauts are folded one way here, there another
        ("Brandt und Partner", "@brandtundpartner.de", True),
        ("Gómez y Aguilera Asociados", "@gomezyaguileraasociad.com", True),  # cut off
        ("Vázquez y Batista Asociados", "@vazquezybatistaasociad.mx", True),
        ("Gómez y Aguilera Asociados", "@gomezyaguirreasociados.com", False),
        ("Acme", "Acme Industries", False),  # four letters are not enough to go on
        ("Constructora Muro", "Constructora Muro del Norte", True),
        ("Constructora Muro", "Constructora Mora", False),
        ("Grupo Leão", "Grupo Leon", False),
        ("Möbel Beer GmbH", "@mobelbeer.de", True),
        ("Freelance", "Freelance", False),
        ("", "", False),
        ("-", "n/a", False),
        ("The Orchard Company", "Orchard", True),
    ],
)  # fmt: skip
def test_two_companies_are_one_employer(one: str, other: str, same: bool) -> None:
    mine, theirs = (
        employers_of("", text[1:]) if text.startswith("@") else employers_of(text, None) for text in (one, other)
    )
    assert are_same(mine, theirs) is are_same(theirs, mine) is same


@pytest.mark.parametrize("other", ["Elorza & Hurtado Asociados, S.C.", "@elorzahurtado.mx"])
def test_an_employer_is_found_by_how_its_names_begin(other: str) -> None:
    theirs = employers_of("", other[1:]) if other.startswith("@") else employers_of(other, None)
    assert {*labels(employers_of("Elorza y Hurtado Asociados", None))} & {*labels(theirs)}


KAIRO = ("kairotech",)


@pytest.mark.parametrize(
    ("evidence", "keys"),
    [
        (Evidence(), []),
        (Evidence(("ana", "lopez")), []),
        (Evidence(email=MAIL), ["email ana@gmail.com"]),
        (Evidence(email=MAIL, others=("bea@aol.com", SITE)), [f"email {MAIL}", "email bea@aol.com", f"email {SITE}"]),
        (Evidence(phones=("+34600", "+34601")), ["phone +34600", "phone +34601"]),
        (Evidence(profiles=("linkedin:/in/ana",)), ["profile linkedin:/in/ana"]),
        (Evidence(employers=KAIRO), []),
        (Evidence(("ana",), employers=KAIRO), []),
        (Evidence(("ana",), MAIL), ["email ana@gmail.com"]),
        (
            Evidence(("ana", "lopez"), employers=KAIRO),
            ["name_employer ana l kairotec", "name_employer lopez a kairotec"],
        ),
        (Evidence(("a", "lopez"), employers=KAIRO), ["name_employer a l kairotec", "name_employer lopez a kairotec"]),
        (Evidence(("ana", "l"), employers=KAIRO), ["name_employer ana l kairotec"]),
        (
            Evidence(("ana", "lopez", "vega"), employers=KAIRO),
            [f"name_employer {who} kairotec" for who in ("ana l", "ana v", "lopez a", "vega a")],
        ),
        (
            Evidence(("ana", "lopez"), phones=("+34600057519",)),
            ["phone +34600057519", "name_phone ana lopez +3460005_", "name_phone ana lopez _7519"],
        ),
        (Evidence(("ana", "lopez"), "ana@gmail.com"), ["email ana@gmail.com", "name_email ana lopez ana@gmail.com"]),
        (
            Evidence(("ana", "lopez"), "info@kairotech.mx", is_shared=True),
            ["email info@kairotech.mx", "name_email ana lopez info@kairotech.mx"],
        ),
        (
            Evidence(("ana", "lopez"), employers=(".eha", "elorzahurtado")),
            ["name_employer ana l elorzahu", "name_employer lopez a elorzahu"],
        ),
    ],
)  # fmt: skip
def test_evidence_is_filed_under_these_keys(evidence: Evidence, keys: list[str]) -> None:
    assert [" ".join(key) for key in keys_of(evidence)] == keys


def test_other_keys_are_another_version() -> None:
    """Evidence that is stored has the keys of its day: with others, raise KEYS_VERSION before you change the sum."""
    piece = Evidence(("ana", "lopez", "vega"), MAIL, ("+34600057519",), ("linkedin:/in/ana",), KAIRO, others=(SITE,))
    assert (KEYS_VERSION, crc32(repr(keys_of(piece)).encode())) == (1, 2294111330)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Fran Ruiz", "", "+34600057519", ""), ("Francisco Ruiz", "", "+34600057518", "")),
        (("Fran Ruiz", "", "+34600057519", ""), ("Francisco Ruiz", "", "+34601057519", "")),
        (("Paco Ruiz", "", "", "Kairotech"), ("Francisco Ruiz", "pruiz@kairotech.mx", "", "")),
        (("Bill Hart", "", "", "Kairotech"), ("William Hart", "", "", "KAIROTECH SA")),
        (("Ana López", "", "", "EHA"), ("Ana López", "", "", "E.H.A.")),
        (("Ana López", "ana@kairotech.mx", "", ""), ("Ana López", "an@kairotech.mx", "", "")),
        (("Ana López", "ana@kairotech.mx", "", ""), ("Ana López", "ana@gmail.com", "", "Kairotech SA")),
        (("Marina López", "", "", "Kairotech"), ("Marinna López", "", "", "Kairotech")),
        (("Ana Lopze", "", "", "Kairotech"), ("Ana López", "", "", "Kairotech")),
        (("A. López", "", "", "Kairotech"), ("Ana López", "", "", "Kairotech")),
        (("López, Ana", "", "", "Kairotech"), ("Ana López", "", "", "Kairotech")),
        (("", "ana@gmail.com", "", ""), ("Ana López", "ana@gmail.com", "", "")),
        (("", "", "+34600057519", ""), ("Ana López", "", "+34600057519", "")),
        (("Majo Ortiz", "", "", "Kairotech"), ("María José Ortiz", "", "", "Kairotech")),
        (("Ana López", "", "", "Hall & Warren"), ("Ana López", "", "", "Hall and Warren plc")),
        (("Ana López", "", "", "kairotech.mx"), ("Ana López", "", "", "Kairotech")),
    ],
)
def test_two_leads_that_may_be_one_person_share_a_key(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    fields = ("full_name", "email", "phone", "company")
    mine, theirs = (keys_of(evidence_of(lead(**dict(zip(fields, texts, strict=True))))) for texts in (one, other))
    assert {*mine} & {*theirs}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"company": "EHA"}, {"company": "Elorza y Hurtado Asociados"}),
        ({"email": "ana.lopez@gmail.com"}, {"email": "ana.lopes@gmail.com"}),
        ({"email": "ana.lopez82@gmail.com"}, {"email": "ana.lopez82@hotmail.com"}),
    ],
)
def test_what_is_seldom_the_only_trace_of_one_person_is_no_key(one: dict[str, str], other: dict[str, str]) -> None:
    mine, theirs = (keys_of(evidence_of(lead(full_name="Ana López", **fields))) for fields in (one, other))
    assert not {*mine} & {*theirs}


_HARD = ["Ana López", "fam.mora@gmail.com", "@", "+34600057519", "a@b", ". .", "https://", "www."]
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(max_size=80) | st.sampled_from(_HARD)
        for name in ("full_name", "first_name", "last_name", "email", "phone", "whatsapp_id", "company", "linkedin_url")
    },
)  # fmt: skip


@given(_FIELDS)
def test_any_text_gives_evidence_and_keys_of_bounded_size(fields: dict[str, str]) -> None:
    evidence = evidence_of(lead(**fields))
    keys = keys_of(evidence)
    assert len(keys) == len(set(keys)) < 500
    assert evidence == evidence_of(lead(**fields))
    assert are_same(evidence.employers, evidence.employers) is any(
        not name.startswith(".") for name in evidence.employers
    )


def test_evidence_does_not_show_itself() -> None:
    assert repr(Evidence(("ana", "lopez"), MAIL)) == "<Evidence>"
