from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.companies.companies import has_legal_form, match_form, normalize_company

# As written -> as compared.
MATCH_FORMS = [
    ("Brandt GmbH", "brandt"),
    ("Brandt G.m.b.H.", "brandt"),
    ("BRANDT GMBH", "brandt"),
    ("Brandt GmbH & Co. KG", "brandt"),
    ("Brandt GmbH&Co.KG", "brandt"),
    ("Brandt GmbH und Co. KG", "brandt"),
    ("Brandt UG (haftungsbeschränkt)", "brandt"),
    ("Brandt UG (haftungsbeschraenkt)", "brandt ug haftungsbeschraenkt"),
    ("Brandt AG", "brandt"),
    ("Merck KGaA", "merck"),
    ("SAP SE", "sap"),
    ("Otto Meier e.K.", "otto meier"),
    ("Turnverein Köln e. V.", "turnverein koln"),
    ("Müller und Söhne oHG", "muller and sohne"),
    ("Müller & Söhne", "muller and sohne"),
    ("Aceros del Norte, S.A. de C.V.", "aceros del norte"),
    ("Aceros del Norte SA de CV", "aceros del norte"),
    ("ACEROS DEL NORTE S A DE C V", "aceros del norte"),
    ("Aceros del Norte S.A.P.I. de C.V.", "aceros del norte"),
    ("Servicios Luna, S. de R.L. de C.V.", "servicios luna"),
    ("Servicios Luna SRL de CV", "servicios luna"),
    ("servicios luna srl de cv", "servicios luna"),
    ("Despacho Ruiz, S.C.", "despacho ruiz"),
    ("Cruz Azul A.C.", "cruz azul"),
    ("Construcciones Pérez, S.L.", "construcciones perez"),
    ("Construcciones Pérez SLU", "construcciones perez"),
    ("Construcciones Pérez S. L. U.", "construcciones perez"),
    ("Hermanos García y Cía", "hermanos garcia"),
    ("Pérez y Ruiz S.R.L.", "perez and ruiz"),
    ("Bancolombia S.A.S.", "bancolombia"),
    ("Silva e Filhos Ltda", "silva and filhos"),
    ("Silva e Filhos LTDA ME", "silva and filhos"),
    ("Padaria Sol EIRELI", "padaria sol"),
    ("Petrobras S/A", "petrobras"),
    ("Petrobras S.A.", "petrobras"),
    ("João Souza MEI", "joao souza"),
    ("Vinhos do Porto, Lda.", "vinhos do porto"),
    ("Boulangerie Dupont SARL", "boulangerie dupont"),
    ("SARL Boulangerie Dupont", "boulangerie dupont"),
    ("Dupont et Fils E.U.R.L.", "dupont and fils"),
    ("SCI Les Lilas", "les lilas"),
    ("Acme Inc", "acme"),
    ("Acme, Inc.", "acme"),
    ("Acme L.L.C.", "acme"),
    ("Acme Corp.", "acme"),
    ("Acme Co., Ltd.", "acme"),
    ("The Acme Company", "acme"),
    ("Tiffany & Co.", "tiffany"),
    ("AT&T Inc.", "at and t"),
    ("Johnson and Johnson", "johnson and johnson"),
    ("Johnson + Johnson PLC", "johnson and johnson"),
    ("O'Neill Ltd", "oneill"),
    ("McDonald's Corporation", "mcdonalds"),
    ("McDonald\u2019s", "mcdonalds"),
    ("Outback Pty Ltd", "outback"),
    ("Outback (Pty) Ltd", "outback"),
    ("Tata Motors Pvt. Ltd.", "tata motors"),
    ("Tata Motors Private Limited", "tata motors"),
    ("Grab Pte. Ltd.", "grab"),
    ("Maju Sdn. Bhd.", "maju"),
    ("PT Astra International Tbk", "astra international"),
    ("P.T. Astra International", "astra international"),
    ("Philips N.V.", "philips"),
    ("Jansen B.V.", "jansen"),
    ("Jansen en Zonen VOF", "jansen en zonen"),
    ("Enel S.p.A.", "enel"),
    ("Enel SpA", "enel"),
    ("Day Spa", "day spa"),
    ("Ferrari S.r.l.", "ferrari"),
    ("Nokia Oyj", "nokia"),
    ("Equinor ASA", "equinor"),
    ("Mærsk A/S", "mærsk"),
    ("Lego ApS", "lego"),
    ("Volvo AB (publ)", "volvo"),
    ("Krakus Sp. z o.o.", "krakus"),
    ("Krakus sp. z o. o. sp. k.", "krakus"),
    ("Škoda a.s.", "skoda"),
    ("Novák spol. s r.o.", "novak"),
    ("Tokaj Kft.", "tokaj"),
    ("Podravka d.o.o.", "podravka"),
    ("ООО Ромашка", "ромашка"),
    ("OOO Romashka", "romashka"),
    ("Toyota K.K.", "toyota"),
    ("株式会社トヨタ", "トヨタ"),
    ("华为技术有限公司", "华为技术"),
    ("Koç Holding A.Ş.", "koc holding"),
    ("Grupo Bimbo S.A.B. de C.V.", "grupo bimbo"),
    ("GmbH", "gmbh"),
    ("S. de R.L. de C.V.", "s de rl de cv"),
    ("E Corp", "e"),
    ("Self GmbH", "self gmbh"),
    ("I.B.M. Corp", "ibm"),
    ("n/a", ""),
    ("-", ""),
    ("", ""),
    ("???", ""),
]

HAVE_A_LEGAL_FORM = [
    ("Brandt GmbH", True),
    ("brandt gmbh", True),
    ("Brandt GmbH Berlin", True),
    ("Aceros, S.A.", True),
    ("Aceros SA de CV", True),
    ("ACEROS SA DE CV", True),
    ("Talleres Ruiz S.L.", True),
    ("Talleres Ruiz SL", True),
    ("Acme Inc.", True),
    ("Acme LLC", True),
    ("Tiffany & Co. Ltd", True),
    ("Padaria Sol Ltda", True),
    ("PT Astra", True),
    ("ООО Ромашка", True),
    ("株式会社トヨタ", True),
    ("Krakus Sp. z o.o.", True),
    ("Philips N.V.", True),
    ("Otto Meier e.K.", True),
    ("Enel S.p.A.", True),
    ("Volvo AB", True),
    ("Maria Sá", False),
    ("Maria Sa", False),
    ("MARIA SA", False),
    ("maria sa", False),
    ("João de Sá", False),
    ("Jan Vos", False),
    ("Xiao Mei", False),
    ("Asa Noor", False),
    ("Jan Sas", False),
    ("Kim Se", False),
    ("Ag Nes", False),
    ("Anna S A", False),
    ("J. R. R. Tolkien", False),
    ("Ana María de la Cruz", False),
    ("Van der Berg", False),
    ("GmbH", False),
    ("Inc", False),
    ("", False),
    ("李小龙", False),
]

PLACEHOLDERS = [
    "self", "Self-employed", "SELF EMPLOYED", "freelance", "Freelancer", "particular", "Autónomo", "autónoma", "privat",
    "Privatperson", "Freiberufler", "selbständig", "autônomo", "não tenho", "indépendant", "auto-entrepreneur",
    "particulier", "test", "student", "No company", "sin empresa", "TBD", "xxx", "ohne",
]  # fmt: skip


@pytest.mark.parametrize(("written", "compared"), MATCH_FORMS)
def test_two_spellings_of_a_company_are_compared_without_its_legal_form(written, compared):
    assert match_form(written) == compared


@pytest.mark.parametrize(("text", "expected"), HAVE_A_LEGAL_FORM)
def test_a_company_is_told_from_a_person_by_its_legal_form(text, expected):
    assert has_legal_form(text) is expected


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_field_that_says_there_is_no_company_is_flagged_and_kept(text):
    found = normalize_company(text)
    assert (found.value, found.flags) == (text, ("placeholder",))


@pytest.mark.parametrize(
    "text", ["Brandt GmbH", "IKEA", "None of Your Business Ltd", "Self Storage Inc", "X", "3M", "Privatbank"]
)
def test_the_stored_name_is_what_was_written(text):
    found = normalize_company(f"  {text} ")
    assert (found.value, found.flags) == (text, ())


@given(st.text(max_size=300))
def test_any_text_has_a_match_form_that_stays(text):
    once = match_form(text)
    assert match_form(once) == once
    assert isinstance(has_legal_form(text), bool)


@given(
    st.lists(
        st.sampled_from(
            [form for form, _ in MATCH_FORMS] + ["SA", "SPA", "the", "self", "None", "&", "y", "Co.", "S", "A."]
        ),
        max_size=5,
    )
)
def test_names_made_of_forms_have_a_match_form_that_stays(parts):
    once = match_form(" ".join(parts))
    assert match_form(once) == once


@given(st.text(max_size=300))
def test_a_company_normalized_twice_is_the_same(text):
    once = normalize_company(text)
    if once.value is not None:
        again = normalize_company(once.value)
        assert again.value == once.value
        assert ("placeholder" in once.flags) == ("placeholder" in again.flags)
