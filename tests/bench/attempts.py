"""What limiting login attempts costs, compared with pam_faillock.

One attempt is pam_start, authenticate, account, pam_end. The conversation
answers with the password, and checking it takes no time. All stacks but the
floor have the same check; `adds` is what a case takes beyond the check alone.
A log daemon runs, as on any host: wrong passwords are logged.

The aim is that no attempt costs more than with pam_faillock. For group rules the
module has to look up the user's groups and their names. pam_faillock has no such
rules and looks up only the user. `less groups` leaves out what the name services
take for the groups.
"""

import os
import socket
import threading

import bench_host
import stacks
from costs import Costs
from bench_host import ONE, TEN, USERS
from sessions import Names
from tables import Table, against
from turns import Case, measure

AIM = 1.0
LIMIT = f"max_attempts = {stacks.MAX_ATTEMPTS}\n"
GROUPS = "".join(f'group "g{i}" {{ {LIMIT} }}\n' for i in range(10))
POLICIES = {
    "default section": f"default {{ {LIMIT} }}",
    "10 group rules": GROUPS,
    "count_by = source": f"default {{ {LIMIT} count_by = source\n }}",
    "user without a limit": f'default {{ {LIMIT} }}\nuser "{ONE}" {{ max_attempts = none\n }}',
}


class Attempt(Case):
    """One stack, one user, and a password that is right, wrong, or rejected
    without a check."""

    def __init__(self, name, stack, kind="right", user=ONE):
        title = f"{name}, {kind}, {user}"
        self.check, self.kind, self.user = stacks.Check(title), kind, user
        super().__init__(name, "attempt", bench_host.service(title, stack(self.check)), user, kind,
                         answer="in" if kind == "right" else "out")

    def stop(self):
        super().stop()
        right, wrong = self.check.reached()
        measured = len(self.times)
        if not {"right": right > measured and wrong == 0,
                "wrong": right > measured and wrong > measured,
                "rejected": right == 0 and wrong == stacks.MAX_ATTEMPTS}[self.kind]:
            raise SystemExit(f"bench: {self.name}: {right} right and {wrong} wrong passwords "
                             f"reached the check")


class Floor(Case):
    def __init__(self):
        super().__init__("pam_permit (floor)", "attempt", bench_host.service(
            "attempt floor", "auth required pam_permit.so\n" + stacks.PERMIT), ONE, "right",
            answer="in")
        self.user = ONE


def tmout(name):
    policy = bench_host.policy(name, POLICIES[name])
    return lambda check: stacks.tmout(check, policy)


def loaded(check):
    return stacks.bare(check, f"auth optional {bench_host.nothing_module()}\n")


def right_cases():
    cases = [Floor(), Attempt("the check alone", stacks.bare), Attempt("any loaded module", loaded)]
    cases += [Attempt("pam_faillock, account", stacks.faillock),
              Attempt("pam_faillock, authsucc", stacks.faillock_authsucc)]
    cases += [Attempt(f"pam_tmout, {name}", tmout(name)) for name in POLICIES]
    cases.append(Attempt("pam_tmout, 10 group rules", tmout("10 group rules"), user=TEN))
    return cases + [Names(user, groups) for user in USERS for groups in (True, False)]


def failed_cases(kind):
    cases = [Attempt("the check alone", stacks.bare, kind)] if kind == "wrong" else []
    return cases + [Attempt("pam_faillock", stacks.faillock, kind),
                    Attempt("pam_tmout", tmout("default section"), kind)]


class Attempts(Table):
    """Cases that were measured together, compared with the fastest pam_faillock."""

    def __init__(self, cases):
        super().__init__([case for case in cases if not isinstance(case, Names)],
                         [("adds", 8, ",.0f", self.adds), ("x faillock", 11, ".2f", self.beside_peer),
                          ("less groups", 11, ".2f", self.less_groups)])
        names = [case.median for case in cases if isinstance(case, Names)]
        self.groups = dict(zip(USERS, (a - b for a, b in zip(names[::2], names[1::2]))))
        self.peer = min(case.median for case in cases if "faillock" in case.name)
        self.alone = next((c.median for c in cases if c.name == "the check alone"), None)

    def adds(self, case):
        return case.median - self.alone if self.alone and not isinstance(case, Floor) else None

    def beside_peer(self, case):
        return case.median / self.peer

    def less_groups(self, case):
        if "group rules" not in case.name:
            return None
        return (case.median - self.groups[case.user]) / self.peer

    def verdict(self):
        ours = [case for case in self.cases if "pam_tmout" in case.name]
        lowest = [self.less_groups(case) or self.beside_peer(case) for case in ours]
        print(f"the slowest pam_tmout: x {max(map(self.beside_peer, ours)):.2f}, less groups "
              f"x {against(AIM, max(lowest))}")


def read_log():
    """A log daemon. Without one, the socket fills up and every attempt waits."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)

    def read():
        while True:
            log.recv(65536)

    threading.Thread(target=read, daemon=True).start()


def compare():
    read_log()
    stacks.reset()
    bench_host.use_name_services("files")
    bench_host.add_groups(host_groups=0)
    for title, cases in (("One login attempt with the right password", right_cases()),
                         ("With a wrong one", failed_cases("wrong")),
                         ("Rejected, the user being locked", failed_cases("rejected"))):
        stacks.reset()
        measure(cases)
        table = Attempts(cases)
        table.print(title)
        table.verdict()


def count_costs():
    """The same cases in instructions and system calls."""
    bench_host.use_name_services("files")
    bench_host.add_groups(host_groups=0)
    for title, cases in (("right password", right_cases()), ("wrong password", failed_cases("wrong")),
                         ("rejected password", failed_cases("rejected"))):
        stacks.reset()
        Costs([case for case in cases if not isinstance(case, Names)]).print(
            f"One login attempt in instructions and system calls, {title}", "pam_faillock")
