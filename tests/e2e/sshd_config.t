#!/usr/bin/python3
"""`tmoutctl sshd-config`: sshd gives every user what `tmoutctl show` prints.

Random policies, users and groups, compared with what the installed sshd prints
for `sshd -t` and `sshd -T -C`. TMOUT_TEST_SEED repeats a run, TMOUT_TEST_CASES
sets its length.
"""
import json
import os
import random
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh
from host.commands import must, run
from host.files import append, read, remove, write
from host.product import DROP_INS, POLICY, apply, policy, show
from host.setup import setup
from host.sshd import HOST_KEY, sshd
from host.tap import tap

SSHD = "/usr/sbin/sshd"
MAIN = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/00-tmout.conf"
SEED = int(os.environ.get("TMOUT_TEST_SEED") or random.randrange(10 ** 9))
CASES = int(os.environ.get("TMOUT_TEST_CASES") or (2000 if "TMOUT_SOAK" in os.environ else 400))
USERS_A_POLICY = 5

PER_USER = {"client_alive_interval": "clientaliveinterval",
            "client_alive_count_max": "clientalivecountmax",
            "max_auth_tries": "maxauthtries",
            "max_sessions": "maxsessions",
            "unused_connection_timeout": "unusedconnectiontimeout"}
FOR_ALL = {"login_grace_time": "logingracetime", "max_startups": "maxstartups",
           "channel_timeout": "channeltimeout"}

# What NSS may return and sshd's patterns would misread if it were not quoted.
ODD = ["Domain Users", "trailing ", "a=b", "it's", "WORK\\kim", "müller", "x#y", "a!b",
       "all", "user", "none", "a{b}", "$HOME", "%u", "(x)", "[a]", "~", "a\\b c", "Kim", "kim",
       "n" * 200]
# Those that no sshd pattern can match exactly.
IMPOSSIBLE = ["a*b", "*", "a?b", "!kim", "!", "a,b", ",", 'a"b', "#kim", "a\\\\b", "a\\", "a\\'b"]

random.seed(SEED)


def quoted(name):
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


# --- people ------------------------------------------------------------------

class People:
    """Hundreds of users in dozens of groups, appended to the files of NSS."""

    def __init__(self):
        self.groups = ODD + [f"group{number}" for number in range(40)]
        self.users = ODD + [f"user{number}" for number in range(200)]
        members = {name: [] for name in self.groups}
        passwd = []
        for number, name in enumerate(self.users):
            own = random.sample(self.groups, random.choice([0, 1, 1, 2, 3, 8]))
            first = own.pop() if own and random.random() < 0.5 else None
            gid = 20000 + self.groups.index(first) if first else 19999
            passwd.append(f"{name}:x:{30000 + number}:{gid}::/:/bin/sh\n")
            for group in own:
                members[group].append(name)
        append("/etc/passwd", "".join(passwd))
        append("/etc/group", "nogroupofmine:x:19999:\n" + "".join(
            f"{name}:x:{20000 + number}:{','.join(members[name])}\n"
            for number, name in enumerate(self.groups)))


def duration():
    return random.choice(["1", "15", "60", "5m", "300", "1h", "1h30m", "2w", "2147483647"])


def value(setting):
    if setting in ("client_alive_interval", "unused_connection_timeout", "login_grace_time"):
        return random.choice(["0", "none", duration(), duration(), duration()])
    if setting == "client_alive_count_max":
        return random.choice(["0", "none", "1", "2", "3", "2147483647"])
    if setting == "max_auth_tries":
        return random.choice(["1", "2", "3", "6", "2147483647"])
    if setting == "max_sessions":
        return random.choice(["0", "1", "2", "10", "2147483647"])
    if setting == "max_startups":
        return random.choice(["1", "10", "10:30:60", "1:1:1", "20:100:20", "5:99:268435455"])
    return quoted(random.choice(["none", "session:shell=10m", "session:*=0",
                                 "session:shell=10m agent-connection=1h",
                                 "session:subsystem:sftp=5m *=1d"]))


def section(title, names):
    chosen = random.sample(names, random.randint(0, min(3, len(names))))
    return f"{title} {{\n" + "".join(f"    {name} = {value(name)}\n" for name in chosen) + "}\n"


def random_policy(people):
    """Few values for many groups, so that they overlap and tie."""
    sections = [section("default", list(PER_USER) + list(FOR_ALL))]
    for kind, names, largest in ("group", people.groups, 25), ("user", people.users, 6):
        chosen = random.sample(names, random.randint(0, largest))
        sections += [section(f"{kind} {quoted(name)}", list(PER_USER)) for name in chosen]
    random.shuffle(sections)
    return "".join(sections)


# --- sshd --------------------------------------------------------------------

def printed_by_sshd(*options):
    lines = must(SSHD, "-T", *options).splitlines()
    return {line.split(" ", 1)[0]: line.split(" ", 1)[-1] for line in lines}


def sshd_for(name):
    return printed_by_sshd("-C", f"user={name},host=h,addr=192.0.2.7")


def number_of(setting, shown):
    """What sshd must print for what `show` prints."""
    entry = shown["settings"][setting]
    if setting in ("max_startups", "channel_timeout"):
        return entry["value"]
    seconds = entry.get("seconds", entry.get("number"))
    return "none" if setting == "unused_connection_timeout" and seconds == 0 else str(seconds)


def expected_lines(shown, standard):
    """All of sshd's lines for the policy's settings: the policy's value, or sshd's default."""
    return {keyword: number_of(setting, shown)
            if shown["settings"][setting]["value"] != "unset" else standard.get(keyword, "none")
            for setting, keyword in {**PER_USER, **FOR_ALL}.items()}


def configure(main="Include /etc/ssh/sshd_config.d/*.conf\n", drop_in=None, **others):
    """This main file, the policy's drop-in, and others by name."""
    shutil.rmtree("/etc/ssh/sshd_config.d", ignore_errors=True)
    write(MAIN, f"HostKey {HOST_KEY}\n{main}")
    for name, text in others.items():
        write(f"/etc/ssh/sshd_config.d/{name}.conf", text)
    if drop_in is not None:
        write(DROP_IN, drop_in)


def drop_in(*options):
    return must("tmoutctl", "sshd-config", *options)


def check(*options):
    result = run("tmoutctl", "sshd-config", "--check", *options)
    return result.returncode, result.stdout + result.stderr


# --- scenarios ---------------------------------------------------------------

def random_cases(people):
    """for random policies, sshd and show agree on every user"""
    configure()
    standard = printed_by_sshd()
    wrong, cases, policies, checked, values = [], 0, 0, 0, set()
    while cases < CASES and not wrong:
        text = random_policy(people)
        policy(text)
        configure(drop_in=drop_in())
        policies += 1
        test = run(SSHD, "-t")
        if test.returncode != 0 or test.stderr:
            wrong.append(f"sshd -t: {test.stderr}{read(DROP_IN)}")
        for name in random.sample(people.users, USERS_A_POLICY):
            cases += 1
            expected, got = expected_lines(show(name), standard), sshd_for(name)
            got = {keyword: got.get(keyword, "none") for keyword in expected}
            values |= set(got.items()) - set(standard.items())
            if got != expected:
                wrong.append(f"{name}: sshd {got}\nshow {expected}\n{text}{read(DROP_IN)}")
        if policies % 20 == 0:
            checked += 1
            status, output = check()
            if status != 0:
                wrong.append(f"--check: {status} {output}{text}")
    tap.ok(not wrong, f"{cases} cases of {policies} policies agree, seed {SEED}", *wrong[:2])
    tap.ok(not wrong, f"--check agrees {checked} times")
    tap.ok(len(values) >= min(30, CASES // 20), f"{len(values)} different values were in force")


def odd_names(people):
    """every odd name, of a user or a group, is matched, and matches nobody else"""
    for kind in "user", "group":
        policy("".join(f"{kind} {quoted(name)} {{ max_sessions = {number + 100} }}\n"
                       for number, name in enumerate(ODD)))
        configure(drop_in=drop_in())
        got = {name: sshd_for(name)["maxsessions"] for name in people.users}
        expected = {name: number_of("max_sessions", show(name)) for name in people.users}
        expected = {name: "10" if text == "None" else text for name, text in expected.items()}
        tap.equal(got, expected, f"as a {kind}")
        tap.ok(len(set(got.values())) > len(ODD) / 2, f"as a {kind}: many of them are matched")


def impossible_names():
    """a name that sshd would read differently is rejected, with file and line"""
    for kind in "user", "group":
        for name in IMPOSSIBLE:
            policy(f"default {{ max_sessions = 3 }}\n{kind} {quoted(name)} {{\n max_sessions = 2 }}\n")
            result = run("tmoutctl", "sshd-config")
            tap.ok(result.returncode == 1 and result.stdout == "" and
                   f"{POLICY}:3: {kind} \"{name}\" cannot be written in sshd_config" in result.stderr,
                   f"{kind} {name}", result)
    policy("user 'a*b' { tmout = 5m }\ndefault { max_sessions = 3 }\n")
    tap.ok("MaxSessions 3" in drop_in(), "a rule without settings for sshd may have any name")


def deterministic():
    """the same policy gives the same file, with the origin of each value"""
    write(f"{DROP_INS}/50-x.conf", 'group "b" { max_sessions = 4 }\n')
    policy('default { max_sessions = 9\n login_grace_time = 1m }\ngroup "c" { max_sessions = 4 }\n'
           'group "a" { max_sessions = 2 }\nuser "u" { max_sessions = 8 }\n')
    text = drop_in()
    remove(f"{DROP_INS}/50-x.conf")
    tap.equal(text.split("\n\n", 1)[1],
              f"# default: {POLICY}:2\nLoginGraceTime 60\n\n# default: {POLICY}:1\nMaxSessions 9\n\n"
              f"# user \"u\": {POLICY}:5\nMatch User \"u\"\n    MaxSessions 8\n\n"
              f"# group \"a\": {POLICY}:4\nMatch Group \"a\"\n    MaxSessions 2\n\n"
              f"# group \"b\": {DROP_INS}/50-x.conf:1\n# group \"c\": {POLICY}:3\n"
              "Match Group \"b,c\"\n    MaxSessions 4\n", "strictest first, equal ones together")


def the_sites_own():
    """the site's own settings stay: later blocks override defaults, later lines apply"""
    user("hermit")  # in no group that has a rule
    policy('default { max_sessions = 5\n max_auth_tries = 3 }\ngroup "group1" { max_auth_tries = 2 }\n')
    configure("Include /etc/ssh/sshd_config.d/*.conf\nMaxSessions 7\nPermitRootLogin no\n"
              'Match User "hermit"\n    MaxSessions 77\n', drop_in=drop_in(),
              **{"50-site": "ClientAliveInterval 44\n"})
    everybody = printed_by_sshd()
    tap.equal((everybody["maxsessions"], everybody["maxauthtries"]), ("5", "3"), "the defaults apply")
    tap.equal((everybody["permitrootlogin"], everybody["clientaliveinterval"]), ("no", "44"),
              "lines after the drop-in are not part of its last block")
    tap.equal(sshd_for("hermit")["maxsessions"], "77", "the site's own block overrides a default")
    tap.equal(check()[0], 0, "--check ignores users without a rule")


def off_beats_nothing():
    """a group's none does not override a stricter group's value, but the default"""
    user("twice", groups=("strict1", "loose1"))
    user("loose", groups=("loose1",))
    policy('default { unused_connection_timeout = 1m\n client_alive_interval = 300 }\n'
           'group "strict1" { unused_connection_timeout = 5s }\n'
           'group "loose1" { unused_connection_timeout = none\n client_alive_interval = 0 }\n')
    configure(drop_in=drop_in())
    tap.equal(sshd_for("twice")["unusedconnectiontimeout"], "5", "the strict one wins")
    tap.equal(sshd_for("loose")["unusedconnectiontimeout"], "none", "none alone is none")
    tap.equal(sshd_for("loose")["clientaliveinterval"], "0", "0 overrides the default")


def checking():
    """--check finds what keeps the policy from taking effect, and only that"""
    user("anna", groups=("staff1",))
    policy('default { max_startups = 10:30:60\n max_sessions = 5 }\n'
           'group "staff1" { max_auth_tries = 2 }\nuser "nobody here" { max_sessions = 1 }\n')
    include = "Include /etc/ssh/sshd_config.d/*.conf\n"
    configure(drop_in=drop_in())
    tap.equal(check()[0], 0, "they match")
    tap.equal(check("--quiet"), (0, ""), "and --quiet prints nothing")
    tap.equal(json.loads(check("--json")[1]),
              {"version": 1, "agrees": True, "users": 1, "differences": [], "looser": []}, "JSON")
    configure()
    status, output = check()
    tap.ok(status == 1 and "global settings: MaxSessions is 10, the policy has 5 "
           f"(default, {POLICY}:2)" in output and "user anna: MaxAuthTries is 6, the policy has 2 "
           f"(group \"staff1\", {POLICY}:3)" in output, "no drop-in", output)
    configure("MaxSessions 9\n" + include, drop_in=drop_in())
    status, output = check()
    tap.ok(status == 1 and "global settings: MaxSessions is 9, the policy has 5" in output,
           "a line before the Include", output)
    found = json.loads(run("tmoutctl", "sshd-config", "--check", "--json").stdout)
    tap.equal([(d["user"], d["keyword"], d["sshd"], d["policy"]) for d in found["differences"]],
              [(None, "MaxSessions", "9", "5"), ("anna", "MaxSessions", "9", "5")], "JSON")
    configure('Match User anna\n    MaxAuthTries 4\nMatch all\n' + include, drop_in=drop_in())
    status, output = check()
    tap.ok(status == 1 and "user anna: MaxAuthTries is 4" in output, "a block before the Include", output)
    configure("Nonsense yes\n" + include)
    status, output = check()
    tap.ok(status == 2 and "sshd -T: " in output and "configuration option" in output,
           "an error in sshd's own files", output)
    configure(drop_in=drop_in())
    policy("default { max_sessions = 5 }\n")
    tap.equal(check()[0], 0, "settings that the policy no longer has are no difference")


def a_looser_block():
    """--check names a Match block of the site that is looser than the default"""
    policy("default { max_auth_tries = 4 }\n")
    site = "/etc/ssh/sshd_config.d/50-site.conf"
    configure(drop_in=drop_in(), **{"50-site": "Match User user7\n    MaxAuthTries 6\n"
                                               "Match User user8\n    MaxAuthTries 3\n"})
    status, output = check()
    tap.ok(status == 0 and f"{site}:2: MaxAuthTries 6 in a Match block" in output and
           "MaxAuthTries 3" not in output, "and succeeds", output)
    tap.equal(json.loads(check("--json")[1])["looser"],
              [{"file": site, "line": 2, "keyword": "MaxAuthTries", "sshd": "6", "policy": "4"}],
              "JSON")
    tap.equal(check("--quiet"), (0, ""), "and --quiet prints nothing")


def versions():
    """an older sshd gets what it supports"""
    policy('default { channel_timeout = "session:shell=10m"\n max_sessions = 5 }\n'
           'group "ops" { unused_connection_timeout = 1h }\n')
    result = run("tmoutctl", "sshd-config", "--openssh", "8.9")
    tap.ok(result.returncode == 0 and "MaxSessions 5" in result.stdout and
           not re.search("^ *(ChannelTimeout|UnusedConnectionTimeout)", result.stdout, re.M) and
           "# ChannelTimeout is left out" in result.stdout and
           "# UnusedConnectionTimeout is left out" in result.stdout and
           "unused_connection_timeout has no effect" in result.stderr, "8.9", result)
    for version in "9.2", "10.0p2", "9.10":
        result = run("tmoutctl", "sshd-config", f"--openssh={version}")
        tap.ok("ChannelTimeout session:shell=10m" in result.stdout and result.stderr == "", version,
               result)
    for version in "9", "9.", "nine", "9.2p", "9.2x", "-1.2", "":
        result = run("tmoutctl", "sshd-config", "--openssh", version)
        tap.ok(result.returncode == 2 and result.stdout == "", f"not a version: {version!r}", result)
    for options in ["--check", "--openssh", "9.2"], ["x"], ["--openssh"]:
        result = run("tmoutctl", "sshd-config", *options)
        tap.ok(result.returncode == 2 and result.stdout == "", " ".join(options), result)


def without_sshd():
    """no sshd, or one that cannot be queried"""
    policy("default { max_sessions = 5 }\n")
    os.rename(SSHD, SSHD + ".away")
    try:
        result = run("tmoutctl", "sshd-config")
        tap.ok(result.returncode == 2 and result.stdout == "" and "--openssh" in result.stderr,
               "none at all", result)
        tap.ok("MaxSessions 5" in drop_in("--openssh", "9.2"), "with --openssh it is not needed")
        write(SSHD, "#!/bin/sh\necho 'OpenSSH_8.9p1 Debian' >&2; env > /tmp/environment; exit 1\n",
              0o755)
        tap.ok("MaxSessions 5" in drop_in(), "one that only prints its version")
        tap.ok("TMOUT_TEST_MARK" not in read("/tmp/environment"), "its environment is empty")
        write(SSHD, "#!/bin/sh\nexec yes\n", 0o755)
        result = run("tmoutctl", "sshd-config")
        tap.ok(result.returncode == 2 and result.stdout == "", "one that never ends", result)
    finally:
        os.rename(SSHD + ".away", SSHD)


def a_rejected_policy():
    """as with show: after an error the last valid policy stays in force"""
    policy("default { max_sessions = 5 }\n")
    apply()
    policy("default { max_sessions = many }\n")
    tap.ok("MaxSessions 5" in drop_in(), "the last valid one")
    policy("default { max_sessions = 6 }\n")
    tap.ok("MaxSessions 6" in drop_in(), "a valid edit that is not applied yet")
    policy("default { tmout = 5m }\n")
    tap.ok("no settings for sshd" in drop_in(), "no settings for sshd in it")


def in_force():
    """a running sshd applies a group's block to its members only"""
    user("guest", groups=("visitors",))
    user("host")
    policy('group "visitors" { max_sessions = 0 }\n')
    text = drop_in()
    sshd.start(text)
    tap.equal(ssh("host", "echo in").stdout.strip(), "in", "host has a shell")
    rejected = ssh("guest", "echo in")
    tap.ok(rejected.returncode != 0 and "in" not in rejected.stdout.split(), "guest has none", rejected)


setup("default { }\n")
os.environ["TMOUT_TEST_MARK"] = "1"
print(f"# seed {SEED}", flush=True)
everybody = People()


def with_people(scenario):
    def play():
        scenario(everybody)
    play.__doc__ = scenario.__doc__
    play.__name__ = scenario.__name__
    return play


tap.run(with_people(random_cases), with_people(odd_names), impossible_names, deterministic,
        the_sites_own, off_beats_nothing, checking, a_looser_block, versions, without_sshd,
        a_rejected_policy, in_force)
