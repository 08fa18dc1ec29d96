"""What the session phase of a login costs, compared with other modules.

    floor             a session with pam_permit alone
    any loaded module pam_permit and a copy of it under another name: what
                      libpam and the dynamic loader take for another module
                      that does nothing
    loaded, skipped   the real module, loaded but jumped over: what its size
                      and its symbols cost, without any of its work
    all other cases   pam_permit and the module
    name services     no PAM: the user, the user's groups and the name of each,
                      by getpwnam_r, getgrouplist and getgrgid_r; any module
                      that matches rules to groups has to wait for these

`own work` is what a case takes beyond any loaded module, relative to the floor:
1.00 would be a module that does nothing. The aim is 1.10. If a case needs the
user's groups, `less names` leaves out what the name services take for this
user.

The same in instructions and system calls is compared with any loaded module, and
with pam_limits as distributions ship it.
"""

import math
import os
import re
import statistics
import subprocess
import time

import bench_host
from costs import Costs
from bench_host import HOME, MODULE, ONE, TEN, TMOUTCTL, USERS, write
from tables import NAME_WIDTH, Table, against
from turns import Case, measure

AIM = 1.10
COMPILE_AIM_SEC = 1.0
HOST_GROUPS = 10_000
PERMIT = "session required pam_permit.so"


class Session(Case):
    """One service for one user."""

    def __init__(self, name, user, module="", limit="-", begin=PERMIT):
        service = bench_host.service(
            f"{name} {user}", f"{begin}\n" + (f"session required {module}\n" if module else ""))
        super().__init__(name, "session", service, user, answer=limit)
        self.user, self.asks_names, self.is_pam = user, False, True


class Names(Case):
    """No session, only the name services: the user with the groups, or the user
    alone."""

    def __init__(self, user, groups=True):
        super().__init__("name services alone", "session", "-" if groups else "-user", user,
                         answer="-")
        self.user, self.asks_names, self.is_pam = user, False, False


def floor_case():
    return Session("pam_permit (floor)", ONE)


def loaded_case():
    return Session("any loaded module", ONE, bench_host.nothing_module())


def group_policy(count):
    """A policy with this many group rules, or with only a default section."""
    return bench_host.policy(f"policy{count}", "default {\n    tmout = 15m\n}\n" + "".join(
        f'group "g{i}" {{\n    tmout = 5m\n    enforce = true\n}}\n' for i in range(count)))


def tmout_case(count, user):
    name = f"pam_tmout, {count:,} group rules" if count else "pam_tmout, default section alone"
    case = Session(name, user, f"{MODULE} {group_policy(count)}",
                   "300 readonly" if count else "900 default")
    case.asks_names = count > 0
    return case


def skipped_case():
    return Session("pam_tmout, loaded, skipped", ONE, f"{MODULE}\n{PERMIT}",
                   begin="session [success=1 default=ignore] pam_permit.so")


def limits_case(count, prefix, what):
    """pam_limits with rules that do not match the user."""
    path = f"{HOME}/limits-{what}-{count}.conf"
    write(path, "".join(f"{prefix}other{i} hard nofile 4096\n" for i in range(count)))
    return Session(f"pam_limits, {count:,} {what} rules", TEN, f"pam_limits.so conf={path}")


class Sessions(Table):
    """Cases that were measured together; the first two are the floor and any
    loaded module."""

    def __init__(self, cases):
        super().__init__(cases, [("x floor", 9, ",.2f", self.beside_floor),
                                 ("own work", 9, ",.2f", self.own_work_after_floor),
                                 ("less names", 10, ",.2f", self.less_names)])
        self.floor, self.loaded = (case.median for case in cases[:2])
        self.names = {case.user: case.median for case in cases if not case.is_pam}

    def beside_floor(self, case):
        return case.median / self.floor if case.is_pam else None

    def own_work(self, case):
        return 1 + (case.median - self.loaded) / self.floor

    def own_work_after_floor(self, case):
        return self.own_work(case) if case.is_pam and case is not self.cases[0] else None

    def less_names(self, case):
        return self.own_work(case) - self.names[case.user] / self.floor if case.asks_names else None

    def verdict(self):
        """The aims, and how little the number of rules matters."""
        for user, groups in USERS.items():
            ours = [c for c in self.cases if c.asks_names and c.user == user]
            print(f"pam_tmout, groups of the user: {groups}: own work "
                  f"{against(AIM, max(map(self.own_work, ours)))}, less names "
                  f"{against(AIM, max(map(self.less_names, ours)))}; "
                  f"10,000 rules beside 10: x {ours[-1].median / ours[0].median:.2f}")


def not_run(hundred, thousand):
    """Why pam_limits is not measured: it would take minutes a login. The estimate
    is a lower bound, since the growth itself grows."""
    growth = thousand.median / hundred.median
    guess = thousand.median * growth / 1e6
    return (f"{'pam_limits, 10,000 group rules':{NAME_WIDTH}} not run: from 100 to 1,000 rules its time grew "
            f"x {growth:,.0f}\n{'':{NAME_WIDTH}} (the power of {math.log10(growth):.1f}); at that pace one "
            f"login would take {guess:,.0f} s or more")


def compare_logins():
    bench_host.use_name_services("files")
    bench_host.add_groups(host_groups=0)
    cases = [floor_case(), loaded_case(), skipped_case(), tmout_case(0, ONE)]
    cases += [tmout_case(count, user) for user in USERS for count in (10, 1_000, 10_000)]
    cases += [Names(user) for user in USERS]
    cases.append(Session("pam_succeed_if, one group", ONE,
                         "pam_succeed_if.so quiet user ingroup g0"))
    cases += [limits_case(count, "", "user") for count in (10, 1_000, 10_000)]
    by_group = [limits_case(count, "@", "group") for count in (10, 100, 1_000)]
    cases += by_group
    measure(cases)
    table = Sessions(cases)
    table.print("One session, with few users and groups, all in files")
    print(not_run(*by_group[1:]) + "\n")
    table.verdict()


def compare_name_services(title):
    """The names of a user's groups come from NSS, whatever that costs."""
    cases = [floor_case(), loaded_case(), tmout_case(0, TEN)]
    cases += [tmout_case(count, user) for user in USERS for count in (10, 10_000)]
    cases += [Names(user) for user in USERS]
    cases.append(limits_case(10, "@", "group"))
    measure(cases)
    Sessions(cases).print(title)


def compare_hosts():
    bench_host.add_groups(HOST_GROUPS)
    compare_name_services(f"The same with {HOST_GROUPS:,} groups in /etc/group")
    bench_host.add_groups(host_groups=0)
    bench_host.use_name_services(None)
    with open("/etc/nsswitch.conf", encoding="utf-8") as file:
        line = re.search(r"(?m)^group:\s*(.*)", file.read())
    compare_name_services("The same with few groups and this machine's own name services, "
                          f"group: {line.group(1) if line else '(none)'}")


def count_costs():
    bench_host.use_name_services("files")
    bench_host.add_groups(host_groups=0)
    cases = [floor_case(), loaded_case(), skipped_case(), tmout_case(0, ONE)]
    cases += [tmout_case(10, user) for user in USERS]
    cases.append(Session("pam_limits as shipped", ONE, "pam_limits.so"))
    Costs(cases).print("One session, in instructions and system calls", "any loaded module")


def compile_times():
    print("\ntmoutctl apply\n")
    for count in (0, 10, 1_000, 10_000):
        group_policy(count)
        times = []
        for number in range(5):
            begun = time.monotonic()
            subprocess.run([TMOUTCTL, "apply", "--quiet", "--config",
                            bench_host.policy_path(f"policy{count}"), "--state",
                            f"{HOME}/compile{count}.{number}"], check=True)
            times.append(time.monotonic() - begun)
        taken = statistics.median(times)
        size = os.path.getsize(f"{HOME}/compile{count}.0/policy.v1")
        aim = f"  (aim {COMPILE_AIM_SEC:.0f} s: {'met' if taken < COMPILE_AIM_SEC else 'NOT met'})"
        print(f"{count + 1:6,} sections {taken * 1000:8.1f} ms {size:10,} bytes"
              f"{aim if count == 10_000 else ''}")
