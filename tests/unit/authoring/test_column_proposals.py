"""Which column holds what: titles in five languages, held against the values, and never a guess below certainty."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.authoring.column_proposals import propose
from pipeline.authoring.column_values import kind_of
from pipeline.canonical import CANONICAL_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.values import column_titles
from pipeline.values.column_titles import count_titles, titles

EMAILS = ["ada@example.com", "Bob <bob@example.org>", "eve@example.net"]
PHONES = ["+49 30 1234567", "202-555-0143", "491701234567.0"]
PEOPLE = ["Ada Lovelace", "José Muñoz", "Zoë Bär"]
GIVEN = ["Ada", "José", "Zoë"]
COMPANIES = ["Works GmbH", "Casa S.L. Holding", "Example Inc."]
PLACES = ["Köln", "Lugo", "Vigo"]
DATES = ["2026-01-05", "05/01/2026 10:00", "3.2.2026"]
SITES = ["https://example.com", "www.example.org", "example.net"]
PROFILES = ["https://www.linkedin.com/in/ada", "linkedin.com/in/bob", "https://de.linkedin.com/in/eve"]
SAME = ["rep@example.com"] * 3


def field_of(header: str, values: list[str], *beside: str) -> str | None:
    headers = [header, *beside]
    rows = [[value, *([""] * len(beside))] for value in values]
    return propose(headers, rows).columns[0].field


@pytest.mark.parametrize(
    ("header", "values", "field"),
    [
        # English
        ("Email", EMAILS, "email"),
        ("E-Mail Address*", EMAILS, "email"),
        ("What is your email address?", EMAILS, "email"),
        ("Work e-mail", EMAILS, "email"),
        ("Email (work)", EMAILS, "email"),
        ("EMAIL_1", EMAILS, "email"),
        ("Lead Email", EMAILS, "email"),
        ("phone_number", PHONES, "phone"),
        ("Mobile No.", PHONES, "phone"),
        ("Phone Number (E.164)", PHONES, "phone"),
        ("Direct dial", PHONES, "phone"),
        ("WhatsApp Number", PHONES, "whatsapp_id"),
        ("First Name", GIVEN, "first_name"),
        ("given-name", GIVEN, "first_name"),
        ("Surname", GIVEN, "last_name"),
        ("Full name", PEOPLE, "full_name"),
        ("Company/Organization", COMPANIES, "company"),
        ("Account Name", COMPANIES, "company"),
        ("Job Title", ["CTO", "Engineer", "Head of Sales"], "job_title"),
        ("# of employees", ["11-50", "200", "1.000+"], "employee_count"),
        ("Nº empleados", ["11-50", "200", "1.000+"], "employee_count"),
        ("Anzahl der Mitarbeiter", ["11-50", "200", "1.000+"], "employee_count"),
        ("Number Employees", ["11-50", "200", "1.000+"], "employee_count"),
        ("Número Teléfono", PHONES, "phone"),
        ("Number of Employees", ["11-50", "200", "1.000+"], "employee_count"),
        ("Zip/Postal Code", ["62701", "10115", "EC1A 1BB"], "postal_code"),
        ("City/Town", PLACES, "city"),
        ("Country", ["DE", "Spain", "Brasil"], "country"),
        ("Person Linkedin Url", PROFILES, "linkedin_url"),
        ("Website", SITES, "website"),
        ("How did you hear about us?", ["Google", "A friend", "TV"], "reported_source"),
        ("Created At", DATES, "occurred_at"),
        ("Timestamp", DATES, "occurred_at"),
        ("UTM Source", ["google", "x", "y"], "utm_source"),
        ("utm_campaign", ["spring", "x", "y"], "utm_campaign"),
        ("GCLID", ["Cj0KCQ", "EAIaIQ", "x"], "gclid"),
        ("Google Click ID", ["Cj0KCQ", "EAIaIQ", "x"], "gclid"),
        ("Campaign Name", ["Spring", "x", "y"], "campaign_name"),
        ("Ad Set Name", ["Spring", "x", "y"], "ad_group_name"),
        ("Landing page URL", SITES, "page_url"),
        ("Lead ID", ["1", "2", "3"], "external_id"),
        # Spanish
        ("Correo electrónico", EMAILS, "email"),
        ("¿Cuál es tu correo electrónico?", EMAILS, "email"),
        ("Teléfono móvil", PHONES, "phone"),
        ("Nº de teléfono", PHONES, "phone"),
        ("Apellidos", GIVEN, "last_name"),
        ("Nombre y apellidos", PEOPLE, "full_name"),
        ("Razón social", COMPANIES, "company"),
        ("Código postal", ["28001", "08001", "15001"], "postal_code"),
        ("Población", PLACES, "city"),
        ("País", ["España", "México", "Chile"], "country"),
        ("Marca temporal", DATES, "occurred_at"),
        ("Puesto de trabajo", ["Jefa de ventas", "CEO", "IT"], "job_title"),
        ("¿Cómo nos conociste?", ["Google", "Feria", "TV"], "reported_source"),
        # Portuguese
        ("Endereço de e-mail", EMAILS, "email"),
        ("Telemóvel", PHONES, "phone"),
        ("Sobrenome", GIVEN, "last_name"),
        ("Nome completo", PEOPLE, "full_name"),
        ("Nome da empresa", COMPANIES, "company"),
        ("CEP", ["01310-100", "20040-020", "30130-010"], "postal_code"),
        ("Nº de funcionários", ["10", "20", "30"], "employee_count"),
        ("Data de criação", DATES, "occurred_at"),
        ("Segmento de mercado", ["Varejo", "TI", "x"], "industry"),
        # German
        ("E-Mail-Adresse", EMAILS, "email"),
        ("E-Mail (geschäftlich)", EMAILS, "email"),
        ("Ihre E-Mail", EMAILS, "email"),
        ("Telefon (mobil)", PHONES, "phone"),
        ("Tel.-Nr.", PHONES, "phone"),
        ("Vorname", GIVEN, "first_name"),
        ("Familienname", GIVEN, "last_name"),
        ("Ansprechpartner/in", PEOPLE, "full_name"),
        ("Ansprechpartner", PEOPLE, "full_name"),
        ("Unternehmen", COMPANIES, "company"),
        ("Straße und Hausnummer", ["Weg 1", "Gasse 2", "Platz 3"], "street"),
        ("PLZ", ["10115", "50667", "80331"], "postal_code"),
        ("Bundesland", ["Bayern", "Berlin", "Hessen"], "state"),
        ("Anzahl Mitarbeiter", ["10", "20", "30"], "employee_count"),
        ("Nachricht", ["Bitte Rückruf", "Hallo", "Angebot"], "message"),
        # French
        ("Adresse e-mail", EMAILS, "email"),
        ("Courriel", EMAILS, "email"),
        ("N° de téléphone", PHONES, "phone"),
        ("Prénom", GIVEN, "first_name"),
        ("Nom de famille", GIVEN, "last_name"),
        ("Société", COMPANIES, "company"),
        ("Intitulé du poste", ["Directrice", "Acheteur", "DSI"], "job_title"),
        ("Secteur d'activité", ["Banque", "BTP", "Santé"], "industry"),
        ("Date d’inscription", DATES, "occurred_at"),
        ("Code postal", ["75001", "69001", "13001"], "postal_code"),
    ],
)
def test_titles_of_five_languages_are_known(header, values, field):
    assert field_of(header, values) == field


@pytest.mark.parametrize(
    ("header", "values", "beside", "field"),
    [
        ("Name", PEOPLE, [], "full_name"),
        ("Name", COMPANIES, [], "company"),
        ("Name", COMPANIES, ["Email"], "company"),
        ("Name", ["Works GmbH", "Ada Lovelace", "José Muñoz"], [], None),
        ("Name", ["Lovelace", "Muñoz", "Bär"], ["Vorname"], "last_name"),
        ("Name", PEOPLE, ["First name"], "full_name"),
        ("Name", GIVEN, ["Surname"], "first_name"),
        ("Name", PEOPLE, ["Surname"], None),
        ("Name", GIVEN, ["First name", "Last name"], None),
        ("Name", EMAILS, [], None),
        ("Name", ["1", "2", "3"], [], None),
        ("Name (company)", PEOPLE, [], "company"),
        ("Nombre", GIVEN, ["Apellidos"], "first_name"),
        ("Nombre", PEOPLE, [], "full_name"),
        ("Nome", GIVEN, ["Sobrenome"], "first_name"),
        ("Nom", GIVEN, ["Prénom"], "last_name"),
        ("Nom", PEOPLE, [], "full_name"),
        ("Contact", EMAILS, [], "email"),
        ("Contact", PHONES, [], "phone"),
        ("Contact", PEOPLE, [], "full_name"),
        ("Contact", ["yes", "no", "?"], [], None),
        ("Kontakt", EMAILS, [], "email"),
        ("Cliente", COMPANIES, [], "company"),
        ("Address", EMAILS, [], "email"),
        ("Address", ["1 Main Street", "2 High Street", "3 Low Road"], [], "street"),
        ("Adresse", ["Weg 1", "Gasse 2", "Platz 3"], [], "street"),
        ("Title", ["CTO", "Head of Sales", "Engineer"], [], "job_title"),
        ("Title", ["Mr", "Mrs", "Dr."], [], None),
        ("Titel", ["Dr.", "Prof. Dr.", "Dr."], [], None),
        ("Number", PHONES, [], "phone"),
        ("Number", ["1", "2", "3"], [], None),
        ("Date", DATES, [], "occurred_at"),
        ("Fecha", ["hoy", "ayer", "?"], [], None),
        ("URL", PROFILES, [], "linkedin_url"),
        ("URL", SITES, [], "website"),
        ("ID", ["1", "2", "3"], [], "external_id"),
        ("ID", ["1", "1", "3"], [], None),
        ("Lead ID", ["1", "1", "3"], [], None),
        # titles and values that disagree
        ("Email", ["yes", "no", "yes"], [], None),
        ("Phone", ["yes", "no", "n/a"], [], None),
        ("Company", EMAILS, [], None),
        ("City", PHONES, [], None),
        ("Website", ["none", "yes", "?"], [], None),
        ("Created at", ["Monday", "Tuesday", "?"], [], None),
        ("First name", EMAILS, [], None),
        # no title, only values
        ("Feld 17", EMAILS, [], "email"),
        ("Feld 17", PROFILES, [], "linkedin_url"),
        ("Feld 17", PHONES, [], None),
        ("Feld 17", SAME, [], None),
        ("Feld 17", EMAILS[:2], [], None),
        ("", EMAILS, [], "email"),
        # whatever the values are
        ("Lead Owner", EMAILS, [], None),
        ("Email (owner)", EMAILS, [], None),
        ("Responsable", PEOPLE, [], None),
        ("Referred by", EMAILS, [], None),
        ("Company phone", PHONES, [], None),
        ("Fax", PHONES, [], None),
        ("Account Id", ["1", "2", "3"], [], None),
        ("Date of birth", DATES, [], None),
        ("Last modified", DATES, [], None),
        ("Region", PLACES, [], None),
        ("Estado", PLACES, [], None),
        ("Country code", ["+49", "+34", "+1"], [], None),
        ("Status", ["new", "old", "new"], [], None),
        ("Index", ["1", "2", "3"], [], None),
        ("No.", ["1", "2", "3"], [], None),
    ],
)
def test_values_and_neighbors_settle_what_a_title_leaves_open_or_nobody_does(header, values, beside, field):
    assert field_of(header, values, *beside) == field


@pytest.mark.parametrize("values", [["yes", "no", "yes"], ["TRUE", "TRUE", "TRUE"], ["1", "0", "1"], [], EMAILS])
@pytest.mark.parametrize(
    "header",
    ["Consent", "Opt-in", "Marketing consent?", "I agree to receive e-mails", "GDPR", "Newsletter",
     "Acepto la política de privacidad",
     "LGPD - aceite", "Einwilligung (Werbung)", "DSGVO-Einwilligung vom Formular", "Consentement RGPD",
     "Has Opted Out of Email",
     "Do you subscribe to our newsletter?"],
)  # fmt: skip
def test_a_consent_is_never_guessed_but_hinted_at(header, values):
    (column,) = propose([header], [[value] for value in values]).columns
    if values == EMAILS:  # an address is one, whatever the title; still never a consent
        assert column.field in (None, "email")
        return
    assert column.field is None
    assert "consent is never guessed" in column.why


def test_further_addresses_and_numbers_are_a_list_of_all_of_their_columns():
    rows = [
        [f"a{n}@example.com", f"b{n}@example.com", "202-555-0143", "202-555-0144", "202-555-0145"] for n in range(3)
    ]
    found = propose(["E-mail", "Email 2", "Phone", "Mobile", "Handy"], rows)
    assert [column.field for column in found.columns] == [
        *("email", "other_emails"),
        *("phone", "other_phones", "other_phones"),
    ]
    twice = propose(["Company", "Firma"], [["Works", "Works"]])
    assert [one.field for one in twice.columns] == ["company", None]


def test_every_column_is_in_the_proposal_once_and_in_order():
    headers = ["Email", "", "Whatever", "Email"]
    found = propose(headers, [])
    assert [(one.position, one.column) for one in found.columns] == list(enumerate(headers, start=1))
    assert list(found.fields.values()) == ["Email", "Email"]
    assert [one.position for one in found.undecided] == [2, 3]


def test_a_table_without_anything_that_tells_people_apart_says_so():
    assert not propose(["City", "Country"], [["Lugo", "ES"]]).identifies
    assert propose(["City", "E-Mail"], [["Lugo", "a@example.com"]]).identifies


def test_rows_shorter_than_the_header_and_longer_ones_are_taken_as_they_are():
    assert propose(["City", "Email"], [["Lugo"], ["Lugo", "a@example.com", "more"], []]).fields == {
        "city": "City",
        "email": "Email",
    }


CELLS = st.text(max_size=12) | st.sampled_from(
    [*EMAILS, *PHONES, *PEOPLE, *COMPANIES, *DATES, "Name", "Email", "Vorname"]
)


@given(st.lists(CELLS, max_size=8), st.lists(st.lists(CELLS, max_size=8), max_size=5))
def test_any_table_gets_a_proposal_that_names_each_field_once(headers, rows):
    found = propose(headers, rows)
    fields = [one.field for one in found.columns if one.field]
    assert len(found.columns) == len(headers)
    assert len(fields) == len(set(fields))
    assert set(fields) <= set(CANONICAL_FIELDS)
    assert all(one.why for one in found.columns)


@given(st.permutations(["First Name", "Last Name", "Company", "City", "Website", "Gclid", "Newsletter"]))
def test_the_order_of_the_columns_changes_no_field(headers):
    assert {one.column: one.field for one in propose(headers, []).columns} == {
        "First Name": "first_name", "Last Name": "last_name", "Company": "company", "City": "city",
        "Website": "website",
        "Gclid": "gclid", "Newsletter": None,
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "es", "pt", "de", "fr"])
def test_each_language_has_titles_for_what_every_list_has(language):
    content = column_titles.vocabulary("headers")["fields"]
    for field in (
        "email",
        "phone",
        "first_name",
        "last_name",
        "full_name",
        "company",
        "job_title",
        "city",
        "occurred_at",
    ):
        known = len(content[field][language])
        assert known >= 3, f"{field} has {known} titles in {language}"
    everything = [title for by_language in content.values() for title in by_language.get(language, ())]
    assert len(everything) >= 120


def test_every_title_of_the_vocabulary_is_found_under_its_own_field():
    content = column_titles.vocabulary("headers")
    for field, by_language in content["fields"].items():
        for title in itertools.chain.from_iterable(by_language.values()):
            assert field_of(title, []) == field, title


def test_a_title_of_two_meanings_in_the_vocabulary_is_refused(monkeypatch):
    content = {
        "fields": {"email": {"en": ["Mail"]}, "phone": {"de": ["mail"]}},
        "ambiguous": {},
        "left": {},
        "lead_ins": [],
    }
    monkeypatch.setattr(column_titles, "vocabulary", lambda _name: content)
    titles.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="stands under email and under phone"):
            titles()
    finally:
        monkeypatch.undo()
        titles.cache_clear()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("ada@example.com", "email"), ("Ada <ada@example.com>", "email"), ("ada@example", "words"), ("@ada", "word"),
        ("+49 170 1234567", "phone"), ("(202) 555-0143", "phone"), ("0049-30-123456", "phone"), ("4.91E+11", "phone"),
        ("1768471200", "moment"), ("2026-01-05", "moment"), ("5/1/2026", "moment"), ("12. März 2026", "moment"),
        ("45000", "number"), ("1,5", "number"), ("https://example.com/x", "url"), ("example.co.uk", "url"),
        ("linkedin.com/in/ada", "linkedin"), ("Works GmbH", "company"), ("Ada Lovelace", "words"), ("Ada", "word"),
        ("Mr.", "honorific"), ("Calle Mayor 5", "text"), ("", "text"), ("…", "text"),
    ],
)  # fmt: skip
def test_the_kind_of_a_value_is_seen_by_its_looks(value, kind):
    assert kind_of(value) == kind


def test_a_header_is_told_from_a_row_by_the_titles_in_it():
    assert count_titles(["Vorname", "Nachname", "E-Mail", "Feld 17"]) == 3
    assert count_titles(["Ada", "Lovelace", "ada@example.com", "17"]) == 0


@pytest.mark.parametrize(
    ("titles", "field"),
    [
        (["ID", "First Name", "Email"], "external_id"),
        (["Contact ID", "Form name", "Email"], "external_id"),
        (["ID", "Form name", "Email"], "submission_id"),
        (["Lead ID", "Event name", "Email"], "submission_id"),
        (["Response ID", "Email"], "submission_id"),
        (["Order number", "Email"], "submission_id"),
        (["Bestellnummer", "E-Mail"], "submission_id"),
        (["Kundennummer", "E-Mail"], "external_id"),
        (["ID de respuesta", "Correo"], "submission_id"),
    ],
)
def test_an_id_is_a_persons_unless_it_is_that_of_an_answer_a_registration_or_an_order(titles, field):
    rows = [[f"c{number}", *(["Ada"] if len(titles) > 2 else []), f"ada{number}@example.org"] for number in (1, 2, 3)]

    first = propose(titles, rows).columns[0]

    assert first.field == field
    assert ("names a person" in first.why) == (field == "external_id")
