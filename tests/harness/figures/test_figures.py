"""Figures: what they show of made-up runs, and that each shows something and nothing else."""

import re
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from msgspec.structs import replace

from harness import histogram
from harness.decide import looks as stored_looks
from harness.decide.compare import Answer, answer
from harness.histogram import Histogram
from harness.show import figures, palette
from harness.show.figures import (
    anatomy,
    course,
    curves,
    fanin,
    paper,
    percentiles,
    rates,
    ratios,
    scales,
    sizes,
    traffic,
    users,
)
from harness.show.figures.material import scenes
from harness.show.figures.rows import Group, Row, pages
from harness.show.palette import DARK, LIGHT

GRPC, TCP = "grpc-protobuf", "tcp-msgpack"
KINDS = {
    "ratios": ratios,
    "percentiles": percentiles,
    "rounds": course,
    "users": users,
    "fanin": fanin,
    "sizes": sizes,
    "anatomy": anatomy,
    "bytes": traffic,
    "rates": rates,
}


def planned(kind, results):
    return [one for scene in scenes(results, answer(results)) for one in KINDS[kind].sketch(scene)]


def texts(figure):
    return [
        text.get_text()
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
        if text.get_text()
    ]


def test_every_kind_is_drawn_of_a_run_that_has_all(everything):
    drawn = figures.draw_all(everything, answer(everything))
    assert {one.key for one in drawn} == set(KINDS)
    for one in drawn:
        assert isinstance(one.figure, Figure)
        assert one.comparisons
        assert all((one.title, one.caption, one.scenario))
        assert re.search(r"\d", one.alt)


def test_figures_are_of_the_comparisons_that_they_name(everything):
    found = answer(everything)
    for one in figures.draw_all(everything, found):
        assert {found.comparisons[index].scenario for index in one.comparisons} == {one.scenario}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("users", "channels"),
        ("fanin", "unary"),
        ("sizes", "unary"),
        ("anatomy", "unary"),
        ("bytes", "unary"),
        ("rates", "unary"),
    ],
)
def test_nothing_is_drawn_where_there_is_nothing_of_it(sets, kind, name):
    assert planned(kind, getattr(sets, name)) == []


def test_without_ratios_and_histograms_there_are_no_figures_of_them(made):
    alone = [made.result({"grpc-protobuf": 100_000})]
    assert planned("ratios", alone) == planned("rounds", alone) == []
    assert figures.draw_all([], Answer((), ())) == []


def test_an_answer_alone_gives_what_needs_no_results(sets):
    found = scenes([], answer(sets.unary))
    assert [one.key for scene in found for one in (*ratios.sketch(scene), *percentiles.sketch(scene))] == [
        "ratios"
    ]


def test_results_of_another_answer_are_refused(sets):
    with pytest.raises(ValueError, match="of 2 results, and 1 were given"):
        figures.draw_all(sets.unary[:1], answer(sets.unary))


def test_ratios_say_their_value_and_are_hollow_where_unresolved(sets):
    (one,) = planned("ratios", sets.channels)
    assert re.search(r"per-request 8\.\d\d× \(8", one.alt)
    drawn = paper.draw(one)
    hollow = {
        line.get_markerfacecolor()
        for line in drawn.findobj(lambda artist: hasattr(artist, "get_markerfacecolor"))
    }
    assert "#ffffff" in hollow
    assert any(text.startswith("8.") for text in texts(drawn))
    assert [panel.title for panel in one.panels] == ["time per call", "CPU per call"]


def test_the_ends_of_an_interval_are_seen_beside_the_value(sets):
    (one,) = planned("ratios", sets.channels)
    lines = paper.draw(one).axes[0].findobj(Line2D)
    ends = [line for line in lines if line.get_marker() == "|"]
    values = [line for line in lines if line.get_marker() in ("o", "s", "^", "D")]
    assert len(ends) == len(values) == 3
    assert min(line.get_markersize() for line in ends) > 2 * max(line.get_markersize() for line in values)
    assert "upright marks are the ends of its 95 % interval" in one.caption


def test_few_starts_have_no_interval_in_the_caption(sets, made):
    (one,) = planned("ratios", sets.make.unary(made, users=(1,), forks=1))
    assert "spread within this start" in one.caption
    assert "interval" not in one.caption


def test_many_rows_become_several_figures(sets):
    rows = tuple(Row(f"arm {k}", k) for k in range(20))
    found = pages([Group(k, f"point {k}", rows) for k in range(4)])
    assert [page.indices for page in found] == [(0,), (1,), (2,), (3,)]
    assert [[text for text, _ in page.headings()] for page in found] == [[f"point {k}"] for k in range(4)]
    (alone,) = pages([Group(0, "point", rows), Group(1, "nothing", ())])
    assert list(alone.headings()) == []
    assert pages([Group(0, "", ())]) == []


def test_of_very_many_points_no_details_are_drawn_and_it_says_so(sets, monkeypatch):
    found = answer(sets.unary)
    monkeypatch.setattr(figures, "MOST_POINTS", 1)
    drawn = list(figures.sketch_all(sets.unary, found))
    assert {one.key for one in drawn} == {"ratios", "users"}
    assert "rpcduel report" in next(one for one in drawn if one.key == "ratios").caption
    monkeypatch.setattr(figures, "MOST_POINTS", 2)
    assert {"percentiles", "rounds"} < {one.key for one in figures.sketch_all(sets.unary, found)}


def test_a_percentile_curve_ends_where_ten_calls_are_slower():
    counts = histogram.empty()
    histogram.record(counts, np.arange(1, 1001) * 1000)
    rarity, times = percentiles.outline(counts, np.full(50, 1_000_000))
    assert rarity[-1] == pytest.approx(100, rel=0.03)
    assert Histogram.of(counts).count_above(int(times[-1])) >= 10
    at = int(np.flatnonzero(rarity == 2)[0])
    assert times[at] == Histogram.of(counts).quantile(0.5)
    assert (np.diff(times) >= 0).all()


def test_ten_slow_calls_of_one_turn_hold_no_percentile():
    counts = histogram.empty()
    histogram.record(counts, np.append(np.linspace(1000, 100_000, 5000).astype(int), [900_000] * 50))
    rarity, times = percentiles.outline(counts, np.array([900_000] + [100_000] * 40))
    assert times.max() < 900_000
    assert rarity[-1] <= 5050 / 50
    assert percentiles.outline(counts, np.array([900_000])) is None


def test_intervals_of_one_percentile_stand_beside_each_other(sets):
    (one,) = planned("percentiles", sets.unary)
    for axes in paper.draw(one).axes:
        bars = [line for line in axes.findobj(Line2D) if line.get_alpha() == 0.8]
        assert len(bars) >= len(sets.costs)
        places = sorted(axes.transData.transform((bar.get_xdata()[0], 1))[0] for bar in bars)
        widest = max(bar.get_linewidth() for bar in bars) * axes.figure.dpi / 72
        assert min(after - before for before, after in pairwise(places)) > widest


def test_a_panel_ends_where_its_own_curves_do(sets):
    (one,) = planned("percentiles", sets.unary)
    for axes in paper.draw(one).axes:
        last = max(max(line.get_xdata()) for line in axes.findobj(Line2D) if len(line.get_xdata()) > 2)
        assert axes.get_xlim()[1] == pytest.approx(1.15 * last)


def test_crossovers_are_marked_where_lines_meet(sets):
    (one,) = planned("sizes", sets.payload)
    assert len(one.notes) == len(answer(sets.payload).crossovers) > 0
    assert "overtakes" in one.alt
    drawn = paper.draw(one)
    assert {"1", "2"} <= set(texts(drawn))


def test_a_part_is_shown_of_every_size_however_many_were_timed_at_once(sets):
    encode, decode = planned("sizes", sets.codec)
    assert (encode.comparisons, decode.comparisons) == ((0, 2, 4), (1, 3, 5))
    assert encode.caption.startswith("Time to encode a message against")
    assert [entry.label for entry in encode.legend] == ["memory-protobuf", "memory-json"]
    ticks = [label.get_text() for label in paper.draw(encode).axes[0].get_xticklabels()]
    assert ticks == ["100 B", "1 KiB", "64 KiB"]
    (ratio,) = planned("ratios", sets.codec)
    assert [panel.title for panel in ratio.panels] == ["time per message", "CPU per message"]
    assert planned("percentiles", sets.codec) == []


def test_sizes_that_are_close_have_round_ticks():
    assert sizes._ticks((100, 1000, 1024), (90.0, 1100.0)) == [100, 1024]


def test_a_line_is_read_between_its_points_on_logarithmic_axes():
    line = [(100.0, 10.0), (10_000.0, 1000.0)]
    assert sizes._at(line, 1000.0) == pytest.approx(100.0)
    assert [sizes._at(line, x) for x in (1.0, 100.0, 1e6)] == [10.0, 10.0, 1000.0]


def test_parts_of_a_call_are_drawn_whole(sets):
    (one,) = planned("anatomy", sets.anatomy)
    axes = paper.draw(one).axes[0]
    by_row = {}
    for bar in axes.patches:
        by_row.setdefault(round(bar.get_y(), 3), []).append(bar.get_width())
    assert len(by_row) == 3
    for widths in by_row.values():
        assert sum(widths) == pytest.approx(1)
    assert [entry.label for entry in one.legend] == ["client", "gateway", "server", "neither"]


def test_bytes_are_payload_and_overhead(sets):
    (one,) = planned("bytes", sets.anatomy)
    assert "grpc-protobuf: request 104 + 121 B, reply 77 + 98 B." in one.alt
    (scene,) = scenes(sets.channels, answer(sets.channels))
    assert traffic.sketch(scene, uncounted=True) == []


def test_connections_are_those_to_the_service(sets):
    (one,) = planned("fanin", sets.fanin)
    assert "grpc-protobuf@nginx 1 with 1 client, 10 with 10 clients, 100 with 100 clients" in one.alt
    assert "grpc-protobuf@envoy 1 with 1 client, 1 with 10 clients, 1 with 100 clients" in one.alt


def test_what_a_gateway_does_is_shown_beside_the_same_stack_without_one(sets, made):
    (one,) = planned("fanin", sets.fanin)
    assert [entry.label for entry in one.legend] == [GRPC + form for form in sets.forms]
    several = [
        sets.make.at(
            sets.make.formed(made.result({TCP: 3_000, GRPC: 9_000, GRPC + "@envoy": 20_000}, floor=900)),
            users=users,
        )
        for users in (1, 8)
    ]
    (one,) = planned("fanin", several)
    assert [entry.label for entry in one.legend] == [GRPC, GRPC + "@envoy"]
    assert planned("fanin", several[:1]) == []


def test_connections_that_nobody_had_stand_at_0(sets, made):
    assert "At 0" not in planned("fanin", sets.fanin)[0].caption
    closed = [made.run(one, GRPC + "@nginx", connections=(1, 0)) for one in sets.fanin]
    (one,) = planned("fanin", closed)
    assert "At 0 none stood" in one.caption
    assert "grpc-protobuf@nginx 0 with 1 client" in one.alt
    axes = paper.draw(one).axes[1]
    low, zero, first, last = (axes.transData.transform((1, y))[1] for y in (axes.get_ylim()[0], 0, 1, 100))
    assert low < zero < first < last
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["0", "1"]


def test_lines_of_one_stack_are_named_at_their_ends_in_shades_of_its_colour(sets):
    (one,) = planned("fanin", sets.fanin)
    pairs = {entry.mark.pair for entry in one.legend}
    assert pairs == set(palette.shades(palette.of(GRPC)))
    picture = paper.draw(one)
    picture.draw_without_rendering()
    axes = picture.axes[1]
    assert {text.get_text() for text in axes.texts} == {"caddy", "envoy", "python", "nginx", GRPC}
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(one.y1 <= other.y0 + 1 for one, other in pairwise(boxes))
    assert min(box.x0 for box in boxes) > axes.bbox.x1
    assert max(box.x1 for box in boxes) <= picture.bbox.x1


def test_a_line_that_ends_before_the_axes_do_is_not_named_beside_them(sets, made):
    *others, last = sets.fanin
    broken = made.run(last, GRPC + "@caddy", differs="field total: 3 instead of 4")
    (one,) = planned("fanin", [*others, broken])
    assert GRPC + "@caddy" in [entry.label for entry in one.legend]
    names = {text.get_text() for text in paper.draw(one).axes[0].texts}
    assert names == {"envoy", "python", "nginx", GRPC}


def test_stacks_beside_each_other_keep_their_own_colours_and_need_no_names(sets):
    (one,) = planned("users", sets.unary)
    assert [entry.mark.pair for entry in one.legend] == [palette.of(name) for name in (*sets.costs, "floor")]
    assert not paper.draw(one).axes[0].texts


@pytest.mark.parametrize(
    ("wanted", "moved"),
    [
        ([0.1, 0.5], [0.1, 0.5]),
        ([0.5, 0.5, 0.5], [0.4, 0.5, 0.6]),
        ([0.0, 0.0, 0.9], [0.0, 0.1, 0.9]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([0.3, 0.38, 0.45], [0.277, 0.377, 0.477]),
        ([], []),
    ],
)
def test_names_move_as_little_as_it_takes(wanted, moved):
    assert curves.spread(wanted, 0.1) == pytest.approx(moved, abs=1e-3)


def test_endless_response_times_stand_at_the_top(sets):
    (one,) = planned("rates", sets.rated)
    assert "no end" in one.caption
    assert "endless" in one.alt
    assert "p99<1ms" in texts(paper.draw(one))


def test_an_empty_panel_is_left_out_and_told(sets):
    (one,) = planned("rates", sets.rated)
    assert [panel.title for panel in one.panels] == ["median response time", "p99 of response times"]
    assert "is known" not in one.caption
    assert "alone" not in one.caption
    found = answer(sets.rated)
    bare = [
        replace(each, arms=tuple(replace(arm, p99=None) for arm in each.arms)) for each in found.comparisons
    ]
    (scene,) = scenes(sets.rated, replace(found, comparisons=tuple(bare)))
    (one,) = rates.sketch(scene)
    assert [panel.title for panel in one.panels] == ["median response time"]
    assert one.columns == 1
    assert "The p99 of response times of no arm is known" in one.caption


def test_arms_that_are_valid_at_one_rate_only_are_told(sets):
    found = answer(sets.rated)
    first, *others = found.comparisons
    lost = [
        replace(each, arms=tuple(replace(arm, validity="invalid") for arm in each.arms)) for each in others
    ]
    (scene,) = scenes(sets.rated, replace(found, comparisons=(first, *lost)))
    (one,) = rates.sketch(scene)
    assert "A dot alone" in one.caption


def test_open_loops_of_which_nothing_is_known_are_not_drawn(sets):
    unknown = [replace(one, runs=tuple(replace(run, rate=0.0) for run in one.runs)) for one in sets.rated]
    assert planned("rates", unknown) == []


def test_of_a_single_start_its_rounds_are_told(sets, made):
    (one,) = planned("rounds", sets.make.unary(made, users=(1,), forks=1))
    assert "rounds of the one start" in one.alt
    assert "next start" not in one.caption
    assert re.search(r"grpc-msgpack −\d+\.\d to \+\d+\.\d %", one.alt)


def test_gateways_without_counted_connections_have_their_cpu(sets, made):
    bare = [
        made.run(result, arm.name, connections=()) for result in sets.fanin for arm in result.trial.arms[:1]
    ]
    for arm in bare[0].trial.arms[1:]:
        bare = [made.run(result, arm.name, connections=()) for result in bare]
    (one,) = planned("fanin", bare)
    assert (one.title, len(one.panels)) == ("Gateways: CPU by clients", 1)


def test_rounds_show_each_start(sets):
    (one,) = planned("rounds", sets.channels)
    axes = paper.draw(one).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3", "4", "5"]


def test_starts_of_one_round_are_dots(sets, made):
    (one,) = planned("rounds", [made.result({GRPC: 100_000, TCP: 31_000}, rounds=1, long_rounds=0)])
    assert "one round only" in one.caption
    dots = [line for line in paper.draw(one).axes[0].findobj(Line2D) if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [5]
    (usual,) = planned("rounds", sets.channels)
    assert "one round only" not in usual.caption


def test_a_course_is_the_deviation_from_the_mean_ratio(made):
    result = made.result({"a": 100_000, "b": 50_000}, noise=0, fork_sd=0, common_sd=0.3)
    (scene,) = scenes([result], answer([result]))
    (row,) = course._rows(scene, scene.points[0])
    assert np.abs(np.concatenate(row.held.forks)).max() < 0.02
    assert len(row.held.forks) == 5


def test_a_gate_shows_its_looks(sets):
    (first, *_) = figures.draw_all(sets.gate, answer(sets.gate))
    assert first.key == "gate"
    assert "swap after 16 forks" in first.alt or "swap after 8 forks" in first.alt
    assert "2 % more is put up with" in first.caption


@pytest.mark.parametrize(
    ("command", "looks", "tolerance"),
    [
        ("rpcduel gate suite.toml", (8, 16, 32), 0.02),
        ("rpcduel gate --looks 8,16 --tolerance 3%", (8, 16), 0.03),
        ("rpcduel gate --tolerance=1.5%", (8, 16, 32), 0.015),
        ("rpcduel gate --looks 4,8", (8, 16), 0.02),
    ],
)
def test_the_rule_of_a_gate_is_read_from_what_is_stored(sets, command, looks, tolerance):
    rule = stored_looks.rule_of([replace(result, command=command) for result in sets.gate])
    assert rule.looks == looks
    assert rule.tolerance == pytest.approx(tolerance)


def test_a_command_line_that_no_shell_wrote_is_read_as_far_as_it_goes(sets):
    odd = [replace(result, command="rpcduel gate it's --tolerance 3%") for result in sets.gate]
    assert stored_looks.is_gate(odd)
    assert stored_looks.rule_of(odd).tolerance == pytest.approx(0.03)
    assert (
        stored_looks.rule_of([replace(one, command="rpcduel gate --tolerance much") for one in odd]).tolerance
        == 0.02
    )


def test_looks_of_a_gate_are_told_apart(sets):
    (scene,) = scenes(sets.gate, answer(sets.gate))
    assert [scene.heading(point) for point in scene.points] == ["16 users, 1 of 2", "16 users, 2 of 2"]


def test_runs_are_no_gates(sets):
    assert stored_looks.is_gate(sets.gate)
    assert not stored_looks.is_gate(sets.unary)
    assert not stored_looks.is_gate([])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_figures_draw_on_either_ground(everything, theme):
    for one in figures.sketch_all(everything, answer(everything)):
        png, size = paper.draw(one, theme)._repr_png_()
        assert png.startswith(b"\x89PNG")
        assert size["width"] == pytest.approx(640)


def test_names_are_written_as_they_are(made):
    odd = "a$x_1$<b>&%"
    result = made.result({"grpc-protobuf": 100_000, odd: 50_000})
    for one in figures.draw_all([result], answer([result])):
        png, _ = one.figure._repr_png_()
        assert png
    (one,) = planned("ratios", [result])
    assert any(odd == "".join(text.split("\n")) for text in texts(paper.draw(one)))


@pytest.mark.parametrize(
    ("low", "high"), [(0.3, 1.6), (0.97, 1.04), (0.01, 40), (1e3, 1e9), (200, 900), (1.0, 1.21)]
)
def test_ticks_are_few_and_within(low, high):
    found = scales.round_values(low, high)
    assert 3 <= len(found) <= 6
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in found)
    assert len({scales.plain(tick) for tick in found}) == len(found)


def test_what_cannot_be_on_a_logarithmic_axis_is_refused():
    with pytest.raises(ValueError, match="logarithmic"):
        scales.span([0.0, float("inf")])


def test_drawing_leaves_the_style_of_others_alone(sets):
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 17.0}):
        figures.draw_all(sets.channels, answer(sets.channels))
        assert mpl.rcParams["font.size"] == 17.0
