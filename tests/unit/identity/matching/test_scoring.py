"""What a pair of leads weighs, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pipeline.identity.matching.employers import employers_of
from pipeline.identity.matching.evidence import Evidence
from pipeline.identity.matching.name_agreement import name_of
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.matching.scoring import are_two_mailboxes, compare

RULES = identity_rules()
FREE = ("gmail.com", "hotmail.com", "outlook.com", "gamil.com")


def says(text: str) -> Evidence:
    """`Ana López | ana@gmail.com | 600 601 | Kairotech`: name, mailbox (with ! nobody's own) and further ones, numbers,
    company.
    """
    name, email, phones, company = ([part.strip() for part in text.split("|")] + [""] * 3)[:4]
    email, *others = email.split() or [""]
    is_shared, email = email.startswith("!"), email.removeprefix("!")
    host = email.rpartition("@")[2]
    domain = host if host and host not in FREE else None
    profiles = tuple(word for word in phones.split() if word.startswith("linkedin"))
    numbers = tuple(word for word in phones.split() if word not in profiles)
    employers = employers_of(company, domain)
    return Evidence(
        name_of(name), email or None, numbers, profiles, employers, is_shared, domain is not None, tuple(others)
    )


def names_on(used: Mapping[str, int]):
    return lambda kind, value: used.get(value, 1)


ANA, EVA, JON = "Ana López", "Eva López", "Jon Vidal"


@pytest.mark.parametrize(
    ("one", "other", "used", "pieces", "verdict"),
    [
        # one address
        (f"{ANA}|ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_full email", "same"),
        ("Ana|ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_part email", "same"),
        ("A. López|ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_initial email", "same"),
        ("|ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_unknown email", "same"),
        ("Ana Vega|ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_same_given email_of_two", "same"),  # married
        (f"{EVA}|ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_same_family email_of_two", "apart"),
        (f"{JON}|ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_different email_of_two", "apart"),
        (f"{ANA}|ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_full email_of_two", "same"),
        ("Ana|ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_part email_of_two", "same"),
        ("|ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_unknown email_of_two", "same"),
        (f"{ANA}|ana@gmail.com", f"{ANA}|ana@gmail.com", 3, "name_full email_of_many", "same"),
        ("Ana|ana@gmail.com", f"{ANA}|ana@gmail.com", 3, "name_part", "apart"),
        ("|ana@gmail.com", f"{ANA}|ana@gmail.com", 3, "name_unknown", "apart"),
        (f"{JON}|ana@gmail.com", f"{ANA}|ana@gmail.com", 9, "name_different", "apart"),
        (f"{ANA}|!info@kairo.mx", f"{ANA}|!info@kairo.mx", 1, "name_full email_of_many employer", "same"),
        (f"{EVA}|!info@kairo.mx", f"{ANA}|!info@kairo.mx", 1, "name_same_family employer", "apart"),
        ("|!info@kairo.mx", f"{ANA}|!info@kairo.mx", 1, "name_unknown employer", "apart"),
        (f"{JON}|!info@kairo.mx", f"{ANA}|!info@kairo.mx", 1, "name_different employer", "apart"),
        (f"{ANA}|ana@gmail.com||Kairo", f"{ANA}|ana@gmail.com||Muro", 1, "name_full email other_employer", "same"),
        # one address, not the first of both
        (f"{ANA}|x@gmail.com ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_full email", "same"),
        (f"{ANA}|x@gmail.com ana@gmail.com", f"{ANA}|y@gmail.com ana@gmail.com", 1, "name_full email", "same"),
        (f"{ANA}|ana@gmail.com x@gmail.com", f"{ANA}|ana@gmail.com y@gmail.com", 1, "name_full email", "same"),
        (f"{ANA}|ana@gmail.com lopez@gmail.com", f"{ANA}|al@gmail.com me@gmail.com", 1, "name_full", "review"),
        ("|x@gmail.com ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_unknown email", "same"),
        (f"{JON}|x@gmail.com ana@gmail.com", f"{ANA}|ana@gmail.com", 2, "name_different email_of_two", "apart"),
        (f"{ANA}|x@gmail.com ana@gmail.com", f"{ANA}|ana@gmail.com", 3, "name_full email_of_many", "same"),
        ("|x@gmail.com ana@gmail.com", f"{ANA}|ana@gmail.com", 3, "name_unknown", "apart"),
        (f"{ANA}|!info@kairo.mx ana@gmail.com", f"{ANA}|ana@gmail.com", 1, "name_full email", "same"),
        (f"{ANA}|!info@muro.mx a@gmail.com", f"{ANA}|!info@muro.mx a@gmail.com", 1, "name_full email employer", "same"),
        (f"{ANA}|!info@kairo.mx x@gmail.com", f"{ANA}|!info@kairo.mx", 1, "name_full email_of_many employer", "same"),
        (f"{ANA}|ana@kairo.mx ana2@kairo.mx", f"{ANA}|ana2@kairo.mx", 1, "name_full email employer", "same"),
        (f"{ANA}|ana@kairo.mx x@gmail.com", f"{ANA}|ana2@kairo.mx", 1, "name_full two_mailboxes employer", "apart"),
        (f"{ANA}|x@gmail.com ana@gmail.com|600", f"{ANA}|ana@gmail.com|711", 1, "name_full email", "same"),
        (f"{ANA}|x@gmail.com b@gmail.com|600|Kairo", f"{ANA}|ana@gmail.com|711|Kairo", 1,
         "name_full employer other_contacts", "review"),
        (f"{ANA}|x@gmail.com a@gmail.com|34600057519", f"{ANA}|a@gmail.com|34600057518", 1,
         "name_full email phone_slip", "same"),
        # one number
        (f"{ANA}||600", f"{ANA}||600", 1, "name_full phone", "same"),
        ("Ana||600", f"{ANA}||600", 1, "name_part phone", "same"),
        ("||600", f"{ANA}||600", 1, "name_unknown phone", "same"),
        ("A. López||600", f"{ANA}||600", 1, "name_initial phone", "same"),
        ("Ana Vega||600", f"{ANA}||600", 2, "name_same_given phone_of_two", "review"),
        ("Ana Vega||600|Kairo", f"{ANA}||600|Kairo", 2, "name_same_given phone_of_two", "review"),
        ("Ana Vega||600|Kairo", f"{ANA}||600|Muro", 2, "name_same_given phone_of_two other_employer", "review"),
        (f"{EVA}||600", f"{ANA}||600", 2, "name_same_family phone_of_two", "apart"),
        (f"{JON}||600", f"{ANA}||600", 2, "name_different phone_of_two", "apart"),  # recycled
        (f"{ANA}||600", f"{ANA}||600", 2, "name_full phone_of_two", "same"),
        ("Ana||600", f"{ANA}||600", 2, "name_part phone_of_two", "same"),
        ("||600", f"{ANA}||600", 2, "name_unknown phone_of_two", "review"),
        (f"{ANA}||600", f"{ANA}||600", 3, "name_full phone_of_many", "same"),
        ("Ana||600", f"{ANA}||600", 3, "name_part", "apart"),
        ("||600", "||600", 3, "name_unknown", "apart"),
        (f"{ANA}||600|Kairo", f"{ANA}||600|Muro", 3, "name_full phone_of_many other_employer", "review"),
        (f"{ANA}||600 601", f"{ANA}||600 602", 1, "name_full phone", "same"),
        # mailbox and number of a household
        (f"{EVA}|m@gmail.com|600", f"{ANA}|m@gmail.com|600", 2, "name_same_family email_of_two phone_of_two", "review"),
        (f"{EVA}|m@gmail.com||Kai", f"{ANA}|m@gmail.com||Kai", 2, "name_same_family email_of_two employer", "apart"),
        (f"{EVA}|!fam@gmail.com|600", f"{ANA}|!fam@gmail.com|600", 2, "name_same_family phone_of_two", "apart"),
        (f"{JON}|m@gmail.com|600", f"{ANA}|m@gmail.com|600", 2, "name_different email_of_two phone_of_two", "apart"),
        ("Luis López||600", "José Luis López||600", 1, "name_later phone", "same"),
        ("Luis López||600", "José Luis López||600", 2, "name_later phone_of_two", "review"),
        ("José Luis Mora||600", "José Mora Gil||600", 2, "name_crossed phone_of_two", "same"),
        ("José Luis Mora||600", "José Mora Gil||600", 3, "name_crossed", "apart"),
        ("José Luis Mora|||Kairotech", "José Mora Gil|||Kairotech", 1, "name_crossed employer", "review"),
        # profiles
        (f"{ANA}||linkedin:/in/ana", f"{ANA}||linkedin:/in/ana", 1, "name_full profile", "same"),
        ("||linkedin:/in/ana", f"{ANA}||linkedin:/in/ana", 1, "name_unknown profile", "same"),
        (f"{JON}||linkedin:/in/ana", f"{ANA}||linkedin:/in/ana", 1, "name_different profile", "apart"),
        # the name and the employer
        (f"{ANA}|||Kairotech", f"{ANA}|||KAIROTECH SA de CV", 1, "name_full employer", "same"),
        ("Paco Ruiz|||EHA", "Francisco Ruiz|||Elorza y Hurtado Asociados", 1, "name_full employer", "same"),
        (f"{ANA}|||Hall & Warren", f"{ANA}|ana@hallwarren.com", 1, "name_full employer", "same"),
        (f"{ANA}|||Hall & Warren", f"{ANA}|ana@hallandwarren.com", 1, "name_full employer", "same"),
        (f"{ANA}|||kairotech.mx", f"{ANA}|ana@kairotech.mx", 1, "name_full employer", "same"),
        ("Marina López|||Kairotech", "Marinna López|||Kairotech", 1, "name_close employer", "review"),
        ("Ana|||Kairotech", f"{ANA}|||Kairotech", 1, "name_part employer", "review"),
        ("A. López|||Kairotech", f"{ANA}|||Kairotech", 1, "name_initial employer", "apart"),
        (f"{EVA}|||Kairotech", f"{ANA}|||Kairotech", 1, "name_same_family employer", "apart"),
        (f"{ANA}|||Kairotech", f"{ANA}|||Muro", 1, "name_full other_employer", "apart"),
        # the name alone
        (ANA, ANA, 1, "name_full", "review"),
        (f"{ANA}|ana@gmail.com|600", f"{ANA}|alopez@hotmail.com|709", 1, "name_full other_contacts", "apart"),
        (f"{ANA}|ana@gmail.com|600", f"{ANA}|alopez@hotmail.com", 1, "name_full", "review"),
        (f"{ANA}|a@gmail.com|600|EHA", f"{ANA}|b@aol.com|709|EHA", 1, "name_full employer other_contacts", "review"),
        ("Ada|a@gmail.com|600", "Brandt|a@gmail.com|600", 1, "name_unknown email phone", "same"),  # halves of a name
        ("Ana", ANA, 1, "name_part", "apart"),
        ("", ANA, 1, "name_unknown", "apart"),
        # colleagues
        (f"{ANA}|ana@kairo.mx", f"{ANA}|ana2@kairo.mx", 1, "name_full two_mailboxes employer", "apart"),
        (f"{ANA}|alopez@kairo.mx", f"{ANA}|alopez2@kairo.mx", 1, "name_full two_mailboxes employer", "apart"),
        (f"{ANA}|alopez@kairo.mx", f"{ANA}|aloepz@kairo.mx", 1, "name_full email_slip employer", "same"),
        (f"{ANA}|alopez@kairo.mx", f"{EVA}|elopez@kairo.mx", 1, "name_same_family two_mailboxes employer", "apart"),
        (f"{ANA}|ana@kairo.mx|600", f"{ANA}|ana2@kairo.mx|600", 1, "name_full two_mailboxes phone employer", "same"),
        # numbered mailboxes of a function: each is somebody else's; two functions may be one person's
        (f"{ANA}|!lead6@kairo.mx", f"{ANA}|!lead7@kairo.mx", 1, "name_full two_mailboxes employer", "apart"),
        (f"{ANA}|!sales-1@kairo.mx", f"{ANA}|!sales@kairo.mx", 1, "name_full two_mailboxes employer", "apart"),
        (f"{ANA}|!info@kairo.mx", f"{ANA}|!sales@kairo.mx", 1, "name_full employer", "same"),
        (f"{ANA}|!lead6@kairo.mx", f"{ANA}|ana@kairo.mx", 1, "name_full employer", "same"),
        # near misses
        (f"{ANA}|ana.lopez@gmail.com", f"{ANA}|ana.lopze@gmail.com", 1, "name_full email_slip", "same"),
        (f"{ANA}|ana.lopez82@gmail.com", f"{ANA}|ana.lopez83@gmail.com", 1, "name_full", "review"),
        (f"{ANA}|analopez82@gmail.com", f"{ANA}|ana.lopez82@hotmail.com", 1, "name_full email_moved", "same"),
        (f"{ANA}|ana.lopez@gmail.com", f"{ANA}|ana.lopez@hotmail.com", 1, "name_full", "review"),
        (f"{ANA}|ana.lopez@gmail.com", f"{ANA}|ana.lopez@gamil.com", 1, "name_full email_moved", "same"),
        (f"{ANA}|x@gmail.com ana.lopze@gmail.com", f"{ANA}|ana.lopez@gmail.com", 1, "name_full email_slip", "same"),
        (f"{ANA}|x@gmail.com ana82@gmail.com", f"{ANA}|ana82@hotmail.com", 1, "name_full email_moved", "same"),
        (f"{ANA}|!info@muro.mx ana82@gmail.com", f"{ANA}|ana82@hotmail.com", 1, "name_full email_moved", "same"),
        (f"{ANA}|x@gmail.com ana82@gmail.com", f"{ANA}|!ana82@hotmail.com", 1, "name_full", "review"),
        (f"{EVA}|lopez82@gmail.com", f"{ANA}|lopez82@hotmail.com", 1, "name_same_family", "apart"),
        (f"{ANA}||34600057519", f"{ANA}||34600057518", 1, "name_full phone_slip", "same"),
        (f"{ANA}||34600057519", f"{ANA}||34600057591", 1, "name_full phone_slip", "same"),
        (f"{ANA}||34600057519", f"{ANA}||34600057591|Kairo", 1, "name_full phone_slip", "same"),
        ("Ana||34600057519", f"{ANA}||34600057518", 1, "name_part", "apart"),
        (f"{JON}||34600057519", f"{ANA}||34600057518", 1, "name_different", "apart"),
    ],
)  # fmt: skip
def test_a_pair_weighs(one: str, other: str, used: int, pieces: str, verdict: str) -> None:
    mine, theirs = says(one), says(other)
    keys = (mine.email, *mine.others, *theirs.others, *mine.phones, *theirs.phones)
    everywhere = names_on({value: used for value in keys if value})
    found = compare(mine, theirs, everywhere, RULES)
    assert " ".join(piece.kind for piece in found.weights) == pieces
    assert found.score == sum(RULES.weights[kind] for kind in pieces.split())
    assert verdict == ("same" if found.score >= RULES.same else "review" if found.score >= RULES.review else "apart")
    assert compare(theirs, mine, everywhere, RULES) == found


def test_a_mailbox_of_many_does_not_tell_two_colleagues_apart() -> None:
    one, other = says(f"{ANA}|ana@kairo.mx"), says(f"{JON}|jon@kairo.mx")
    assert are_two_mailboxes(one, other, names_on({}), RULES)
    assert not are_two_mailboxes(one, other, names_on({"ana@kairo.mx": 3}), RULES)


def test_of_addresses_that_two_share_the_one_of_fewest_names_counts() -> None:
    one, other = says(f"{ANA}|desk@kairo.mx ana@gmail.com"), says("|desk@kairo.mx ana@gmail.com")
    used = names_on({"desk@kairo.mx": 3, "ana@gmail.com": 1})
    assert [piece.kind for piece in compare(one, other, used, RULES).weights] == ["name_unknown", "email", "employer"]


def test_a_familys_mailbox_is_of_many_also_where_only_one_of_the_two_tells_that_it_is_one() -> None:
    mora, nameless = says("Ana Mora|!fammora@gmail.com"), says("|fammora@gmail.com")
    found = compare(mora, nameless, names_on({}), RULES)
    assert [piece.kind for piece in found.weights] == ["name_unknown"]
    assert compare(nameless, mora, names_on({}), RULES) == found


def test_who_lists_the_others_mailbox_is_no_colleague() -> None:
    one, other = says(f"{ANA}|ana@kairo.mx alopez@kairo.mx"), says(f"{ANA}|alopez@kairo.mx")
    assert not are_two_mailboxes(one, other, names_on({}), RULES)
    assert not are_two_mailboxes(other, one, names_on({}), RULES)


def test_two_mailboxes_at_a_free_provider_are_what_many_people_have() -> None:
    assert not are_two_mailboxes(says(f"{ANA}|ana@gmail.com"), says(f"{ANA}|alopez@gmail.com"), names_on({}), RULES)
