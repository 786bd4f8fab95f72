import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.arm import KEYS, Arm, SpecError, checked, field, name_all, parse

words = st.text(string.ascii_letters + string.digits + "-_:/.", min_size=1, max_size=12)
names = st.text(string.ascii_letters + string.digits + "-_@=#. é", max_size=12)
hosts = st.sampled_from(["127.0.0.1", "localhost", "[::1]", "a.example"])
works = st.builds(
    "{}:{}{}".format,
    st.sampled_from(["wait", "spin", "touch"]),
    st.integers(0, 9999),
    st.sampled_from(["us", "ms", "s"]),
)
requirements = st.builds(
    "{}{}{}".format,
    st.sampled_from(["grpcio", "msgpack", "orjson[extra]"]),
    st.sampled_from(["==", ">=", "~="]),
    st.sampled_from(["1.75.0", "6.0"]),
)
values = {
    "method": words,
    "at": st.builds("{}:{}".format, hosts, st.integers(1, 65535)),
    "channel": words,
    "python": words.map("/opt/{}=3".format),
    "ca": words.map("/etc/{}=.pem".format),
    "tls": st.just(value=True),
    "work": works,
    "streams": st.integers(1, 1_000_000),
    "beside": st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["B", "KiB"])),
    "with": st.lists(requirements, min_size=1, max_size=3).map(tuple),
}


def written(arm):
    """Write an arm as its SPEC, the keys in the order of `KEYS`."""
    head = f"{arm.name}={arm.stack}" if arm.name else arm.stack
    return ",".join(
        [
            head,
            *(pair for key in KEYS if getattr(arm, field(key)) != default(key) for pair in pairs(arm, key)),
        ]
    )


def pairs(arm, key):
    value = getattr(arm, field(key))
    return [f"{key}={text(each)}" for each in (value if isinstance(value, tuple) else (value,))]


def text(value):
    return "on" if value is True else value


def default(key):
    return getattr(Arm(name="", stack=""), field(key))


@st.composite
def arms(draw):
    chosen = draw(
        st.sets(st.sampled_from(KEYS)).filter(lambda keys: "at" not in keys or not {"work", "streams"} & keys)
    )
    # A server that is not ours has a CA of its own.
    chosen = chosen | {"ca"} if {"at", "tls"} <= chosen else chosen - {"ca"}
    return Arm(name=draw(names), stack=draw(words), **{field(key): draw(values[key]) for key in chosen})


@given(arms())
def test_spec_round_trips(arm):
    assert parse(written(arm)) == arm


@given(arms(), st.randoms())
def test_the_order_of_keys_does_not_matter(arm, random):
    head, *pairs = written(arm).split(",")
    random.shuffle(pairs)
    again = parse(",".join([head, *pairs]))
    assert sorted(again.needs) == sorted(arm.needs)  # a key that may be repeated keeps its own order
    assert msgspec.structs.replace(again, needs=arm.needs) == arm


def test_keys_that_are_left_out_have_defaults():
    assert parse("tcp-msgpack") == Arm(name="", stack="tcp-msgpack", channel="per-user")


@given(st.text(max_size=40))
def test_any_text_is_an_arm_or_a_spec_error(text):
    try:
        arm = parse(text)
    except SpecError as error:
        assert repr(text) in str(error)  # noqa: PT017 -- most texts are wrong, some are not
    else:
        assert parse(written(arm)) == arm


@pytest.mark.parametrize(
    ("spec", "part", "remedy"),
    [
        ("", "names no stack", "[name=]stack"),
        ("a=", "names no stack", "[name=]stack"),
        (",channel=shared", "names no stack", "[name=]stack"),
        ("=grpc", "name before '=' is empty", "[name=]stack"),
        ("grpc@teleport", "no hop 'teleport'", "hops are: "),
        ("grpc@", "a hop behind '@' has no name", "@hop"),
        (
            "grpc,speed=9",
            "'speed=9'",
            "keys are: at, beside, ca, channel, method, python, streams, tls, with, work",
        ),
        (
            "grpc,channel",
            "'channel'",
            "keys are: at, beside, ca, channel, method, python, streams, tls, with, work",
        ),
        (
            "grpc,channel=",
            "'channel='",
            "keys are: at, beside, ca, channel, method, python, streams, tls, with, work",
        ),
        (
            "grpc,",
            "'' is no key=value",
            "keys are: at, beside, ca, channel, method, python, streams, tls, with, work",
        ),
        (
            "grpc,name=x",
            "'name=x'",
            "keys are: at, beside, ca, channel, method, python, streams, tls, with, work",
        ),
        (
            "grpc,server=x",
            "'server=x'",
            "keys are: at, beside, ca, channel, method, python, streams, tls, with, work",
        ),
        ("grpc,work=wait:1s,work=wait:2s", "'work'", "stands twice"),
        ("grpc,at=here", "'here' is no address", "host:port"),
        ("grpc,at=a:0", "'a:0' is no address", "host:port"),
        ("grpc,at=a:65536", "'a:65536' is no address", "host:port"),
        ("grpc,work=9us", "'9us' is no work", "spin:9us"),
        ("grpc,at=a:1,work=spin:1us", "already runs (at)", "takes no work"),
        ("grpc,streams=-1", "'-1'", "a number of calls, such as 100"),
        ("grpc,streams=9999999", "streams=9999999", "to 1000000"),
        ("grpc,at=a:1,streams=9", "servers of ours", "tell a server of yours"),
        ("grpc,beside=much", "'much' is no size", "1MiB"),
        ("grpc,tls=yes", "'yes'", "tls is on or off"),
        ("grpc,at=a:1,tls=on", "tls needs ca", "the CA's certificate"),
        ("grpc,tls=on,ca=ca.pem", "server that is not ours (at)", "leave it out"),
        ("grpc,at=a:1,ca=ca.pem", "with tls on", "leave it out"),
    ],
)
def test_a_bad_spec_is_refused_with_the_part_at_fault_and_the_remedy(spec, part, remedy):
    with pytest.raises(SpecError) as caught:
        parse(spec)
    assert str(caught.value).startswith(repr(spec))
    assert part in str(caught.value)
    assert remedy in str(caught.value)


def test_a_server_command_needs_a_port():
    arm = Arm(name="go", stack="grpc", server=("./orders", "--port={port}"))
    assert checked(arm, "here") is arm
    with pytest.raises(SpecError, match=r"'here': the server command must contain {port}"):
        checked(Arm(name="go", stack="grpc", server=("./orders",)), "here")
    with pytest.raises(SpecError, match="takes no work and no server command"):
        checked(Arm(name="go", stack="grpc", at="a:1", server=("x", "{port}")), "here")


def named(*specs):
    return [arm.name for arm in name_all([parse(spec) for spec in specs])]


def test_arms_are_named_by_what_differs():
    assert named("grpc") == ["grpc"]
    assert named("grpc", "tcp") == ["grpc", "tcp"]
    assert named("grpc", "grpc,channel=shared") == ["grpc", "grpc,channel=shared"]
    assert named("grpc,work=spin:1us", "tcp,work=spin:1us") == ["grpc", "tcp"]
    assert named("grpc", "grpc,tls=on") == ["grpc", "grpc,tls=on"]
    assert named("grpc,tls=on", "tcp,tls=on") == ["grpc", "tcp"]
    assert named("grpc,tls=off", "grpc") == ["grpc", "grpc#2"]
    assert named("grpc,channel=pool:2", "grpc,channel=pool:4,work=wait:1ms", "mine=tcp") == [
        "grpc,channel=pool:2",
        "grpc,channel=pool:4,work=wait:1ms",
        "mine",
    ]


def test_equal_arms_are_numbered():
    assert named("grpc", "grpc", "grpc") == ["grpc", "grpc#2", "grpc#3"]


def test_two_arms_of_one_given_name_are_refused():
    with pytest.raises(SpecError, match=r"two arms are called 'a'; give each a name of its own"):
        named("a=grpc", "a=tcp")


few = st.lists(
    st.builds(Arm, name=st.sampled_from(["", "", "a", "a#2", "b"]), stack=st.sampled_from(["a", "b"])),
    max_size=6,
)


@given(few)
def test_names_are_unique_and_given_ones_stay(given_arms):
    wanted = [arm.name for arm in given_arms if arm.name]
    if len(set(wanted)) < len(wanted):
        with pytest.raises(SpecError, match="two arms are called"):
            name_all(given_arms)
        return
    result = name_all(given_arms)
    assert len({arm.name for arm in result}) == len(given_arms)
    assert [arm.stack for arm in result] == [arm.stack for arm in given_arms]
    assert all(
        after.name == before.name for before, after in zip(given_arms, result, strict=True) if before.name
    )


@pytest.mark.parametrize(
    ("needs", "part"),
    [
        (("==1.0",), "with='==1.0' is no requirement, such as grpcio==1.75.0"),
        (("grpcio==1.75.0", "../grpcio"), "with='../grpcio' is no requirement"),
        (("--index-url=http://a",), "with='--index-url=http://a' is no requirement"),
        (("",), "with='' is no requirement"),
        (("rpcduel==0.0.1",), "rpcduel is what measures; leave it out"),
        (("RpcDuel",), "leave it out"),
    ],
)
def test_what_is_no_requirement_is_refused(needs, part):
    with pytest.raises(SpecError) as caught:
        checked(Arm(name="a", stack="grpc", needs=needs), "here")
    assert str(caught.value).startswith("'here': ")
    assert part in str(caught.value)


def test_with_may_be_repeated():
    arm = parse("grpc,with=grpcio==1.75.0,channel=shared,with=protobuf>=6.0")
    assert arm == Arm("", "grpc", channel="shared", needs=("grpcio==1.75.0", "protobuf>=6.0"))
    assert named("grpc", "grpc,with=grpcio==1.75.0,with=protobuf>=6.0") == [
        "grpc",
        "grpc,with=grpcio==1.75.0,with=protobuf>=6.0",
    ]
