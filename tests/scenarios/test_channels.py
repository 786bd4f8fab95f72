import threading
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import channels
from scenarios.arm import SpecError
from scenarios.channels import PoolExhausted, check, opened
from stacks import service
from stacks.errors import CallError, Timeout, Unavailable

METHOD = service.load(service.DEFAULT)["Echo"]
MODES = ["per-user", "shared", "pool:1", "pool:3", "per-request"]
PATIENCE = 20.0
"""Seconds after which a test gives up; nothing waits that long."""


class Network:
    """Makes clients and counts what is done to them; `reply` answers their calls."""

    def __init__(self, reply=lambda client, request: (client.number, request)):
        self.clients = []
        self.reply = reply
        self.refuse_from = None
        self.lock = threading.Lock()

    def connect(self):
        with self.lock:
            if len(self.clients) == self.refuse_from:
                raise Unavailable("nobody listens")
            self.clients.append(FakeClient(self, len(self.clients)))
            return self.clients[-1]

    @property
    def open(self):
        return [client.number for client in self.clients if not client.closed]

    @property
    def loads(self):
        return [client.calls for client in self.clients]


class FakeClient:
    def __init__(self, network, number):
        self.network = network
        self.number = number
        self.closed = 0
        self.bound = 0
        self.calls = 0
        self.inside = 0
        self.most = 0
        self.timeouts = []

    def unary(self, method):
        assert method is METHOD
        self.bound += 1
        return self._call

    def _call(self, request, timeout):
        assert not self.closed
        with self.network.lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.timeouts.append(timeout)
        try:
            return self.network.reply(self, request)
        finally:
            with self.network.lock:
                self.inside -= 1

    def close(self):
        self.closed += 1


def join(mode, users, network, *, multiplexes=True):
    return opened(mode, users, network.connect, METHOD, multiplexes=multiplexes)


def in_threads(calls, requests, timeout=PATIENCE):
    """Call each of `calls` once, all at the same time; gives replies and errors in order."""
    found = [None] * len(calls)

    def run(k):
        try:
            found[k] = calls[k](requests[k], timeout)
        except CallError as error:
            found[k] = error

    threads = [threading.Thread(target=run, args=[k]) for k in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("users", [1, 2, 7])
def test_every_user_gets_a_call_that_works(mode, users):
    network = Network()
    with join(mode, users, network) as calls:
        assert len(calls) == users
        for user, call in enumerate(calls):
            assert call(user, 1.5)[1] == user
    assert network.open == []
    assert [client.closed for client in network.clients] == [1] * len(network.clients)
    assert [client.bound for client in network.clients] == [1] * len(network.clients)
    assert {timeout for client in network.clients for timeout in client.timeouts} == {1.5}


@pytest.mark.parametrize(
    ("mode", "users", "connections"),
    [("per-user", 5, 5), ("shared", 5, 1), ("pool:3", 5, 3), ("pool:12", 5, 12), ("per-request", 5, 0)],
)
@pytest.mark.parametrize("multiplexes", [True, False])
def test_a_mode_opens_its_connections_before_the_first_call(mode, users, connections, multiplexes):
    network = Network()
    with join(mode, users, network, multiplexes=multiplexes):
        assert network.open == list(range(connections))
        assert network.loads == [0] * connections


def test_per_user_keeps_each_user_on_one_connection():
    network = Network()
    with join("per-user", 3, network) as calls:
        replies = [[call(None, 1)[0] for call in calls] for _ in range(4)]
    assert replies == [[0, 1, 2]] * 4


def test_per_request_opens_and_closes_within_each_call():
    network = Network(lambda client, _: (client.network.open, client.number))
    with join("per-request", 2, network) as calls:
        assert [calls[k % 2](None, 1) for k in range(4)] == [([k], k) for k in range(4)]
        assert network.open == []
    assert network.loads == [1] * 4


def test_per_request_closes_when_the_call_fails():
    def fail(_client, _request):
        raise Timeout("too late")

    network = Network(fail)
    with join("per-request", 1, network) as calls:
        with pytest.raises(Timeout, match="too late"):
            calls[0](None, 1)
        assert [client.closed for client in network.clients] == [1]
        network.refuse_from = 1
        with pytest.raises(Unavailable):
            calls[0](None, 1)


@given(st.integers(1, 5), st.lists(st.integers(0, 3), max_size=40))
def test_a_pool_that_multiplexes_deals_connections_in_turn(size, callers):
    network = Network()
    with join(f"pool:{size}", 4, network) as calls:
        assert [calls[user](None, 1)[0] for user in callers] == [k % size for k in range(len(callers))]


def test_a_pool_that_multiplexes_never_makes_a_call_wait():
    everyone = threading.Barrier(6)
    network = Network(lambda _client, _request: everyone.wait(PATIENCE))
    with join("pool:2", 6, network) as calls:
        assert sorted(in_threads(calls, range(6))) == list(range(6))
    assert [client.most for client in network.clients] == [3, 3]


def test_an_exclusive_pool_gives_a_connection_to_one_call_at_a_time():
    both = threading.Barrier(2)
    network = Network(lambda _client, request: (both.wait(PATIENCE), request)[1])
    with join("pool:2", 6, network, multiplexes=False) as calls:
        assert in_threads(calls, range(6)) == list(range(6))
    assert [client.most for client in network.clients] == [1, 1]
    assert sum(network.loads) == 6


def test_who_gives_a_connection_back_takes_it_after_those_who_wait():
    order, go_on = [], threading.Event()

    def reply(user, _timeout):
        order.append(user)
        assert go_on.wait(PATIENCE)

    def play(call, user):
        for _ in range(3):
            call(user, PATIENCE)

    pool = channels._Pool([reply])
    users = [threading.Thread(target=play, args=[call, user]) for user, call in enumerate(pool.calls(3))]
    for count, user in enumerate(users):
        user.start()
        end = monotonic() + PATIENCE
        while not order or len(pool._waiting) < count:
            assert monotonic() < end
    go_on.set()
    for user in users:
        user.join(PATIENCE)
        assert not user.is_alive()
    assert order == [0, 1, 2] * 3


def test_who_gave_up_waiting_is_given_no_connection():
    entered, leave = threading.Event(), threading.Event()

    def hold(_request, _timeout):
        entered.set()
        assert leave.wait(PATIENCE)

    pool = channels._Pool([hold])
    first, second = pool.calls(2)
    holder = threading.Thread(target=first, args=[None, PATIENCE])
    holder.start()
    assert entered.wait(PATIENCE)
    for _ in range(2):
        with pytest.raises(PoolExhausted):
            second(None, 0.01)
    assert not pool._waiting
    leave.set()
    holder.join(PATIENCE)
    assert len(pool._free) == 1


def test_an_exclusive_pool_gives_up_after_the_timeout():
    entered, leave = threading.Event(), threading.Event()

    def hold(_client, request):
        entered.set()
        assert leave.wait(PATIENCE)
        return request

    network = Network(hold)
    with join("pool:1", 2, network, multiplexes=False) as calls:
        holder = threading.Thread(target=calls[0], args=["long", PATIENCE])
        holder.start()
        assert entered.wait(PATIENCE)
        with pytest.raises(PoolExhausted, match=r"no connection of the pool became free within 0.01 s"):
            calls[1](None, 0.01)
        leave.set()
        holder.join(PATIENCE)
        assert calls[1]("now", 0.01) == "now"
    assert network.loads == [2]


def test_a_failed_call_gives_its_connection_back():
    def fail(_client, request):
        raise Timeout(request)

    network = Network(fail)
    with join("pool:1", 1, network, multiplexes=False) as calls:
        for text in ("once", "twice"):
            with pytest.raises(Timeout, match=text):
                calls[0](text, 0.01)


@pytest.mark.parametrize(("mode", "opens"), [("per-user", 2), ("pool:5", 2), ("shared", 0)])
def test_what_is_open_is_closed_when_a_connection_fails(mode, opens):
    network = Network()
    network.refuse_from = opens
    with pytest.raises(Unavailable), join(mode, 4, network):
        raise AssertionError
    assert [client.closed for client in network.clients] == [1] * opens


@pytest.mark.parametrize("mode", MODES)
def test_connections_are_closed_when_the_run_breaks_off(mode):
    network = Network()
    with pytest.raises(KeyboardInterrupt), join(mode, 3, network):
        raise KeyboardInterrupt
    assert network.open == []


@pytest.mark.parametrize("mode", [*MODES, "pool:99999"])
def test_modes_that_there_are_pass(mode):
    check(mode, multiplexes=True, stack="grpc")


@pytest.mark.parametrize(
    "mode",
    ["", "Shared", "pool", "pool:", "pool:0", "pool:-1", "pool:01", "pool:1.5", "pool:100000", "shared "],
)
def test_other_modes_are_refused_with_those_there_are(mode):
    with pytest.raises(SpecError) as caught:
        check(mode, multiplexes=True, stack="grpc")
    assert str(caught.value) == (
        f"there is no channel mode {mode!r}; modes are: per-user, shared, pool:N, per-request"
    )


def test_shared_is_refused_where_the_stack_does_not_multiplex():
    with pytest.raises(
        SpecError, match="channel=shared is not applicable to tcp: it carries one call at a time"
    ):
        check("shared", multiplexes=False, stack="tcp")
    for mode in ("per-user", "pool:2", "per-request"):
        check(mode, multiplexes=False, stack="tcp")
