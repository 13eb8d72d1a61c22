"""Which short and pet names stand for which full ones in Spanish, Portuguese, English and German, and which do not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.identity.matching.name_agreement import AGREEING, FULL, agreement, name_of, nicknames, word_forms
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary

_SAME = """
Pepe José, Paco Francisco, Nacho Ignacio, Iñaki Ignacio, Kiko Francisco, Curro Francisco, Quique Enrique, Kike Enrique,
Lola Dolores, Loli Dolores, Concha Concepción, Conchi Concepción, Pili Pilar, Charo Rosario, Merche Mercedes,
Mamen Carmen, Chelo Consuelo, Inma Inmaculada, Encarna Encarnación, Asun Asunción, Puri Purificación, Reme Remedios,
Arantxa Aránzazu, Bego Begoña, Montse Montserrat, Manolo Manuel, Toño Antonio, Chus Jesús, Chuy Jesús, Memo Guillermo,
Lalo Eduardo, Poncho Alfonso, Javi Javier, Xavi Xavier, Santi Santiago, Rafa Rafael, Tere Teresa, Lupita Guadalupe,
Chayo Rosario, Chela Graciela, Anita Ana, Cayetana Tana, Moncho Ramón, Lucho Luis, Pancho Francisco,
Zé José, Zeca José, Chico Francisco, Beto Roberto, Beto Alberto, Tonho Antônio, Toninho Antônio, Duda Eduarda,
Duda Eduardo, Dudu Eduardo, Nando Fernando, Gui Guilherme, Rafa Rafaela, Tati Tatiane, Bia Beatriz, Cida Aparecida,
Xande Alexandre, Juca João, Tião Sebastião, Guto Augusto, Lula Luiz, Naldo Reginaldo, Teteu Mateus, Dri Adriana,
Bill William, Will William, Bob Robert, Dick Richard, Rich Richard, Jack John, Ted Edward, Ted Theodore, Ned Edward,
Peggy Margaret, Meg Margaret, Betsy Elizabeth, Liz Elizabeth, Hank Henry, Harry Henry, Chuck Charles, Jim James,
Drew Andrew, Tony Anthony, Becky Rebecca, Kate Katherine, Kathy Catherine, Trish Patricia, Sally Sarah, Polly Mary,
Chris Christine, Chris Christopher, Sam Samantha, Sam Samuel, Pat Patrick, Pat Patricia, Alex Alexandra,
Alex Alexander, Ron Aaron, Denny Dennis, Bev Beverly, Stace Stacey,
Hans Johannes, Hannes Johannes, Fritz Friedrich, Sepp Josef, Jupp Josef, Heinz Heinrich, Uschi Ursula, Steffi Stefanie,
Toni Anton, Max Maximilian, Hansi Johann, Gabi Gabriele, Klaus Nikolaus, Schorsch Georg, Uli Ulrich, Uli Ulrike,
Kathi Katharina, Resi Theresia, Leni Magdalena, Lisl Elisabeth, Lotte Charlotte, Gerd Gerhard, Achim Joachim,
Jochen Joachim, Wim Wilhelm, Basti Sebastian, Bärbel Barbara, Joerg Jörg, Jogi Jörg, Juergen Jürgen, Sanni Alexandra
"""
_TWO = """
María Mariana, María Marina, María Mario, María Marisol, María Mia, Maria Marie, Maria Marilyn, Ana Anabel, Ana Anaïs,
Ana Andrea, Ana Antonia, Carlos Carla, Carlos Carlota, Julio Julián, Julio Julia, Julia Julie, Julia Juliana,
Julián Julieta, Luis Luisa, Luis Lucas, Luis Luciano, Lucía Luciana, Luciana Lucy, Lucio Luciano, José Josefa,
José Joselyn, Juan Joan, Juan Juana, Javier Xavier, Francisco Francisca, Francisco Federico,
Alejandro Alejandra, Alberto Roberto, Alberto Humberto, Gilberto Norberto, Fernando Armando, Fernando Hernán,
Mario Mariano, Marcos Marcelo, Marta Martina, Carolina Carla, Elena Helena, Elena Magdalena, Isabel Elisabet,
Isabel Luisa, Cristina Martina, Cristina Valentina, Beatriz Betina, Jorge Jordi, Diego Santiago, Yago Santiago,
Tiago Santiago, Gonzalo Gerardo, Gonzalo Gonçal, Rosa Rosario, Rosa Rosalía, Sofía Sophie,
Fausto Faustino, Esther Estela, Reinaldo Reina, Engracia Gracia, Evaristo Eva, Evangelina Eva,
João Joana, João Joaquim, Paulo Paula, Henrique Enrico, Leandro Lea, Leandro Leonardo, Rafael Rafaela,
Marcelo Marcela, Davi Dario, Thiago Tito, Renato Renata, Luiz Luíza,
Jonathan Jordan, John Joan, Jack James, Robert Roberta, Robert Rupert, Robert Albert, William Liam,
Catherine Christine, Katherine Karen, Elizabeth Lisa, Elizabeth Eleanor, Emily Emma, Emily Emilie, Erica Eric,
Patrick Patricia, Samuel Samantha, Christopher Christine, Alexander Alexandra, Alexandra Sandra, Nathan Nathaniel,
Nathan Jonathan, Nicholas Colin, Nicholas Nicole, Olivia Livia, Theodore Theodora, Kent Kenneth, Wendy Gwendolyn,
Jenna Jennifer, Dane Daniel, Danielle Daniel, Gabriel Gabrielle, Gabriella Ella, Isabella Ella, Helen Lena,
Isaac Isabel, Jake Jason, Gerald Jeremy, Harold Harrison, Frank Fritz, Margaret Martha, Martha Patricia, Miranda Randy,
Johann Johanna, Hans Heinz, Hans Hannah, Johannes Joachim, Dieter Dietrich, Karl Carlo, Erich Erik, Friedrich Frieda,
Friedrich Manfred, Wilhelm Wilfried, Ulrich Ulrike, Gerhard Bernhard, Rainer Reinhard, Josef Josefine,
Katharina Nina, Kristin Kirsten, Markus Max, Michaela Michael, Antje Ann, Franziska Franka, Magdalena Helena,
Theresa Thea, Juliane Liane, Birgit Brigitte, Siegfried Siegmund, Maximilian Emilian, Franz Frank,
Ulrich Ulf, Noemí Noa, Caio Caíque, Rainer Reinhold
"""


def _rows(table: str) -> list[tuple[str, str]]:
    rows = []
    for row in table.replace("\n", " ").split(","):
        one, other = row.split()
        rows.append((one, other))
    return rows


@pytest.mark.parametrize(("short", "full"), _rows(_SAME))
def test_people_of_this_name_are_called_so(short: str, full: str) -> None:
    assert agreement(name_of(f"{short} Vega"), name_of(f"{full} Vega")) == FULL
    assert agreement(name_of(f"{full} Vega"), name_of(f"{short} Vega")) == FULL


@pytest.mark.parametrize(("one", "other"), _rows(_TWO))
def test_two_given_names_of_two_people_do_not_agree(one: str, other: str) -> None:
    assert agreement(name_of(f"{one} Vega"), name_of(f"{other} Vega")) not in AGREEING
    assert agreement(name_of(f"{other} Vega"), name_of(f"{one} Vega")) not in AGREEING


@pytest.mark.parametrize(
    ("short", "full", "is_same"),
    [
        ("Marcelito", "Marcelo", True),
        ("Osvaldito", "Osvaldo", True),
        ("Fabianito", "Fabián", True),
        ("Marquesito", "Marqués", True),
        ("Vicentito", "Vicente", True),
        ("Evarito", "Evario", True),
        ("Rodolfinho", "Rodolfo", True),
        ("Wesleyzinho", "Wesley", True),
        ("Jussarinha", "Jussara", True),
        ("Ninchen", "Nina", True),
        ("Elslein", "Else", True),
        ("Osvaldita", "Osvaldo", False),
        ("Fabianita", "Fabiano", False),
        ("Marcelinho", "Marcela", False),
        ("Jussarinho", "Jussara", False),
        ("Anita", "Andrés", False),
        ("Anita", "Antonia", False),
        ("Benito", "Benjamín", False),
        ("Margarita", "Margaret", False),
        ("Martita", "Martín", False),
        ("Rosita", "Rosendo", False),
    ],
)
def test_diminutives_that_no_list_has(short: str, full: str, is_same: bool) -> None:
    assert (agreement(name_of(f"{short} Vega"), name_of(f"{full} Vega")) == FULL) is is_same


@pytest.mark.parametrize(
    ("compound", "names"),
    [
        ("Chema", "José María"),
        ("Txema", "José María"),
        ("Joselu", "José Luis"),
        ("Juanjo", "Juan José"),
        ("Juanma", "Juan Manuel"),
        ("Juancar", "Juan Carlos"),
        ("JC", "Juan Carlos"),
        ("Luismi", "Luis Miguel"),
        ("Maite", "María Teresa"),
        ("Maribel", "María Isabel"),
        ("Marisa", "María Luisa"),
        ("Malu", "Maria Luísa"),
        ("Mafe", "María Fernanda"),
        ("Majo", "María José"),
        ("Mapi", "María Pilar"),
        ("Anabel", "Ana Isabel"),
        ("Anapau", "Ana Paula"),
        ("Cadu", "Carlos Eduardo"),
        ("Zeca", "José Carlos"),
        ("JP", "João Pedro"),
        ("Marylou", "Mary Louise"),
        ("Hajo", "Hans Joachim"),
        ("Hape", "Hans-Peter"),
        ("Karlheinz", "Karl-Heinz"),
        ("Annemie", "Anne Marie"),
    ],
)
def test_one_short_name_of_two_given_names(compound: str, names: str) -> None:
    assert agreement(name_of(f"{compound} Vega"), name_of(f"{names} Vega")) == FULL
    assert agreement(name_of(f"{compound} Vega"), name_of(f"{names.split(maxsplit=1)[0]} Mora")) not in AGREEING


def test_names_do_not_become_equal_through_a_short_name_that_both_have() -> None:
    full = {fold(str(name)): {fold(str(short)) for short in shorts} for name, shorts in _names().items()}
    joined = [
        (one, other)
        for one, other in combinations(sorted(full), 2)
        if one not in full[other] and other not in full[one] and word_forms(one) & word_forms(other)
    ]
    assert not joined


def test_every_name_stands_once_and_no_short_name_twice_under_it() -> None:
    names = [fold(str(name)) for name in _names()]
    assert len(names) == len(set(names))
    assert not [name for name, shorts in _names().items() if len({fold(str(short)) for short in shorts}) < len(shorts)]


def _names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = vocabulary("nicknames")["names"]
    return found


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """nicknames.yaml in a company's folder, for a test to write; read anew before and after."""
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    (tmp_path / "mappings" / "vocabularies").mkdir(parents=True)
    for read in (vocabulary, nicknames):
        read.cache_clear()
    yield tmp_path / "mappings" / "vocabularies" / "nicknames.yaml"
    for read in (vocabulary, nicknames):
        read.cache_clear()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {robert: bob}\ncompounds: {}", "names.robert: 'bob' is not a list: put it in brackets"),
        ("names: {}\ncompounds: {maite: maria teresa}", "compounds.maite: 'maria teresa' is not a list"),
        ("names: {robert: }\ncompounds: {}", "names.robert: None is not a list"),
        ("names: {robert: null}\ncompounds: {}", "names.robert: None is not a list"),
        ("names: {robert: []}\ncompounds: {}", "names.robert: [] is not a list"),
        ("names: {robert: {bob: 1}}\ncompounds: {}", "names.robert: {'bob': 1} is not a list"),
        ("names: {robert: [1]}\ncompounds: {}", "names.robert: 1 is not one word"),
        ("names: {robert: [on]}\ncompounds: {}", "names.robert: True is not one word; quote on, no and y"),
        ("names: {robert: [null]}\ncompounds: {}", "names.robert: None is not one word"),
        ("names: {robert: [bob, [rob]]}\ncompounds: {}", "names.robert: ['rob'] is not one word"),
        ("names: {robert: [big bob]}\ncompounds: {}", "names.robert: 'big bob' is not one word"),
        ("names: {robert: [' ']}\ncompounds: {}", "names.robert: ' ' is not one word"),
        ("names: {no: [nora]}\ncompounds: {}", "names.False: False is not one word; quote on, no and y"),
        ("names: {ana maria: [anama]}\ncompounds: {}", "names.ana maria: 'ana maria' is not one word"),
        ("names: {}\ncompounds: {maite: [maria teresa]}", "compounds.maite: 'maria teresa' is not one word"),
        ("names: \ncompounds: {}", "names: must hold"),
        ("names: [robert]\ncompounds: {}", "names: must hold"),
        ("names: {}\ncompounds: maite", "compounds: must hold"),
        ("names: {}", "must hold exactly names and compounds"),
        ("names: {}\ncompounds: {}\nshorts: {}", "must hold exactly names and compounds"),
        ("", "must hold exactly names and compounds"),
        ("- robert", "must hold exactly names and compounds"),
        ("names: {robert: [bob", "did not find expected"),
        ("names: {robert: [bob], robert: [rob]}", "line 1: the key 'robert' stands twice"),
    ],
)
def test_a_slip_in_the_file_is_refused_with_file_and_key(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        nicknames()
    assert "mappings/vocabularies/nicknames.yaml" in str(error.value)
    assert message in str(error.value)


def test_words_that_yaml_takes_for_others_may_be_quoted(file: Path) -> None:
    file.write_text("names: {honorio: ['on', 'No']}\ncompounds: {}")
    assert nicknames() == {"names": {"honorio": ["on", "No"]}, "compounds": {}}
