#!/usr/bin/python3
"""The SELinux module: that it compiles for Debian's policy, and what each domain may
do and may not, by the rules of the policy that comes out. Nothing is loaded.

With SELINUX_POLICY=DIR: that it compiles for Fedora's or RHEL's policy, whose sources are
there.
"""
import collections
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host import selinux_policy
from host.commands import must
from host.files import REPOSITORY, read
from host.isolation import Skip
from host.tap import tap

# Some that have the module in their PAM stacks, and the roles. The base has systemd, login,
# passwd and more.
MODULES = """cockpit cron dovecot ftp policykit remotelogin sasl screen ssh staff su sudo unconfined
    unprivuser vlock""".split()
SNAPSHOT, LEDGER, REGISTRY = "tmout_var_lib_t", "tmout_attempts_t", "tmout_var_run_t"
DAEMON, APPLY, PRUNE, METRICS = "tmoutd_t", "tmoutctl_t", "tmout_prune_t", "tmout_metrics_t"
UNLOCK = "tmout_unlock_t"
FLEET, FLEET_SOCKET, FLEET_CONF = "tmout_fleetd_t", "tmout_fleetd_var_run_t", "tmout_fleet_conf_t"
UNLOCK_KEY = "tmout_unlock_key_t"
STATE, OURS = {SNAPSHOT, LEDGER, REGISTRY}, {DAEMON, APPLY, PRUNE, UNLOCK, METRICS, FLEET}

CHANGES_FILE = {"append", "create", "link", "relabelfrom", "relabelto", "rename", "setattr",
                "unlink", "write"}
CHANGES_DIRECTORY = {"add_name", "create", "remove_name", "rename", "reparent", "rmdir", "setattr",
                     "write"}
COUNTS = {"create", "open", "read", "write", "append", "lock", "setattr", "rename", "link",
          "unlink", "getattr", "ioctl"}
# Domains of people and of what they run without being root. What runs there counts nothing.
PEOPLE = re.compile(r"^(auditadm|secadm|staff|sysadm|user|unconfined)"
                    r"(_(screen|crontab|consolehelper|userhelper))?_t$")
LOGINS = ("sshd_t", "local_login_t", "remote_login_t", "staff_su_t", "user_su_t", "sysadm_su_t",
          "staff_sudo_t", "user_sudo_t", "sysadm_sudo_t", "passwd_t", "crond_t", "init_t")


def is_switched(rule, boolean):
    """Does the rule depend on this boolean alone?"""
    try:
        return str(rule.conditional) == boolean
    except AttributeError:  # it depends on none
        return False


def is_named(rule):
    """Is it about files of one name?"""
    try:
        return bool(rule.filename)
    except AttributeError:
        return False


class Rules:
    """The allow rules of a policy, those that depend on a boolean included, but for one of
    ours."""

    def __init__(self, path):
        import setools  # pylint: disable=import-outside-toplevel # Debian's python3-setools

        policy = setools.SELinuxPolicy(path)
        members = {attribute.name: {one.name for one in attribute.expand()}
                   for attribute in policy.typeattributes()}
        self.allowed = collections.defaultdict(set)  # source, target, class: permissions
        self.direct = collections.defaultdict(set)   # by rules that name the target itself
        self.transitions = {}
        self.switched = []                           # what our boolean allows
        self.named = {}                              # of files: source, target, name
        for rule in policy.terules():
            source, target = rule.source.name, rule.target.name
            if rule.ruletype == setools.TERuletype.type_transition:
                for one in members.get(source, {source}):
                    if str(rule.tclass) == "process":
                        self.transitions[one, target] = rule.default.name
                    elif is_named(rule):
                        self.named[one, target, rule.filename] = rule.default.name
            elif rule.ruletype == setools.TERuletype.allow:
                if is_switched(rule, "tmout_fleetd_connect_any"):
                    self.switched.append((str(rule.tclass), target, {str(one) for one in rule.perms}))
                    continue
                self.add(rule, members.get(source, {source}), members.get(target, {target}),
                         target not in members)
        self.roles = {role.name: {one.name for one in role.types()} for role in policy.roles()}
        self.members = members

    def add(self, rule, sources, targets, is_direct):
        kind, permissions = str(rule.tclass), {str(one) for one in rule.perms}
        for source in sources:
            for target in targets if rule.target.name != "self" else [source]:
                self.allowed[source, target, kind] |= permissions
                if is_direct:
                    self.direct[source, target, kind] |= permissions

    def may(self, source, target, kind):
        return self.allowed.get((source, target, kind), set())

    def who_by_name(self, target, kind, permissions):
        """Who has one of these permissions for the type, by a rule that names it."""
        return {source for (source, at, of), found in self.direct.items()
                if at == target and of == kind and found & set(permissions)}

    def targets(self, source, kind, permissions):
        return {target for (who, target, of), found in self.allowed.items()
                if who == source and of == kind and found & set(permissions)}

    def written(self, source):
        """The types of files that it may change, but for descriptors that it inherits."""
        return {target for target in self.targets(source, "file", CHANGES_FILE) - {source}
                if self.may(source, target, "file") & {"open", "create", "unlink", "rename", "link"}}

    def checking_passwords(self):
        """The domains that start unix_chkpwd, which checks a password for pam_unix."""
        return {source for source, target in self.transitions if target == "chkpwd_exec_t"}


def test_snapshot(rules):
    """the policy in force is written by tmoutctl only"""
    for kind, changes, creators in (("file", CHANGES_FILE, set()),
                                    ("dir", CHANGES_DIRECTORY, {"systemd_tmpfiles_t"})):
        tap.equal(rules.who_by_name(SNAPSHOT, kind, changes), {APPLY, "sysadm_t"} | creators,
                  f"who is given a way to change it: {kind}")
        for login in [*LOGINS[:-1], DAEMON, PRUNE, "user_t", "staff_t", "policykit_auth_t"]:
            tap.equal(rules.may(login, SNAPSHOT, kind) & changes, set(),
                      f"{login} cannot change it: {kind}")
    unable = {one for one in rules.members["nsswitch_domain"] | rules.members["userdomain"]
              if not {"open", "read"} <= rules.may(one, SNAPSHOT, "file")}
    tap.equal(unable, set(), "whatever can look up users can read it")


def test_logins(rules):
    """every program that checks passwords can count them"""
    programs = {one for one in rules.checking_passwords() if not PEOPLE.match(one)}
    tap.ok(set(LOGINS) - {"init_t"} <= programs | {"init_t"}, "the programs are found",
           sorted(programs))
    for what, target, kind, needed in (
            ("count attempts", LEDGER, "file", COUNTS),
            ("find the ledgers", LEDGER, "dir", {"search", "add_name", "remove_name", "write"}),
            ("register logins", REGISTRY, "file", {"create", "rename", "write", "unlink"}),
            ("tell tmoutd", REGISTRY, "sock_file", {"write"}),
            ("tell tmoutd", DAEMON, "unix_dgram_socket", {"sendto"}),
            ("write to the log", "syslogd_t", "unix_dgram_socket", {"sendto"}),
            ("read /proc", "proc_t", "file", {"open", "read"}),
            ("find the login around them", "sshd_t", "file", {"open", "read"}),
            ("find the login around them", "staff_t", "file", {"open", "read"}),
            ("have the policy applied", APPLY, "process", {"transition", "sigkill"}),
            ("have it applied with NoNewPrivileges", APPLY, "process2", {"nnp_transition"})):
        unable = {one for one in programs if not needed <= rules.may(one, target, kind)}
        tap.equal(unable, set(), f"all can {what}: {kind}")
    tap.equal({rules.transitions.get((one, "tmoutctl_exec_t")) for one in programs}, {APPLY},
              "tmoutctl gets its domain")
    unable = {one for one in programs
              if "nlmsg_relay" not in rules.may(one, one, "netlink_audit_socket")}
    tap.equal(unable, set(), "all can send records to auditd")
    for role in "staff_r", "user_r", "sysadm_r", "system_r", "unconfined_r":
        tap.ok(APPLY in rules.roles[role], f"{role} may be in it")


def test_people(rules):
    """people change no state, and see only the policy"""
    for user in "user_t", "staff_t":
        for target in LEDGER, REGISTRY:
            tap.equal(rules.may(user, target, "file"), set(), f"{user}, {target}: nothing")
        tap.equal(rules.may(user, DAEMON, "unix_dgram_socket"), set(), f"{user} cannot talk to tmoutd")
        tap.ok({"open", "read"} <= rules.may(user, SNAPSHOT, "file"), f"{user} reads the policy")
        tap.ok("execute_no_trans" in rules.may(user, "tmoutctl_exec_t", "file"),
               f"{user} runs tmoutctl as themselves")
    for admin in "sysadm_t", "unconfined_t":
        tap.ok((admin, "tmoutctl_exec_t") not in rules.transitions, f"{admin}: tmoutctl stays there")
        for target in STATE:
            tap.ok({"open", "read"} <= rules.may(admin, target, "file"), f"{admin} reads {target}")


def capabilities_of(unit):
    """The capabilities that a unit's processes keep, by SELinux's names."""
    kept = re.search(r"(?m)^CapabilityBoundingSet=(.*)$", read(f"{REPOSITORY}/conf/{unit}")).group(1)
    return {one.lower().removeprefix("cap_") for one in kept.split()}


def test_daemon(rules):
    """tmoutd has what its unit has, and no more"""
    tap.equal(rules.transitions.get(("init_t", "tmoutd_exec_t")), DAEMON, "init starts it there")
    tap.ok("nnp_transition" in rules.may("init_t", DAEMON, "process2"), "with NoNewPrivileges")
    tap.equal(rules.may(DAEMON, DAEMON, "capability"), capabilities_of("tmoutd.service.in"),
              "its capabilities are those of its unit")
    tap.equal(rules.may(DAEMON, "shadow_t", "file"), set(), "it cannot read /etc/shadow")
    tap.equal(rules.may(DAEMON, LEDGER, "file"), set(), "it has nothing to do with ledgers")
    tap.equal(rules.targets(DAEMON, "file", {"execute_no_trans"}), set(), "it runs no program")
    tap.equal(rules.targets(DAEMON, "process", {"transition", "dyntransition"}), set(),
              "it enters no other domain")
    tap.equal(rules.written(DAEMON), {REGISTRY}, "it writes the registry and no other file")
    tap.equal(rules.targets(DAEMON, "process", {"ptrace"}),
              {"sshd_t", "local_login_t", "remote_login_t"}, "it takes descriptors of logins only")


def test_apply(rules):
    """tmoutctl apply reads the policy and writes the snapshot"""
    tap.equal(rules.transitions.get(("init_t", "tmoutctl_exec_t")), APPLY, "init starts it there")
    tap.equal(rules.may(APPLY, APPLY, "capability"), set(), "it has no capability")
    tap.equal(rules.may(APPLY, "shadow_t", "file"), set(), "it cannot read /etc/shadow")
    for target in LEDGER, REGISTRY:
        tap.equal(rules.may(APPLY, target, "file"), set(), f"it has no access to {target}")
    tap.equal(rules.written(APPLY), {SNAPSHOT}, "it writes no other file")
    tap.equal(rules.targets(APPLY, "tcp_socket", {"name_connect", "connect"}), set(),
              "it does not use the network")
    tap.equal(rules.targets(APPLY, "file", {"execute_no_trans"}), set(), "it runs no program")


def test_prune(rules):
    """tmoutctl prune deletes ledgers"""
    tap.ok({"transition"} <= rules.may("init_t", PRUNE, "process"), "init starts it there")
    tap.ok({"nnp_transition"} <= rules.may("init_t", PRUNE, "process2"), "with NoNewPrivileges")
    tap.ok({"unlink", "lock", "setattr"} <= rules.may(PRUNE, LEDGER, "file"), "it deletes them")
    tap.ok("create" not in rules.may(PRUNE, LEDGER, "file"), "it creates none")
    tap.equal(rules.may(PRUNE, REGISTRY, "file"), set(), "it has no access to the registry")
    tap.equal(rules.written(PRUNE), {LEDGER}, "it writes no other file")
    tap.equal(rules.may(PRUNE, "shadow_t", "file"), set(), "it cannot read /etc/shadow")
    tap.equal(rules.may(PRUNE, PRUNE, "capability"), set(), "it has no capability")
    unit = read(REPOSITORY + "/conf/tmout-prune.service.in")
    tap.matches(unit, rf"(?m)^SELinuxContext=-system_u:system_r:{PRUNE}:s0$", "the unit names it")


def test_unlock(rules):
    """tmoutctl unlock --from-fleet changes ledgers, as the daemon says, and nothing else"""
    tap.ok({"transition"} <= rules.may("init_t", UNLOCK, "process"), "init starts it there")
    tap.ok({"nnp_transition"} <= rules.may("init_t", UNLOCK, "process2"), "with NoNewPrivileges")
    tap.ok({"write", "lock"} <= rules.may(UNLOCK, LEDGER, "file"), "it changes them")
    tap.equal(rules.written(UNLOCK), {LEDGER}, "it writes no other file")
    tap.equal(rules.may(UNLOCK, REGISTRY, "file"), set(), "it has no access to the registry")
    tap.equal(rules.may(UNLOCK, "shadow_t", "file"), set(), "it cannot read /etc/shadow")
    tap.ok("connectto" in rules.may(UNLOCK, "tmout_fleetd_t", "unix_stream_socket"),
           "it asks tmout-fleetd")
    tap.equal(rules.who_by_name(UNLOCK_KEY, "file", {"open"}), {UNLOCK, "sysadm_t"},
              "who is given a way to read the key")
    for other in FLEET, METRICS, DAEMON, "sshd_t", "staff_sudo_t":
        tap.ok("open" not in rules.may(other, UNLOCK_KEY, "file"), f"{other} cannot read it")
    tap.equal(rules.may(UNLOCK, UNLOCK, "capability"),
              capabilities_of("fleet/tmout-fleetd-unlock.service.in"),
              "its capabilities are those of its unit")
    unit = read(REPOSITORY + "/conf/fleet/tmout-fleetd-unlock.service.in")
    tap.matches(unit, rf"(?m)^SELinuxContext=-system_u:system_r:{UNLOCK}:s0$", "the unit names it")


def test_metrics(rules):
    """tmoutctl status --openmetrics reads much, and writes its own files"""
    tap.ok({"transition"} <= rules.may("init_t", METRICS, "process"), "init starts it there")
    tap.ok("nnp_transition" in rules.may("init_t", METRICS, "process2"), "with NoNewPrivileges")
    unit = read(REPOSITORY + "/conf/tmout-metrics.service.in")
    tap.matches(unit, rf"(?m)^SELinuxContext=-system_u:system_r:{METRICS}:s0$", "the unit names it")
    tap.equal(rules.may(METRICS, METRICS, "capability"), capabilities_of("tmout-metrics.service.in"),
              "its capabilities are those of its unit")
    tap.equal(rules.written(METRICS),
              {"tmout_metrics_file_t", "tmout_metrics_tmp_t", "security_t"},
              "it writes no other file, but for questions about the policy")
    for target in STATE:
        tap.ok({"open", "read"} <= rules.may(METRICS, target, "file"), f"it reads {target}")
    tap.equal(rules.who_by_name("tmout_metrics_file_t", "file", CHANGES_FILE), {METRICS},
              "nobody else is given a way to change the metrics")
    tap.equal(rules.may(METRICS, "shadow_t", "file"), set(), "it cannot read /etc/shadow")
    for program in "sshd_exec_t", "shell_exec_t":
        tap.ok("execute_no_trans" in rules.may(METRICS, program, "file"), f"it runs {program}")
    tap.equal(rules.targets(METRICS, "process", {"transition", "dyntransition"}), set(),
              "it enters no other domain")
    tap.equal(rules.targets(METRICS, "process", {"ptrace", "signal", "sigkill"}), {METRICS},
              "it ends and traces its own processes only")
    tap.equal(rules.targets(METRICS, "tcp_socket", {"name_bind", "listen"}) - {METRICS}, set(),
              "it offers no service")
    tap.ok({"compute_av", "compute_create", "check_context"} <=
           rules.may(METRICS, "security_t", "security") and
           not {"load_policy", "setenforce", "setbool"} & rules.may(METRICS, "security_t", "security"),
           "it asks the policy, and does not change it")


def test_fleet(rules):
    """tmout-fleetd talks to the store and to whoever asks it, and does nothing else"""
    tap.equal(rules.transitions.get(("init_t", "tmout_fleetd_exec_t")), FLEET, "init starts it there")
    tap.ok("nnp_transition" in rules.may("init_t", FLEET, "process2"), "with NoNewPrivileges")
    tap.ok({"create", "bind", "listen", "setopt"} <= rules.may("init_t", FLEET, "unix_stream_socket") and
           {"create", "unlink"} <= rules.may("init_t", FLEET_SOCKET, "sock_file"), "init makes its socket")
    tap.equal(rules.may(FLEET, FLEET, "capability"), set(), "it has no capability")
    tap.equal(rules.written(FLEET), set(), "it writes no file")
    for what, target in (("the policy in force", SNAPSHOT), ("init's copies of its files", "ramfs_t"),
                         ("those of a newer systemd", "tmpfs_t"), ("OpenSSL's configuration", "cert_t")):
        tap.ok({"open", "read"} <= rules.may(FLEET, target, "file"), f"it reads {what}")
    for target in "shadow_t", LEDGER, REGISTRY, FLEET_CONF:
        tap.equal(rules.may(FLEET, target, "file"), set(), f"it has no access to {target}")
    tap.equal(rules.targets(FLEET, "file", {"execute_no_trans"}), set(), "it runs no program")
    tap.equal(rules.targets(FLEET, "process", {"transition", "dyntransition"}), set(),
              "it enters no other domain")
    tap.equal(rules.targets(FLEET, "process", {"ptrace", "signal", "sigkill"}) - {FLEET}, set(),
              "it signals nobody else")
    tap.equal(rules.targets(FLEET, "tcp_socket", {"name_connect"}), {"redis_port_t"},
              "it connects to the store's port")
    tap.equal(rules.targets(FLEET, "tcp_socket", {"name_bind"}) | rules.targets(FLEET, "udp_socket", {"name_bind"}),
              set(), "it binds none")
    tap.ok({("tcp_socket", "port_type"), ("unix_stream_socket", "domain")} <=
           {(kind, target) for kind, target, _ in rules.switched}, "with the boolean, to any",
           rules.switched)
    tap.equal({kind for kind, _, _ in rules.switched} - {"tcp_socket", "unix_stream_socket", "sock_file", "dir"},
              set(), "and the boolean allows nothing else")
    programs = {one for one in rules.checking_passwords() if not PEOPLE.match(one)}
    unable = {one for one in programs | {METRICS, "sysadm_t", "unconfined_t"}
              if "connectto" not in rules.may(one, FLEET, "unix_stream_socket")
              or "write" not in rules.may(one, FLEET_SOCKET, "sock_file")
              or "search" not in rules.may(one, REGISTRY, "dir")
              or not {"create", "connect"} <= rules.may(one, one, "unix_stream_socket")}
    tap.equal(unable, set(), "whatever checks passwords, and administrators, can ask it")
    for user in "user_t", "staff_t", DAEMON, APPLY, PRUNE:
        tap.ok("connectto" not in rules.may(user, FLEET, "unix_stream_socket"), f"{user} cannot")
    tap.equal(rules.who_by_name(FLEET_CONF, "file", {"open"}), {"init_t", METRICS, "sysadm_t"},
              "who is given a way to read its password")
    for login in {*LOGINS, "user_t", "staff_t", DAEMON, APPLY} - {"init_t", "crond_t"}:
        tap.ok("open" not in rules.may(login, FLEET_CONF, "file"), f"{login} cannot read it")
    for admin in "unconfined_t", "sysadm_t":
        for name, label in (("tmout-fleet.conf", FLEET_CONF), ("tmout-fleet", FLEET_CONF),
                            ("tmout-fleet-unlock.key", UNLOCK_KEY)):
            tap.equal(rules.named.get((admin, "etc_t", name)), label, f"{name} of {admin} gets its label")


def test_all(rules):
    """what holds for all of the module's rules"""
    for target in STATE:
        tap.equal(rules.who_by_name(target, "file", {"map", "execute", "entrypoint"}), set(),
                  f"nobody maps or executes {target}")
    for domain in OURS:
        tap.equal(rules.may(domain, domain, "process") & {"execmem", "execstack", "execheap",
                                                          "setexec", "setcurrent"}, set(),
                  f"{domain} makes no memory executable, and keeps its label")
        tap.ok(domain not in rules.members.get("can_read_shadow_passwords", set())
               and domain not in rules.members.get("unconfined_domain_type", set()),
               f"{domain} is confined")


def test_boot(rules):
    """systemd-tmpfiles creates the directories, with their labels"""
    for target in STATE:
        tap.ok({"create", "relabelfrom", "relabelto"} <=
               rules.may("systemd_tmpfiles_t", target, "dir"), target)
    for target in SNAPSHOT, REGISTRY:
        tap.ok("init_t" in rules.who_by_name(target, "dir", {"mounton"}), f"init mounts {target} for the units")


def test_watching(rules):
    """tmoutd is told of programs that are executed, and asks for sessions of processes"""
    for target in "sshd_exec_t", "login_exec_t", "bin_t":
        tap.ok({"read", "watch"} <= rules.may(DAEMON, target, "file"), target)
    for target in "devpts_t", SNAPSHOT, REGISTRY, "systemd_sessions_runtime_t":
        tap.ok({"read", "watch"} <= rules.may(DAEMON, target, "dir"), target)
    for target in "sshd_t", "user_t", "init_t":
        tap.ok({"getsession", "signal", "sigkill"} <= rules.may(DAEMON, target, "process"), target)


def test_labels(module):
    """the files that the kit installs and creates"""
    contexts = module.replace(".pp", ".contexts")
    must("semodule_unpackage", module, module.replace(".pp", ".mod"), contexts)
    for path, kind in {
            "/usr/sbin/tmoutd": "tmoutd_exec_t", "/usr/bin/tmoutctl": "tmoutctl_exec_t",
            # Where /run stands for /var/run (RHEL 9), or /usr/sbin for /usr/bin (Fedora).
            "/usr/bin/tmoutd": "tmoutd_exec_t",
            "/var/run/tmout": REGISTRY, "/var/run/tmout/sessions/4711": REGISTRY,
            "/var/lib/tmout": SNAPSHOT, "/var/lib/tmout/policy.v1": SNAPSHOT,
            "/var/lib/tmout/rejected.v1": SNAPSHOT, "/var/lib/tmout/apply.lock": SNAPSHOT,
            "/var/lib/tmout/attempts": LEDGER, "/var/lib/tmout/attempts/1000": LEDGER,
            "/run/tmout": REGISTRY, "/run/tmout/sessions": REGISTRY,
            "/run/tmout/sessions/4711": REGISTRY, "/run/tmout/sessions.spare/0": REGISTRY,
            "/run/tmout/sessions.socket": REGISTRY,
            "/usr/sbin/tmout-fleetd": "tmout_fleetd_exec_t", "/usr/bin/tmout-fleetd": "tmout_fleetd_exec_t",
            "/etc/security/tmout-fleet.conf": FLEET_CONF, "/etc/security/tmout-fleet": FLEET_CONF,
            "/etc/security/tmout-fleet/password": FLEET_CONF,
            "/etc/security/tmout-fleet-unlock.key": UNLOCK_KEY,
            "/var/lib/prometheus/node-exporter/tmout.prom": "tmout_metrics_file_t"}.items():
        tap.matches(must("matchpathcon", "-n", "-f", contexts, path), rf":{kind}:s0\s*$", path)


def test_comments():
    """m4 takes an apostrophe in an interface for its end, and drops the rest"""
    for line in read(selinux_policy.MODULE + "/tmout.if").splitlines():
        if line.startswith("\t#"):
            tap.ok("'" not in line, f"no apostrophe: {line.strip()}")


def test_rules(module, directory):
    modules = selinux_policy.download(REPOSITORY + "/build/selinux")
    rules = Rules(selinux_policy.link(modules, MODULES, [module], directory))
    for test in (test_snapshot, test_logins, test_people, test_daemon, test_apply,
                 test_prune, test_unlock, test_metrics, test_boot, test_watching, test_fleet, test_all):
        tap.note(test.__doc__)
        test(rules)


def main():
    try:
        test_comments()
        with tempfile.TemporaryDirectory() as directory:
            policy = selinux_policy.wanted(f"{directory}/policy")
            module, complaints = policy.compile_module(f"{directory}/module")
            tap.equal(complaints, "", f"the module compiles without a warning: {policy.name}")
            test_labels(module)
            if policy.name == "default":
                test_rules(module, directory)
    except Skip as why:
        tap.skip("the SELinux module", why)
    tap.end()


main()
