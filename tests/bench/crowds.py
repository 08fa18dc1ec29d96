"""Many attempts at one user's password at once.

    right ones   how long until the last is accepted, with and without the
                 module. There is a lower bound: at most max_attempts passwords
                 that are not known to be right may be checked at once.
    wrong ones   how many over the limit reach the check, for pam_tmout and
                 pam_faillock. Each number is the worst of several attacks on
                 a user without failures. If the check takes no time, an
                 attempt is over before most others get a processor, so
                 little can go wrong.
"""

import statistics
import subprocess

import bench_host
import stacks

RIGHT_CROWDS = 100, 400
RIGHT_CHECK_MS = 20
WRONG_CROWDS = 20, 100, 400
WRONG_CHECKS_MS = 0, 20, 100
TIMES = 3
LIMIT = stacks.MAX_ATTEMPTS


class Crowd:
    """This many logins at once, and their results."""

    def __init__(self, name, stack, password, count, check_ms):
        check = stacks.Check(name, check_ms)
        service = bench_host.service(name, stack(check))
        stacks.reset()
        fields = subprocess.run(
            [f"{bench_host.PROGRAMS}/crowd", bench_host.SERVICES, service, bench_host.ONE,
             password, str(count)], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        self.admitted, self.rejected, self.wall_ms = int(fields[0]), int(fields[1]), float(fields[2])
        self.right, self.wrong = check.reached()


def tmout_stack():
    policy = bench_host.policy("crowd", f"default {{\n    max_attempts = {LIMIT}\n}}\n")
    return lambda check: stacks.tmout(check, policy)


def met(is_met):
    return "met" if is_met else "NOT met"


def stacks_to_attack():
    return {"pam_tmout": tmout_stack(), "pam_faillock": stacks.faillock}


def right_ones():
    print(f"\nRight passwords at once, each checked for {RIGHT_CHECK_MS} ms\n\n{'logins':>8} "
          f"{'without':>10} {'with pam_tmout':>15} {'bound':>10} {'rejected':>9}")
    cases = {"without": stacks.bare, "pam_tmout": tmout_stack()}
    for count in RIGHT_CROWDS:
        taken, rejected = {name: [] for name in cases}, 0
        for _ in range(TIMES):
            for name, stack in cases.items():
                crowd = Crowd(f"right {name}", stack, "right", count, RIGHT_CHECK_MS)
                taken[name].append(crowd.wall_ms)
                rejected += crowd.rejected
        least = -(-count // LIMIT) * RIGHT_CHECK_MS
        without, with_module = (statistics.median(taken[name]) for name in cases)
        print(f"{count:8} {without:7,.0f} ms {with_module:12,.0f} ms {least:7,.0f} ms "
              f"{rejected:9}  (aim 0: {met(rejected == 0)})")


def attack(name, stack, count, check_ms):
    """The number of guesses over the limit in the worst of several attacks. None
    may be accepted; fewer than the limit would mean that users are locked out."""
    crowds = [Crowd(f"wrong {name}", stack, "wrong", count, check_ms) for _ in range(TIMES)]
    wrong = [crowd.wrong for crowd in crowds]
    if any(crowd.admitted for crowd in crowds) or min(wrong) < LIMIT:
        raise SystemExit(f"bench: {name}: {wrong} of {count} wrong passwords reached the check, "
                         f"{sum(crowd.admitted for crowd in crowds)} were accepted")
    return max(wrong) - LIMIT


def wrong_ones():
    cases = stacks_to_attack()
    print(f"\nWrong passwords over a limit of {LIMIT} that reached the check\n\n{'check':>8} "
          f"{'at once':>8} " + " ".join(f"{name:>13}" for name in cases))
    worst = 0
    for check_ms in WRONG_CHECKS_MS:
        for count in WRONG_CROWDS:
            over = [attack(name, stack, count, check_ms) for name, stack in cases.items()]
            print(f"{check_ms:5} ms {count:8} " + " ".join(f"{number:13}" for number in over))
            worst = max(worst, over[0])
    print(f"pam_tmout: at worst {worst} over the limit (aim 0: {met(worst == 0)})")


def compare():
    right_ones()
    wrong_ones()
