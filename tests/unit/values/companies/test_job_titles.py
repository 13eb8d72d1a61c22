from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.companies.job_titles import job_function, job_level
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary

TITLES = [
    ("CEO", "c_level", "executive"),
    ("C.E.O.", "c_level", "executive"),
    ("Chief Executive Officer", "c_level", "executive"),
    ("Founder & CEO", "c_level", "executive"),
    ("Owner", "owner", "executive"),
    ("Co-Founder", "owner", "executive"),
    ("Partner", "owner", "executive"),
    ("CFO", "c_level", "finance"),
    ("Chief Financial Officer", "c_level", "finance"),
    ("CTO", "c_level", "it"),
    ("CMO", "c_level", "marketing"),
    ("COO", "c_level", "operations"),
    ("CHRO", "c_level", "hr"),
    ("CPO", "c_level", None),
    ("President", "c_level", "executive"),
    ("Vice President", "vp", None),
    ("VP Sales", "vp", "sales"),
    ("SVP Marketing", "vp", "marketing"),
    ("Senior Vice President of Engineering", "vp", "engineering"),
    ("Assistant Vice President", "vp", None),
    ("Assistant to the CEO", "staff", "administration"),
    ("Executive Assistant to the President", "staff", "administration"),
    ("PA to the CEO", "staff", "administration"),
    ("Chief of Staff", None, None),
    ("Former CEO", None, "executive"),
    ("Retired", None, None),
    ("Asesor de Ventas", "staff", "sales"),
    ("Marketing Assistant", "staff", "marketing"),
    ("Student Advisor", None, "consulting"),
    ("Lead Generation Manager", "manager", None),
    ("Chef", None, None),
    ("Chef de cuisine", None, None),
    ("Chef des ventes", "head", "sales"),
    ("Personal Banker", None, None),
    ("Jefe de Personal", "head", "hr"),
    ("Technical Sales Manager", "manager", "sales"),
    ("Software Sales Manager", "manager", "sales"),
    ("Executive", None, None),
    ("IT Recruiter", "staff", "hr"),
    ("Ex-Director de Ventas", None, "sales"),
    ("Managing Director", "c_level", "executive"),
    ("Director of Sales", "director", "sales"),
    ("Marketing Director", "director", "marketing"),
    ("Head of IT", "head", "it"),
    ("Head of People", "head", "hr"),
    ("Sales Manager", "manager", "sales"),
    ("Senior Manager", "manager", None),
    ("Product Manager", "manager", "product"),
    ("Project Manager", "manager", "project_management"),
    ("Assistant Manager", "manager", None),
    ("Sales Engineer", "staff", "sales"),
    ("Software Engineer", "staff", "engineering"),
    ("Senior Software Engineer", "senior", "engineering"),
    ("Lead Developer", "senior", "engineering"),
    ("Account Executive", "staff", "sales"),
    ("HR Business Partner", "staff", "hr"),
    ("Channel Partner", None, None),
    ("Procurement Specialist", "staff", "purchasing"),
    ("General Counsel", None, "legal"),
    ("Customer Success Manager", "manager", "support"),
    ("Marketing Intern", "intern", "marketing"),
    ("Student", "student", None),
    ("Junior Accountant", "entry", "finance"),
    ("Director General", "c_level", "executive"),
    ("Directora de Compras", "director", "purchasing"),
    ("Director Comercial", "director", "sales"),
    ("Gerente de TI", "manager", "it"),
    ("Gerente General", "c_level", "executive"),
    ("Gerente de Ventas", "manager", "sales"),
    ("Jefe de Compras", "head", "purchasing"),
    ("Jefa de Recursos Humanos", "head", "hr"),
    ("Responsable de RR.HH.", "manager", "hr"),
    ("Ejecutivo de Ventas", "staff", "sales"),
    ("Ingeniero de Sistemas", "staff", "engineering"),
    ("Dueño", "owner", "executive"),
    ("Asistente de Dirección", "staff", "administration"),
    ("Vicepresidente de Finanzas", "vp", "finance"),
    ("Becario de Marketing", "intern", "marketing"),
    ("Estudiante", "student", None),
    ("Contador Público", "staff", "finance"),
    ("Director/a de Marketing", "director", "marketing"),
    ("Diretor Comercial", "director", "sales"),
    ("Diretora Executiva", "c_level", "executive"),
    ("Gerente de Vendas", "manager", "sales"),
    ("Sócio-fundador", "owner", "executive"),
    ("Analista de RH", "staff", "hr"),
    ("Coordenador de Suprimentos", "staff", "purchasing"),
    ("Estagiária", "intern", None),
    ("Assistente da Diretoria", "staff", "administration"),
    ("Desenvolvedor Sênior", "senior", "engineering"),
    ("Geschäftsführer", "c_level", "executive"),
    ("Geschäftsführerin", "c_level", "executive"),
    ("Geschäftsführender Gesellschafter", "owner", "executive"),
    ("Leiter Einkauf", "head", "purchasing"),
    ("Einkaufsleiterin", "head", "purchasing"),
    ("Vertriebsleiter", "head", "sales"),
    ("Leiter:in Marketing", "head", "marketing"),
    ("Leiter IT (m/w/d)", "head", "it"),
    ("Teamleiter Kundenservice", "manager", "support"),
    ("Projektleiter", "manager", "project_management"),
    ("Assistentin der Geschäftsführung", "staff", "administration"),
    ("Softwareentwickler", "staff", "engineering"),
    ("Sachbearbeiterin Buchhaltung", "staff", "finance"),
    ("Personalreferentin", "staff", "hr"),
    ("Werkstudent Vertrieb", "intern", "sales"),
    ("Inhaber", "owner", "executive"),
    ("Kaufmännischer Leiter", "head", "finance"),
    ("Vorstand", "c_level", "executive"),
    ("Bereichsleiter Produktion", "director", "operations"),
    ("Chef de projet", "manager", "project_management"),
    ("Chef de produit", "manager", "product"),
    ("Responsable RH", "manager", "hr"),
    ("Directeur Général", "c_level", "executive"),
    ("PDG", "c_level", "executive"),
    ("DRH", None, "hr"),
    ("DSI", None, "it"),
    ("Directrice des achats", "director", "purchasing"),
    ("Assistante de direction", "staff", "administration"),
    ("Chargée de communication", "staff", "marketing"),
    ("Ingénieur commercial", "staff", "sales"),
    ("Stagiaire", "intern", None),
    ("Gérant", "c_level", "executive"),
    ("Comptable", "staff", "finance"),
    ("Head Chef", None, None),
    ("Lead Generation", None, None),
    ("Astronaut", None, None),
    ("", None, None),
    ("-", None, None),
    ("n/a", None, None),
    ("李小龙", None, None),
]


@pytest.mark.parametrize(("title", "level", "function"), TITLES)
def test_a_title_tells_level_and_function_where_its_words_do(title, level, function):
    assert (job_level(title), job_function(title)) == (level, function)


@pytest.mark.parametrize(
    "title", [title for title, level, _ in TITLES if level and "." not in title and "(" not in title]
)
def test_case_accents_and_punctuation_do_not_matter(title):
    plain = fold(title)
    assert job_level(title.upper().replace("ß", "ss")) == job_level(plain) == job_level(title)


@pytest.mark.parametrize(("file", "key"), [("job_levels", "levels"), ("job_functions", "functions")])
def test_no_phrase_stands_for_two_things(file, key):
    seen: dict[str, str] = {}
    for name, phrases in vocabulary(file)[key].items():
        for phrase in phrases:
            spelling = phrase if phrase[0] in "=*" or phrase[-1] == "*" else fold(phrase)
            assert seen.setdefault(spelling, name) == name, phrase


@given(st.text(max_size=400))
def test_any_text_has_a_known_level_and_function_or_none(text):
    levels, functions = vocabulary("job_levels"), vocabulary("job_functions")
    assert job_level(text) in {None, *levels["levels"], *levels["instead"]}
    assert job_function(text) in {None, *functions["functions"], *functions["instead"]}


@pytest.mark.parametrize(("title", "level"), [("Gte. de Compras", "manager"), ("Gte. General", "c_level")])
def test_a_gerente_is_known_by_the_short_form_too(title, level):
    assert job_level(title) == level
