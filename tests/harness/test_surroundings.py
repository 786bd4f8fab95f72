"""What `rpcduel doctor` says of a machine, from made-up ``proc`` and ``sys``."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from harness.doctor import surroundings
from harness.doctor.surroundings import HIDDEN
from harness.host import Moment

CPUS = "sys/devices/system/cpu"
GOOD = {
    "proc/cpuinfo": "flags : fpu sse2\n",
    "proc/self/cgroup": "0::/a\n",
    "proc/loadavg": "0.05 0.10 0.20 1/100 4242\n",
    "proc/stat": "cpu 500 0 100 9000 0 0 0 0 0 0\n",
    "proc/pressure/cpu": "some avg10=0.10 avg60=1.20 avg300=0.00 total=100\n",
    "sys/fs/cgroup/a/cpu.max": "max 100000\n",
    "sys/fs/cgroup/a/cpu.stat": "throttled_usec 0\n",
    f"{CPUS}/cpufreq/boost": "0\n",
    **{f"{CPUS}/cpu{core}/cpufreq/scaling_governor": "performance\n" for core in range(4)},
    **{
        f"{CPUS}/cpu{core}/topology/thread_siblings_list": f"{core % 2},{core % 2 + 2}\n" for core in range(4)
    },
}


@pytest.fixture
def here(made):
    return replace(made.machine, cores=4, client_cores=(0, 2), server_cores=(1, 3), awake=True)


@pytest.fixture
def look(tmp_path, here):
    """Examine a machine that is good but for these files (None: not there) and fields."""

    def look(files=None, **fields):
        for name, text in {**GOOD, **(files or {})}.items():
            if text is not None:
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return surroundings.machine(SimpleNamespace(machine=replace(here, **fields)), tmp_path)

    return look


def remedies(check):
    return {name: remedy for name, _, remedy in check.rows if remedy}


def found(check):
    return {name: text for name, text, _ in check.rows}


def test_a_good_machine_needs_nothing(look):
    check = look()
    assert remedies(check) == {}
    assert HIDDEN not in found(check).values()
    assert check.answer == "Clients and servers run apart. Nothing that is visible disturbs measurements."
    assert check.met is None


def test_what_is_not_visible_says_so_and_needs_nothing(tmp_path, here):
    check = surroundings.machine(SimpleNamespace(machine=here), tmp_path)
    hidden = {name for name, text in found(check).items() if text == HIDDEN}
    assert hidden == {
        "SMT siblings",
        "virtual machine",
        "frequency governor",
        "turbo",
        "cgroup CPU limit",
        "cgroup throttling",
        "load average",
        "stolen by the hypervisor",
        "CPU pressure (PSI)",
    }
    assert remedies(check) == {}


@pytest.mark.parametrize(
    ("name", "files", "text", "remedy"),
    [
        (
            "frequency governor",
            {f"{CPUS}/cpu2/cpufreq/scaling_governor": "powersave\n"},
            "performance and powersave",
            "set performance",
        ),
        ("turbo", {f"{CPUS}/cpufreq/boost": "1\n"}, "on", "switch it off"),
        ("virtual machine", {"proc/cpuinfo": "flags : hypervisor\n"}, "yes: an unnamed hypervisor", "forks"),
        ("load average", {"proc/loadavg": "1.50 0 0 1/9 9\n"}, "1.50 over the last minute", "stop"),
        ("cgroup CPU limit", {"sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, "1.5 of 4 cores", "raise"),
        ("cgroup throttling", {"sys/fs/cgroup/a/cpu.stat": "throttled_usec 2500000\n"}, "2.5 s", "raise"),
        ("stolen by the hypervisor", {"proc/stat": "cpu 90 0 0 0 0 0 0 10\n"}, "10.0 % since", "neighbours"),
        (
            "CPU pressure (PSI)",
            {"proc/pressure/cpu": "some avg10=39.74 avg60=31.50 avg300=32.66 total=4724727260\n"},
            "some process waited in 39.7 % of the last 10 s, 31.5 % of 60 s",
            "stop",
        ),
        (
            "SMT siblings",
            {f"{CPUS}/cpu{core}/topology/thread_siblings_list": "0-1\n" for core in (0, 1)},
            "clients and servers share a core: threads 0,1",
            "allow two whole cores",
        ),
        (
            "SMT siblings",
            {
                f"{CPUS}/cpu{core}/topology/thread_siblings_list": f"{side},{side + 2},{side + 8}\n"
                for core, side in enumerate((0, 1, 0, 1))
            },
            "threads 8,9 of our cores are not ours",
            "allow whole cores",
        ),
    ],
)
def test_what_disturbs_has_its_remedy_beside_it(look, name, files, text, remedy):
    check = look(files)
    assert text in found(check)[name]
    assert list(remedies(check)) == [name]
    assert remedy in remedies(check)[name]
    assert check.answer.endswith(f"with its remedy beside it: {name}.")


def test_a_limit_that_leaves_all_cores_is_no_disturbance(look):
    check = look({"sys/fs/cgroup/a/cpu.max": "400000 100000\n"})
    assert (found(check)["cgroup CPU limit"], remedies(check)) == ("4 of 4 cores", {})


def test_cores_with_one_thread_each(look):
    check = look({f"{CPUS}/cpu{core}/topology/thread_siblings_list": f"{core}\n" for core in range(4)})
    assert (found(check)["SMT siblings"], remedies(check)) == ("none: one thread a core", {})


def test_a_core_whose_siblings_are_not_known_hides_the_row(tmp_path, look):
    look()
    (tmp_path / CPUS / "cpu3/topology/thread_siblings_list").unlink()
    check = look({f"{CPUS}/cpu3/topology/thread_siblings_list": None})
    assert found(check)["SMT siblings"] == HIDDEN


def test_nothing_pinned_and_cores_that_sleep(look):
    check = look(client_cores=(), server_cores=(), awake=False)
    assert set(remedies(check)) == {"cores", "idle cores"}
    assert check.answer.startswith("Clients and servers share cores.")
    assert found(check)["frequency governor"] == "performance"


def shares(check_rows):
    return {name: (text.split(" of ")[0], bool(remedy)) for name, text, remedy in check_rows}


BEFORE = Moment(at=0, stalled=1_000, throttled=5_000, stolen=(10, 1_000))
SECOND = 1_000_000_000


def test_what_happened_between_two_moments():
    after = Moment(at=10 * SECOND, stalled=1_000 + SECOND, throttled=5_000, stolen=(12, 2_000))
    assert shares(surroundings.changes(BEFORE, after)) == {
        "CPU pressure (PSI)": ("10.0 %", False),
        "stolen by the hypervisor": ("0.2 %", False),
        "cgroup throttling": ("0.0 %", False),
    }


def test_what_disturbed_between_two_moments():
    after = Moment(at=10 * SECOND, stalled=4 * SECOND, throttled=SECOND // 5, stolen=(60, 2_000))
    assert shares(surroundings.changes(BEFORE, after)) == {
        "CPU pressure (PSI)": ("40.0 %", True),
        "stolen by the hypervisor": ("5.0 %", True),
        "cgroup throttling": ("2.0 %", True),
    }


def test_moments_that_show_nothing_or_are_the_same():
    nothing = Moment(at=5, stalled=None, throttled=None, stolen=None)
    assert {text for _, text, _ in surroundings.changes(BEFORE, nothing)} == {HIDDEN}
    assert {text for _, text, _ in surroundings.changes(nothing, BEFORE)} == {HIDDEN}
    assert {share for share, _ in shares(surroundings.changes(BEFORE, BEFORE)).values()} == {"0.0 %"}


def test_the_look_back_reads_the_files_again(tmp_path, look, here):
    look()
    before = surroundings.host.moment(tmp_path)
    (tmp_path / "proc/stat").write_text("cpu 500 0 100 9000 0 0 0 400 0 0\n")
    bench = SimpleNamespace(machine=here, began=before)
    check = surroundings.meanwhile(bench, tmp_path)
    assert found(check)["stolen by the hypervisor"] == "100.0 % of the cores' time"
    assert list(remedies(check)) == ["stolen by the hypervisor"]
