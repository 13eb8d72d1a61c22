from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.names.names import (
    normalize_family_name,
    normalize_full_name,
    normalize_given_name,
)

GIVEN = [
    ("ada", "Ada"),
    ("ADA", "Ada"),
    ("Ada", "Ada"),
    ("  Ada  ", "Ada"),
    ("jean-luc", "Jean-Luc"),
    ("Jean-Luc", "Jean-Luc"),
    ("JEAN-DE-DIEU", "Jean-de-Dieu"),
    ("JEAN\u2013LUC", "Jean\u2013Luc"),
    ("MARÍA JOSÉ", "María José"),
    ("MARIA DE LOS ANGELES", "Maria de los Angeles"),
    ("maría del carmen", "María del Carmen"),
    ("j. r. r.", "J. R. R."),
    ("J.R.R.", "J.R.R."),
    ("ÉLODIE", "Élodie"),
    ("o'neill", "O'Neill"),
    ("JP", "JP"),
    ("jp", "JP"),
    ("AJ", "AJ"),
    ("TJ", "TJ"),
    ("JRR", "JRR"),
    ("AL", "Al"),
    ("ED", "Ed"),
    ("TY", "Ty"),
    ("NG", "Ng"),
    ("Ng", "Ng"),
    ("LI", "Li"),
    ("D'ARCY", "D'Arcy"),
    ("d'Angelo", "d'Angelo"),
    ("N'GOLO", "N'Golo"),
    ("O`NEILL", "O`Neill"),
    ("DiCaprio", "DiCaprio"),
    ("LaToya", "LaToya"),
    ("李", "李"),
    ("李 WEI", "李 Wei"),
    ("Ада", "Ада"),
    ("АДА", "Ада"),
    ("გიორგი", "გიორგი"),  # Georgian names have no capital in front, though there are capitals
    ("ᲒᲘᲝᲠᲒᲘ", "გიორგი"),
    ("İBRAHİM", "İBRAHİM"),  # its small letters would not lead back
    ("ibrahim", "Ibrahim"),
    ("dilan ışık", "Dilan Işık"),
    ("ibrahim yılmaz", "ibrahim yılmaz"),  # the first letter's capital may be I or İ
    ("A\u0000da", "Ada"),
    ("Jose\u0301", "José"),
    ("van", "Van"),
    ("DR. ADA", "Ada"),
    ("Ada,", "Ada"),
    ('"Ada"', "Ada"),
    ("María G.", "María G."),
]
FAMILY = [
    ("BRANDT", "Brandt"),
    ("DE LA CRUZ", "de la Cruz"),
    ("de la cruz", "de la Cruz"),
    ("De La Cruz", "De La Cruz"),
    ("MCDONALD", "McDonald"),
    ("mcdonald", "McDonald"),
    ("McDonald", "McDonald"),
    ("MACDONALD", "Macdonald"),
    ("MacLeod", "MacLeod"),
    ("MACHADO", "Machado"),
    ("MACKEY", "Mackey"),
    ("O'NEILL", "O'Neill"),
    ("O\u2019NEILL", "O\u2019Neill"),
    ("O'CALLAGHAN", "O'Callaghan"),
    ("D'ANGELO", "D'Angelo"),
    ("DELL'ACQUA", "Dell'Acqua"),
    ("VAN DER BERG", "van der Berg"),
    ("van Gogh", "van Gogh"),
    ("VAN DEN THILLART", "van den Thillart"),
    ("TER ZANDEN", "ter Zanden"),
    ("von der heide", "von der Heide"),
    ("ZU GUTTENBERG", "zu Guttenberg"),
    ("DOS SANTOS", "dos Santos"),
    ("DAS NEVES", "das Neves"),
    ("SANTOS DA SILVA E COSTA", "Santos da Silva e Costa"),
    ("LÓPEZ Y GARCÍA", "López y García"),
    ("PUIG I CADAFALCH", "Puig i Cadafalch"),
    ("LE PEN", "Le Pen"),
    ("LA TORRE", "La Torre"),
    ("DI STEFANO", "Di Stefano"),
    ("BIN ISHAK", "bin Ishak"),
    ("DO", "Do"),
    ("NG", "Ng"),
    ("VAN", "Van"),
    ("SMITH-JONES", "Smith-Jones"),
    ("LEIGH-WILLIAMS", "Leigh-Williams"),
    ("KING III", "King III"),
    ("WELLINGTON IV", "Wellington IV"),
    ("smith jr", "Smith Jr"),
    ("SMITH PHD", "Smith"),
    ("SILVA FILHO", "Silva Filho"),
    ("ST. JOHN", "St. John"),
    ("ST JOHN", "St John"),
    ("müller-lüdenscheidt", "Müller-Lüdenscheidt"),
    ("Van Damme-Peeters", "Van Damme-Peeters"),
    ("MUÑOZ", "Muñoz"),
    ("ØSTERGÅRD", "Østergård"),
    ("STRA\u1e9eE", "Straße"),
    ("GROSS", "Gross"),
    ("ΠΑΠΑΔΟΠΟΥΛΟΣ", "Παπαδόπουλος".replace("ό", "ο")),  # a final sigma; lost accents stay lost
    ("IŞIK", "IŞIK"),  # Işık or İşik
    ("YILMAZ", "Yilmaz"),
    ("ŞAHAN", "Şahan"),
    ("NGUYỄN", "Nguyễn"),
    ("\u01c6uro", "\u01c5uro"),
    ("ß", "ß"),
    ("Brandt GmbH", "Brandt GmbH"),
    ("BRANDT GMBH", "BRANDT GMBH"),
    ("Herr Brandt", "Brandt"),
]
FULL = [
    ("ADA BRANDT", "Ada Brandt", ()),
    ("ada  brandt", "Ada Brandt", ()),
    ("maria de la cruz", "Maria de la Cruz", ()),
    ("van morrison", "Van Morrison", ()),
    ("LUDWIG VON BEETHOVEN", "Ludwig von Beethoven", ()),
    ("JOHN E SMITH", "John E Smith", ()),
    ("JP MORGAN", "JP Morgan", ()),
    ("JUAN Q. XAVIER VELASQUEZ Y GARCIA III", "Juan Q. Xavier Velasquez y Garcia III", ()),
    ("DR. ADA BRANDT", "Dr. Ada Brandt", ()),
    ("JOHN SMITH MBA", "John Smith MBA", ()),
    ("COSTA E SILVA, ANA", "Ana Costa e Silva", ("last_first",)),
    ("Brandt, Ada", "Ada Brandt", ("last_first",)),
    ("BRANDT, ADA", "Ada Brandt", ("last_first",)),
    ("MCDONALD, Ronald", "Ronald McDonald", ("last_first",)),
    ("García López, María José", "María José García López", ("last_first",)),
    ("de la Véña, Jüan", "Jüan de la Véña", ("last_first",)),
    ("Beethoven, Ludwig van", "Ludwig van Beethoven", ("last_first",)),
    ("Smith, John, Jr.", "John Smith Jr.", ("last_first",)),
    ("John Smith, PhD", "John Smith, PhD", ()),
    ("Smith, Jr.", "Smith, Jr.", ()),
    ("Brandt, Herr", "Brandt, Herr", ()),
    ("Acme, Inc., Berlin", "Acme, Inc., Berlin", ("company_in_name",)),
    ("Brandt,", "Brandt", ()),
    ("William “Bill” Gates", "William “Bill” Gates", ()),
    ("ada@example.org", None, ("email_in_name",)),
]


@pytest.mark.parametrize(("text", "name"), GIVEN)
def test_a_given_name_gets_its_case_back(text, name):
    assert normalize_given_name(text).value == name


@pytest.mark.parametrize(("text", "name"), FAMILY)
def test_a_family_name_gets_its_case_back_and_its_particles_stay_small(text, name):
    assert normalize_family_name(text).value == name


@pytest.mark.parametrize(("text", "name", "flags"), FULL)
def test_a_whole_name_is_turned_round_only_where_a_comma_says_so(text, name, flags):
    found = normalize_full_name(text)
    assert (found.value, found.flags) == (name, flags)
    assert found.raw == (None if text == name else text)


# fmt: off
AWKWARD_WORDS = (
    "DE", "la", "MC", "o'neill", "VAN", "i", "y", "JR", "é", "ß", "\u01c6", "İ", "ı", "Ş", ",", "-", '"', "(", ")", "'",
    "Dr.", "D.", "Sra", "GmbH", "S.A.", "& Co",
    "PMP,", ", CSM", "SHRM-CP", "MA", "XQZ-P", "(he/him)", "she/her", "(ella)", "dr", "III",
    "Ana", "Luis", "López", "J.", "JP", "@", "a@x.org", "600 111 222",
    "2", "n/a", ".", "\u2764\ufe0f", "Σ", "PhD", "Filho", "von", "Martín", "Familie", "and", "&", "李", "\u00ad",
)
# fmt: on
AWKWARD = st.lists(st.sampled_from(AWKWARD_WORDS), max_size=6).map(" ".join)


@given(st.one_of(st.text(max_size=300), AWKWARD))
def test_any_name_normalized_twice_is_as_normalized_once(text):
    for normalize in (normalize_given_name, normalize_family_name, normalize_full_name):
        found = normalize(text)
        assert found.raw == (None if found.value == text or not text else found.raw)
        if found.value is not None:
            assert normalize(found.value).value == found.value
