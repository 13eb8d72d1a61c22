"""`afluente report attribution` on a real database: what each model says, how a period cuts, what is written where."""

from __future__ import annotations

import csv
import io
import stat
import struct
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from msgspec import structs

from pipeline.records import Touch, new_id
from pipeline.stages.attribution.models import MODELS, tabulate
from pipeline.store.engine import engine, transaction
from pipeline.store.people.attribution_report import GROUPINGS, stream_paths
from pipeline.store.people.touches import add_touches
from tests.support.command_line import answer, problem, run
from tests.support.properties import examples

MARCH = datetime(2025, 3, 1, tzinfo=UTC)


def touch(person: int, day: float, channel: str, source: str, campaign: str | None = None, brand: str = "default"):
    at = MARCH + timedelta(days=day)
    return Touch(new_id(), UUID(int=person), brand, at, source, channel, campaign)


def store(*touches: Touch) -> None:
    with transaction() as connection:
        add_touches(connection, touches)


# Person 1 was there in February and in March, 2 in March only, 3 in February only, 4 in April only.
INVENTED = [
    touch(1, -20, "Paid Search", "google", "Brand"),
    touch(1, 3, "Email", "newsletter", "brand"),
    touch(1, 9, "Direct", "(direct)"),
    touch(2, 5, "Paid Search", "Google", "Brand"),
    touch(2, 6, "Referral", "partner.example", "$5 off $10"),
    touch(3, -2, "Email", "newsletter", "Spring"),
    touch(4, 40, "Organic Search", "google"),
]


@pytest.fixture
def invented(database):
    store(*INVENTED)


def credit(found, name: str, model: str = "last") -> float:
    return next(row for row in found["rows"] if row["name"] == name)["credits"][model]


def attribution(*arguments: str):
    return answer("report", "attribution", *arguments)


@pytest.mark.usefixtures("invented")
def test_each_model_divides_the_people_and_all_of_them_stand_side_by_side():
    found = attribution("--model", "all")
    assert (found["models"], found["people"], found["touches"]) == (list(MODELS), 4, 7)
    for model in MODELS:
        assert sum(row["credits"][model] for row in found["rows"]) == pytest.approx(4, abs=1e-4)
        assert sum(row["shares"][model] for row in found["rows"]) == pytest.approx(1, abs=1e-4)
    assert [credit(found, "Paid Search", model) for model in ("first", "last", "linear", "position_based")] == [
        2,
        0,
        pytest.approx(1 / 3 + 1 / 2, abs=1e-5),
        pytest.approx(0.9),
    ]
    assert (credit(found, "Direct", "last"), credit(found, "Email", "last_non_direct")) == (1, 2)
    for model in MODELS:
        alone = attribution("--model", model.replace("_", "-"))
        assert {row["name"]: row["credits"][model] for row in alone["rows"]} == {
            row["name"]: row["credits"][model] for row in found["rows"]
        }


@pytest.mark.usefixtures("invented")
def test_a_period_counts_whoever_came_in_it_and_credits_what_led_there():
    march = attribution("--model", "all", "--since", "2025-03-01", "--until", "2025-03-31")
    assert march["people"] == 2
    assert credit(march, "Paid Search", "first") == 2  # person 1's is from February
    until_march = attribution("--model", "last", "--until", "2025-03-31")
    assert (until_march["people"], credit(until_march, "Email")) == (3, 1)
    april = attribution("--model", "last", "--since", "2025-04-01")
    assert [(row["name"], row["credits"]["last"]) for row in april["rows"]] == [("Organic Search", 1)]


@pytest.mark.usefixtures("database")
def test_the_last_day_of_a_period_is_in_it_and_what_came_after_is_not():
    store(touch(1, 30.99, "Email", "a"), touch(1, 31, "Direct", "b"), touch(2, 31, "Direct", "b"))
    found = attribution("--model", "last", "--since", "2025-03-31", "--until", "2025-03-31")
    assert [(row["name"], row["people"]) for row in found["rows"]] == [("Email", 1)]


@pytest.mark.usefixtures("invented")
def test_sources_and_campaigns_are_one_whatever_their_case():
    assert credit(attribution("--model", "first", "--by", "source"), "google", "first") == 3
    campaigns = attribution("--model", "linear", "--by", "campaign")
    assert {row["name"]: (row["people"], row["touches"]) for row in campaigns["rows"]} == {
        "Brand": (2, 3),
        "(not set)": (2, 2),
        "$5 off $10": (1, 1),
        "Spring": (1, 1),
    }


@pytest.mark.usefixtures("database")
def test_several_touches_of_one_event_are_several_on_its_path():
    own = touch(1, 9, "Email", "newsletter")
    before = [
        structs.replace(own, position=number, occurred_at=at, channel=channel)
        for number, at, channel in ((2, MARCH, "Referral"), (1, MARCH, "Paid Search"))
    ]
    store(own, *before)
    found = attribution("--model", "all")
    assert (found["people"], found["touches"]) == (1, 3)
    assert (credit(found, "Paid Search", "first"), credit(found, "Email", "last")) == (1, 1)


@pytest.mark.usefixtures("database")
def test_a_brand_is_reported_alone():
    store(touch(1, 1, "Email", "a"), touch(2, 1, "Referral", "b", brand="other"))
    assert [row["name"] for row in attribution("--brand", "default")["rows"]] == ["Email"]


@pytest.mark.usefixtures("invented")
def test_direct_is_ignored_on_request_and_the_half_life_counts():
    assert "Direct" not in {row["name"] for row in attribution("--model", "linear", "--ignore-direct")["rows"] if
                            row["credits"]["linear"]}  # fmt: skip
    short = attribution("--model", "time_decay", "--half-life", "0.5")
    long = attribution("--model", "time_decay", "--half-life", "90")
    assert credit(short, "Paid Search", "time_decay") < credit(long, "Paid Search", "time_decay")


@pytest.mark.usefixtures("invented")
def test_people_get_a_table_and_spreadsheets_get_csv(tmp_path):
    text = run("report", "attribution", "--model", "last").stdout
    assert "last, all time: 4 people, 7 touches" in text
    assert any(line.split() == ["Email", "1.0", "25.0%", "2", "2"] for line in text.splitlines())
    out = tmp_path / "report.csv"
    done = run("report", "attribution", "--model", "first", "--by", "campaign", "--format", "csv", "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert rows[0] == {"campaign": "Brand", "credit": "2.0", "share": "0.5", "people": "2", "touches": "3"}
    header = run("report", "attribution", "--model", "all", "--format", "csv").stdout.splitlines()[0]
    assert header == f"channel,{','.join(MODELS)},people,touches"


@pytest.mark.long
@pytest.mark.usefixtures("invented")
@pytest.mark.parametrize("model", ["linear", "all"])
def test_a_chart_is_a_png_whatever_the_names_hold(tmp_path, model):
    store(*(touch(100 + number, 1, "Email", "x", rf"$\frac$ {'x' * 60} {number} 営業") for number in range(30)))
    chart = tmp_path / "chart.png"
    done = run("report", "attribution", "--model", model, "--by", "campaign", "--chart", str(chart))
    assert (done.returncode, done.stderr) == (0, f"wrote {chart}\n")
    drawn = chart.read_bytes()
    assert drawn[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", drawn[16:24])
    assert width > 1_000 < height
    assert list(tmp_path.iterdir()) == [chart]


def rows_of_bars(chart) -> list[list[int]]:
    """Each line of pixels that a bar crosses: where its color begins, where it ends, and how many pixels are of it."""
    found = []
    for line in (imread(chart)[:, :, :3] * 255).astype(int).tolist():
        counts = Counter(tuple(color) for color in line if max(color) - min(color) > 60)
        if counts and counts.most_common(1)[0][1] > len(line) / 3:
            color, count = counts.most_common(1)[0]
            places = [x for x, found_color in enumerate(line) if tuple(found_color) == color]
            found.append([places[0], places[-1], count])
    return found


@pytest.mark.usefixtures("database")
@pytest.mark.long
def test_the_legend_of_a_chart_lies_over_no_bar(tmp_path):
    store(*(touch(number * 10 + row, 1, name, "x") for row, name in enumerate("abcd") for number in range(5)))
    chart = tmp_path / "chart.png"
    run("report", "attribution", "--model", "all", "--chart", str(chart))
    bars = rows_of_bars(chart)
    assert len(bars) > 100
    assert [bar for bar in bars if bar[1] - bar[0] + 1 != bar[2]] == [], "something stands on a bar"


@pytest.mark.usefixtures("invented")
def test_what_is_written_to_a_file_is_said_on_stderr_and_leaves_stdout_to_pipes(tmp_path):
    out, chart = tmp_path / "credit.csv", tmp_path / "credit.png"
    done = run("report", "attribution", "--format", "csv", "--out", str(out), "--chart", str(chart))
    assert (done.stdout, done.stderr) == ("", f"wrote {out}\nwrote {chart}\n")
    done = run("report", "attribution", "--json", "--out", str(tmp_path / "credit.json"))
    assert (done.stdout, done.stderr) == ("", f"wrote {tmp_path / 'credit.json'}\n")
    people = tmp_path / "people.csv"
    assert f"wrote {people}\n" in run("people", "export", "--out", str(people)).stderr
    assert (
        run("report", "attribution", "--format", "csv", "--out", str(tmp_path / "no" / "x.csv")).stderr.count("wrote")
        == 0
    )


@pytest.mark.usefixtures("database")
def test_a_report_of_nothing_says_so(tmp_path):
    chart = tmp_path / "chart.png"
    done = run("report", "attribution", "--since", "2025-03-01", "--chart", str(chart))
    assert (done.returncode, done.stdout) == (0, "No touches: since 2025-03-01.\n")
    assert not chart.exists()
    assert attribution()["rows"] == []
    assert run("report", "attribution", "--format", "csv").stdout == "channel,credit,share,people,touches\n"


@pytest.mark.usefixtures("database")
def test_wrong_use_is_told_in_a_line(tmp_path):
    said = [
        (["--model", "lineal"], "allowed: first, last, last_non_direct, linear, position_based, time_decay, all"),
        (["--since", "March"], "--since 'March' is not a day; write it as 2025-03-31"),
        (["--since", "2025-03-02", "--until", "2025-03-01"], "is before --since"),
        (["--half-life", "0"], "more than 0 days"),
        (["--half-life", "nan"], "more than 0 days"),
        (["--half-life", "inf"], "more than 0 days"),
        (["--brand", "nope"], "there is no brand 'nope'; known: default"),
        (["--chart", "chart.jpg"], "as PNG"),
        (["--out", str(tmp_path / "x")], "add --format csv"),
    ]
    for arguments, message in said:
        assert message in problem("report", "attribution", *arguments, code=2)


invented_touches = st.lists(
    st.builds(
        touch,
        st.integers(1, 6),
        st.floats(-40, 70, allow_nan=False),
        st.sampled_from(["Direct", "Email", "Paid Search"]),
        st.sampled_from(["google", "Google", "a.example"]),
        st.sampled_from([None, "Brand", "BRAND"]),
        st.sampled_from(["default", "other"]),
    ),
    max_size=25,
)
days = st.none() | st.integers(-45, 75).map(lambda day: MARCH + timedelta(days=day))


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(invented_touches, st.sampled_from(GROUPINGS), days, days, st.sampled_from([None, "default"]))
def test_credits_add_up_to_the_people_with_a_touch_in_the_period(module_database, stored, by, since, until, brand):
    with engine().connect() as connection:
        add_touches(connection, stored)
        paths = list(stream_paths(connection, by=by, since=since, until=until, brand=brand))
        connection.rollback()
    seen = defaultdict(list)
    for one in stored:
        if (until is None or one.occurred_at < until) and brand in (None, one.brand):
            seen[one.person_id].append(one)
    counted = {
        person: touches
        for person, touches in seen.items()
        if since is None or any(one.occurred_at >= since for one in touches)
    }
    assert sorted([one.event_id for one in path] for path in paths) == sorted(
        [one.event_id for one in sorted(touches, key=lambda one: (one.occurred_at, one.event_id))]
        for touches in counted.values()
    )
    table = tabulate(paths, MODELS)
    assert table.people == len(counted)
    for model in MODELS:
        assert sum(row.credits[model] for row in table.rows) == pytest.approx(len(counted), abs=1e-9)
