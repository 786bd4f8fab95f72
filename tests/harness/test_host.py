"""What the kernel says of its machine, from made-up ``proc`` and ``sys``."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import cgroup, host
from harness.host import Stall

CPUS = "sys/devices/system/cpu"
GROUPS = "sys/fs/cgroup"


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def made(root, files):
    for name, text in files.items():
        write(root, name, text)
    return root


READINGS = (
    cgroup.limit,
    cgroup.throttled,
    host.pressure,
    host.stolen,
    host.load,
    lambda root: host.governors((0, 1), root),
    host.turbo,
    lambda root: host.siblings(0, root),
    host.virtual,
)


@pytest.mark.parametrize("read", READINGS)
def test_what_is_not_there_is_not_known(tmp_path, read):
    assert read(tmp_path) is None


@pytest.mark.parametrize("read", READINGS)
@pytest.mark.parametrize("text", ["", "\n", "nonsense", "some avg10=", "cpu 1 2", "max", "0-x", "\udcff"])
def test_what_cannot_be_read_is_not_known(tmp_path, read, text):
    files = ("proc/pressure/cpu", "proc/stat", "proc/loadavg", "proc/cpuinfo", "proc/self/cgroup")
    for name in (*files, f"{CPUS}/cpu0/topology/thread_siblings_list"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read(tmp_path) is None


@pytest.mark.parametrize("read", READINGS)
def test_the_real_machine_can_be_read(read):
    read(cgroup.ROOT)


def test_pressure(tmp_path):
    text = "some avg10=39.74 avg60=31.50 avg300=32.66 total=4724727260\nfull avg10=0.00 avg60=0.00 total=0\n"
    write(tmp_path, "proc/pressure/cpu", text)
    found = host.pressure(tmp_path)
    assert found == Stall(pytest.approx(0.3974), pytest.approx(0.315), 4_724_727_260_000)


def test_stolen_ticks_are_a_part_of_all_and_guests_are_not_counted_twice(tmp_path):
    write(tmp_path, "proc/stat", "cpu  100 20 30 400 5 6 7 32 90 9\ncpu0 1 2 3\n")
    assert host.stolen(tmp_path) == (32, 600)


def test_load(tmp_path):
    write(tmp_path, "proc/loadavg", "1.25 0.80 0.60 2/150 4242\n")
    assert host.load(tmp_path) == 1.25


def test_governors_are_those_of_our_cores(tmp_path):
    for core, name in enumerate(("powersave", "performance", "performance", "schedutil")):
        write(tmp_path, f"{CPUS}/cpu{core}/cpufreq/scaling_governor", f"{name}\n")
    assert host.governors((1, 2), tmp_path) == ("performance",)
    assert host.governors((0, 1), tmp_path) == ("performance", "powersave")
    assert host.governors((7,), tmp_path) is None


@pytest.mark.parametrize(
    ("name", "text", "on"),
    [
        ("intel_pstate/no_turbo", "0", True),
        ("intel_pstate/no_turbo", "1", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
    ],
)
def test_turbo(tmp_path, name, text, on):
    write(tmp_path, f"{CPUS}/{name}", f"{text}\n")
    assert host.turbo(tmp_path) is on


@pytest.mark.parametrize(
    ("text", "threads"), [("0", (0,)), ("0-1", (0, 1)), ("0,4", (0, 4)), ("0-2,8-9,11", (0, 1, 2, 8, 9, 11))]
)
def test_siblings(tmp_path, text, threads):
    write(tmp_path, f"{CPUS}/cpu0/topology/thread_siblings_list", f"{text}\n")
    assert host.siblings(0, tmp_path) == threads


@given(st.sets(st.integers(0, 200), min_size=1))
def test_every_list_of_threads_is_read_back(tmp_path_factory, threads):
    root = tmp_path_factory.mktemp("threads")
    write(root, f"{CPUS}/cpu3/topology/thread_siblings_list", ",".join(map(str, sorted(threads))) + "\n")
    assert host.siblings(3, root) == tuple(sorted(threads))


PC = "flags\t\t: fpu vme sse2\nbugs\t: none\n"
GUEST = "flags\t\t: fpu vme hypervisor sse2\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"proc/cpuinfo": PC}, ""),
        ({"proc/cpuinfo": PC, "sys/class/dmi/id/sys_vendor": "Amazon EC2\n"}, ""),
        ({"proc/cpuinfo": GUEST}, "an unnamed hypervisor"),
        ({"proc/cpuinfo": GUEST, "sys/class/dmi/id/sys_vendor": "QEMU\n"}, "QEMU"),
        (
            {
                "proc/cpuinfo": GUEST,
                "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
                "sys/class/dmi/id/product_name": "m7a.large\n",
            },
            "Amazon EC2 m7a.large",
        ),
        ({"proc/cpuinfo": "Features\t: fp asimd\n", "sys/hypervisor/type": "xen\n"}, "xen"),
        ({"proc/cpuinfo": "Features\t: fp asimd\n"}, None),
    ],
)
def test_a_virtual_machine(tmp_path, files, found):
    assert host.virtual(made(tmp_path, files)) == found


def test_a_moment_holds_what_adds_up(tmp_path):
    files = {
        "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
        "proc/stat": "cpu 1 0 0 9 0 0 0 2 0 0\n",
        "proc/self/cgroup": "0::/a\n",
        f"{GROUPS}/a/cpu.stat": "usage_usec 3\nthrottled_usec 7\n",
    }
    one, other = host.moment(made(tmp_path, files)), host.moment(tmp_path)
    assert (one.stalled, one.throttled, one.stolen) == (5000, 7000, (2, 12))
    assert other.at >= one.at


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"proc/self/cgroup": "0::/\n"}, None),
        ({"proc/self/cgroup": "0::/a\n", f"{GROUPS}/a/cpu.max": "max 100000\n"}, math.inf),
        ({"proc/self/cgroup": "0::/a\n", f"{GROUPS}/a/cpu.max": "150000 100000\n"}, 1.5),
        # The tightest one on the way up rules, wherever it is.
        (
            {
                "proc/self/cgroup": "0::/a/b/c\n",
                f"{GROUPS}/a/b/c/cpu.max": "max 100000\n",
                f"{GROUPS}/a/b/cpu.max": "50000 20000\n",
                f"{GROUPS}/a/cpu.max": "80000 100000\n",
            },
            0.8,
        ),
        # Not ours: a sibling, and one below us.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{GROUPS}/a/b/cpu.max": "200000 100000\n",
                f"{GROUPS}/a/z/cpu.max": "1000 100000\n",
                f"{GROUPS}/a/b/c/cpu.max": "1000 100000\n",
            },
            2.0,
        ),
        # Version 1, under the name of both controllers, or of one.
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/a\n1:memory:/a\n",
                f"{GROUPS}/cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n",
                f"{GROUPS}/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                f"{GROUPS}/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
                f"{GROUPS}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n0::/\n",
                f"{GROUPS}/cpu/cpu.cfs_quota_us": "-1\n",
                f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n",
            },
            math.inf,
        ),
        # A container without a namespace of its own is told the path outside, and sees itself at the top.
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/0123\n",
                f"{GROUPS}/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                f"{GROUPS}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        # Both versions at once, where the other one rules.
        (
            {
                "proc/self/cgroup": "1:name=systemd:/a\n0::/a\n",
                f"{GROUPS}/unified/a/cpu.max": "100000 100000\n",
                f"{GROUPS}/systemd/a/cpu.max": "1000 100000\n",
            },
            1.0,
        ),
        # A group outside of what we may see.
        ({"proc/self/cgroup": "0::/../other\n", f"{GROUPS}/cpu.max": "70000 100000\n"}, 0.7),
        ({"proc/self/cgroup": "0::/a\n", f"{GROUPS}/a/cpu.max": "100000 0\n"}, None),
    ],
)
def test_the_limit_of_our_group(tmp_path, files, cores):
    assert cgroup.limit(made(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "time"),
    [
        ({"proc/self/cgroup": "0::/a\n", f"{GROUPS}/a/cpu.stat": "usage_usec 9\nuser_usec 9\n"}, None),
        ({"proc/self/cgroup": "0::/a\n", f"{GROUPS}/a/cpu.stat": "nr_throttled 1\nthrottled_usec 0\n"}, 0),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{GROUPS}/a/b/cpu.stat": "throttled_usec 5\n",
                f"{GROUPS}/a/cpu.stat": "throttled_usec 8\n",
                f"{GROUPS}/z/cpu.stat": "throttled_usec 99\n",
            },
            8000,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                f"{GROUPS}/cpu/cpu.stat": "nr_periods 2\nnr_throttled 1\nthrottled_time 1234\n",
            },
            1234,
        ),
    ],
)
def test_how_long_our_group_was_stopped(tmp_path, files, time):
    assert cgroup.throttled(made(tmp_path, files)) == time
