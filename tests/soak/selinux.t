#!/usr/bin/python3
"""Logins with SELinux enforcing: in a virtual machine that boots Debian with Debian's own
policy, once without the kit, as a control, and once with it and its policy module. What
happens there is in selinux.sh. With SELINUX_POLICY=DIR the policy is built from Fedora's or
RHEL's sources there.

    selinux.t [CONTROL OUTPUT]    judges what earlier runs have printed
"""
import collections
import concurrent.futures
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host import selinux_policy, virtual_machine
from host.certificates import Authority
from host.commands import must
from host.debian_root import make_root, own_suite
from host.files import REPOSITORY, read, write
from host.product import install_files
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC

PACKAGES = """auditd bsdutils busybox-static dbus e2fsprogs iproute2 kmod libconfuse2 libhiredis0.14
    libjansson4 libpam-systemd linux-image-cloud-amd64 login openssh-client openssh-server openssl
    passwd policycoreutils procps redis-server selinux-policy-default selinux-utils sshpass stunnel4 sudo systemd
    systemd-sysv udev util-linux""".split()
DIRECTORY = REPOSITORY + "/build/soak/selinux"
DISK_MB = 2500
PROGRAMS = (*virtual_machine.PROGRAMS, "setfiles", "mke2fs", "semodule", "checkmodule", "openssl")
POSTINST = REPOSITORY + "/packaging/debian/libpam-tmout.postinst"
# erin and gina are staff_u, frank is user_u; the others are unconfined, as is Debian's default.
USERS = "alice bob carol dave erin frank gina".split()
SUDOERS = """alice ALL=(ALL) ALL
erin, gina ALL=(ALL) ROLE=sysadm_r TYPE=sysadm_t ALL
"""
SSHD = """PermitRootLogin yes
PasswordAuthentication yes
MaxAuthTries 20
MaxStartups 100
LoginGraceTime 0
"""
POLICY = """default { tmout = 15m  max_attempts = 3 }
user "alice" { tmout = 5m  enforce = true }
user "bob" { disconnect = 20s  warn = none }
user "dave" { sessions = all }
user "gina" { max_attempts = 9  fleet_attempts = 3 }
"""
# What somebody types at the console: a wrong password, then the right one.
CONSOLE = (
    ("console: begin", ""), ("login: ", "dave\n"), ("Password: ", "wrong\n"),
    ("login: ", "dave\n"), ("Password: ", "right-dave\n"),
    ("$ ", "(id -Z; echo limit=${PAM_TMOUT:-$TMOUT}; tty) >/tmp/console.new; "
           "mv /tmp/console.new /tmp/console.done; exit\n"))
# What has the wrong label, the path that the module's log line names, and with what a login
# ends: where it is the registry, it is only not registered.
DENIED = (("snapshot", "/var/lib/tmout/policy.v1", 255), ("ledgers", "/var/lib/tmout/attempts", 255),
          ("registry", "/run/tmout", 0), ("module", "/var/lib/tmout", 255))
# Root, whom nothing confines, can write where logins cannot.
ONLY_ROOT_CAN = ["< tmout_passwords_rejected 0", "> tmout_passwords_rejected 1"]
# What has to start, whatever the booleans are.
UNITS = "tmoutd", "tmout-apply", "tmout-prune", "tmout-fleetd", "tmout-fleetd-unlock"
# Where programs of ours, or with our module, run.
OUR_SIDE = re.compile(r'comm="tmout|:tmout[a-z_]*_t:|name="tmout')
IN_OPEN = 0x20  # of inotify(7)
# Who logs in, and what lets them in.
LOGIN_SIDE = re.compile(r"^(sshd|local_login|chkpwd|staff|user|unconfined|\w+_su|\w+_sudo)_t$")


def in_root(root, script):
    must("chroot", root, "sh", "-ec", script, timeout=BUILD_GUARD_SEC)


def prepare(root, policy):
    """The machine without the kit: its users, who have keys and passwords, and the policy."""
    make_root(own_suite(), root, PACKAGES)
    for user in USERS:
        in_root(root, f"useradd --create-home --shell /bin/sh {user}")
    in_root(root, "ssh-keygen -q -t ed25519 -N '' -f /root/key")
    for user in ["root", *USERS]:
        in_root(root, f"""echo {user}:right-{user} | chpasswd
            home=$(getent passwd {user} | cut -d: -f6)
            mkdir -p "$home/.ssh" && cp /root/key.pub "$home/.ssh/authorized_keys"
            chown -R {user}: "$home/.ssh" && chmod 700 "$home/.ssh" """)
    write(f"{root}/etc/sudoers.d/test", SUDOERS, 0o440)
    write(f"{root}/etc/ssh/sshd_config.d/test.conf", SSHD)
    write(f"{root}/etc/hosts", "127.0.0.1 localhost vm\n")
    write(f"{root}/etc/hostname", "vm\n")
    # The job starts it where it wants it.
    in_root(root, "systemctl -q disable redis-server")
    policy.install(root)
    write(f"{root}/etc/selinux/config", f"SELINUX=enforcing\nSELINUXTYPE={policy.name}\n")
    shutil.copy(REPOSITORY + "/tests/soak/selinux.sh", f"{root}/job")
    shutil.copy(POSTINST, f"{root}/postinst")


def documented(first):
    """The block of docs/FLEET.md that begins with these words."""
    return re.search(rf"(?ms)^```\n({re.escape(first)}.*?)^```$", read(REPOSITORY + "/docs/FLEET.md")).group(1)


def add_store(root):
    """What docs/FLEET.md has for a store, for stunnel, and for the host bastion1."""
    ca = Authority(f"{DIRECTORY}/ca", "ca")
    ca.sign("store", "DNS:store.example.net, IP:192.0.2.10")
    ca.sign("bastion1", "DNS:bastion1")
    for directory, names in (("valkey", {"store.crt": "store.crt", "store.key": "store.key", "ca.crt": "ca.crt"}),
                             ("stunnel", {"store-ca.crt": "ca.crt", "bastion1.crt": "bastion1.crt",
                                          "bastion1.key": "bastion1.key"})):
        for name, source in names.items():
            write(f"{root}/etc/{directory}/{name}", read(f"{ca.directory}/{source}"), 0o600)
    write(f"{root}/etc/valkey/valkey.conf", documented("bind 192.0.2.10\n"))
    write(f"{root}/etc/valkey/users.acl", documented("user default off\n").replace("PASSWORD", "right"))
    # As Debian's unit wants it, which is there without a generator that reads init scripts, too.
    write(f"{root}/etc/stunnel/tmout-store.conf", "foreground = yes\npid =\n" + documented("[tmout-store]\n"))
    write(f"{root}/root/store-with-tls.conf", documented('endpoints     = {"192.0.2.10:6379"}\n'))
    write(f"{root}/root/store-by-stunnel.conf", documented('endpoints     = {"127.0.0.1:637"}\n'))


def add_kit(root, policy):
    """Installs the kit and its module, applies a policy, and puts the module into all
    stacks."""
    install_files(root)
    install_files(root, "install-fleet")
    add_store(root)
    write(f"{root}/etc/security/tmout.conf", POLICY)
    in_root(root, "tmoutctl apply; mkdir -p /var/lib/tmout/attempts; "
                  "systemctl -q enable tmoutd tmout-apply.service tmout-apply.path")
    shutil.copy(REPOSITORY + "/conf/pam-configs/tmout", f"{root}/usr/share/pam-configs/tmout")
    in_root(root, "DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable tmout")
    os.makedirs(f"{root}/var/lib/prometheus/node-exporter")
    shutil.copy(glob.glob(f"{root}/etc/selinux/{policy.name}/policy/policy.*")[0],
                f"{root}/policy.without")
    module, complaints = policy.compile_module(f"{DIRECTORY}/module")
    tap.equal(complaints, "", "the module compiles without a warning")
    must("semodule", "-p", root, "-s", policy.name, "-n", "-X", "400", "-i", module,
         timeout=BUILD_GUARD_SEC)


def start_machine(machines, root, policy, name):
    """Boots what is in the root now, in enforcing mode. Its result is what the job prints, which
    is kept, too."""
    where, loader = f"{DIRECTORY}/{name}", f"{DIRECTORY}/loader"
    disk = f"{DIRECTORY}/disk.{name}"
    os.makedirs(where)
    if not os.path.exists(loader):
        virtual_machine.pack_loader(root, loader)
    virtual_machine.pack_disk(root, disk, DISK_MB,
                              f"{root}/etc/selinux/{policy.name}/contexts/files/file_contexts")
    return machines.submit(virtual_machine.boot_disk, disk, loader, virtual_machine.kernel_of(root),
                           where, "security=selinux", "selinux=1", "enforcing=1", script=CONSOLE)


def sections(text):
    """What the job printed, by the headings in it."""
    parts = re.split(r"(?m)^== (.*)\n", text)
    return collections.defaultdict(str, zip(parts[1::2], parts[2::2]))


def denials(text):
    """What was denied: permissions, source, target, class."""
    return set(re.findall(r"denied +{ ([a-z_ ]+) } .*scontext=[^:]*:[^:]*:(\w+):.* "
                          r"tcontext=[^:]*:[^:]*:(\w+).* tclass=(\w+)", text))


def contexts(text):
    """The contexts that id(1) printed."""
    return re.findall(r"(?m)(\w+_u:\w+_r:\w+_t:\S+)$", text)


def report_control(found):
    """without the kit"""
    for heading in "key", "password", "root", "edit":
        tap.equal(re.findall(r"limit=(.*)\nstatus (\d+)", found[heading]), [("", "0")],
                  f"control: {heading}")
    tap.matches(found["lock"], r"in\nstatus 0\n(.|\n)*in\nstatus 0", "control: nobody is locked")
    tap.ok("tmout" not in found["denied"], "control: no denial is about the kit", found["denied"])


def report_people(found, control):
    """each kind of user gets in as without the kit, and has a limit"""
    for heading, limit in (("key", "300 readonly"), ("password", "300 readonly"),
                           ("root", "900 default"), ("edit", "420 readonly"),
                           ("staff", "900 default"), ("user", "900 default")):
        tap.equal(set(re.findall(r"limit=(.*)\nstatus (\d+)", found[heading])), {(limit, "0")},
                  f"{heading}: the limit")
    for heading in "key", "password", "root", "sudo", "su", "staff", "staff sudo", "staff su", "user":
        tap.equal(contexts(found[heading]), contexts(control[heading]),
                  f"{heading}: the same contexts as in the control")
    tap.ok(contexts(found["staff"])[0].startswith("staff_u:staff_r:staff_t:") and
           contexts(found["user"])[0].startswith("user_u:user_r:user_t:"), "they are confined",
           found["staff"], found["user"])
    tap.matches(found["console"], r"limit=900 default\n/dev/ttyS0", "the console's login has the limit")
    for heading in "sudo", "staff sudo":
        tap.matches(found[heading], r"limit=(420|900)\b", f"{heading} -i: the limit of the login")


def report_attempts(found):
    """attempts count, and locks hold"""
    tap.equal(re.findall(r"(?m)^status (\d+)$|^(in)$", found["lock"]),
              [("255", "")] * 4 + [("", "in"), ("0", "")], "three wrong, locked, unlocked")
    tap.matches(found["lock"], r"carol +network +3 of 3 +locked for", "the lock is listed")
    for user, service in ("alice", "sudo"), ("bob", "su"), ("erin", "sudo"), ("dave", "login"):
        tap.matches(found["log"], rf"failed login user={user} address=local service={service} ",
                    f"{service} counts for {user}")
    tap.matches(found["permissive"], r"Permissive\n(.|\n)*Enforcing\n(.|\n)*carol +network +1 of 3",
                "it goes on from permissive to enforcing")
    for record in "ANOM_LOGIN_FAILURES", "RESP_ACCT_LOCK", "USER_MGMT":
        tap.matches(found["records"], rf"type={record} ", f"auditd has {record}")


def report_unrecorded(found):
    """fanotify serves tmoutd, and a login without a record is found"""
    masks = re.findall(r"(fanotify|inotify) \w+, mask:([0-9a-f]+)", found["unrecorded"])
    tap.ok(("fanotify", "1000") in masks, "the kernel tells tmoutd who executes sshd", masks)
    tap.equal([mask for kind, mask in masks if kind == "inotify" and int(mask, 16) & IN_OPEN], [],
              "inotify, which does not know who, is not needed")
    tap.matches(found["unrecorded"], r'"found_by":"(scan|logind)"', "a login without a record is found")
    tap.ok("falling back" not in found["log"], "nothing is polled", found["log"])


def report_fleet(found):
    """tmout-fleetd counts logins in a store, in a domain of its own"""
    fleet, elsewhere = found["fleet"], found["fleet elsewhere"]
    tap.matches(fleet, r":tmout_fleetd_var_run_t:s0 /run/tmout/fleet\.sock\n", "its socket has its label")
    for name in "tmout-fleet.conf", "tmout-fleet", "tmout-fleet/password":
        tap.matches(fleet, rf":tmout_fleet_conf_t:s0 /etc/security/{name}\n", f"{name} has its label")
    tap.matches(fleet, r":tmout_fleetd_t:s0 .*/usr/sbin/tmout-fleetd ", "it runs in its domain")
    tap.matches(fleet, r"(?m)^store +reached for ", "it reaches the store")
    tap.equal(re.findall(r"(?m)^status (\d+)$|^(in)$", fleet),
              [("255", "")] * 4 + [("", "in"), ("0", "")], "three wrong, locked, unlocked")
    tap.matches(fleet, r"gina +network +3 of 3 .*locked for", "the store has the lock")
    tap.matches(fleet, r"gina is unlocked in the fleet's store", "it is unlocked there")
    tap.equal(different_metrics(fleet), [], "tmout-metrics.service finds what root finds")
    tap.equal(re.findall("(?m)^(?:FAIL|WARN) +(fleet-(?:config|password|store))", fleet), [],
              "the audit reads its configuration and its password")
    tap.equal(re.findall(r"(?m)^(\w+): (away|reached)$", elsewhere),
              [("off", "away"), ("on", "reached")], "another port than the store's needs the boolean")


def report_local(found, control):
    """what su and sudo of confined users count is in the ledger, and not in the store"""
    section, expected = found["fleet, local attempts"], ["1", "2"]
    if not contexts(control["staff su"]):
        tap.note("this policy gives staff_u no su")
        expected = ["1"]
    tap.equal(re.findall(r"(?m)^gina +local +(\d) of 9 ", section), expected, "su, then sudo: the ledger")
    tap.ok("gina has no failed logins in the fleet (fleet_attempts = 3)\n" in section, "not the store", section)


def report_unlock(found):
    """tmout-fleetd-unlock.service unlocks whom another host has unlocked, in a domain of its own"""
    section = found["fleet unlock"]
    tap.matches(section, r":tmout_unlock_key_t:s0 /etc/security/tmout-fleet-unlock\.key\n", "the key has its label")
    tap.matches(section, r"the other hosts will unlock gina(.|\n)*\ngina +network +1 of 9 (.|\n)*\nservice: 0\n",
                "another host has told, and the service succeeds")
    tap.matches(section, r"unlocked user=gina address=fleet (.|\n)*gina has no failed logins \(max_attempts = 9\)\n",
                "it has unlocked gina, and logged that, in its domain")
    tap.matches(section, r"subj=\S*:tmout_unlock_t:.*res=success", "auditd has it, too")


def report_tls(found):
    """the store of docs/FLEET.md, which wants TLS, a certificate and an ACL user"""
    ways = {"fleet by stunnel": r":stunnel_t:\S* +/usr/bin/stunnel4 /etc/stunnel/tmout-store\.conf"}
    if found["fleet with TLS"]:
        ways["fleet with TLS"] = r":tmout_fleet_conf_t:s0 /etc/security/tmout-fleet/bastion1\.key\n"
    else:
        tap.skip("tmout-fleetd's own TLS", "the hiredis that it was built with has none")
    for way, label in ways.items():
        section = found[way]
        tap.matches(section, label, f"{way}: the label")
        tap.matches(section, r"(?m)^store +reached for", f"{way}: the store is reached")
        tap.matches(section, r"(?m)^gina +network +1 of 3 .* bastion1\n(.|\n)*^in\nstatus 0$", f"{way}: it counts")
        tap.equal(different_metrics(section), [], f"{way}: the metrics are the same")
        tap.equal(re.findall(r"(?m)^(FAIL|WARN) +(\S+)", section), [("WARN", "fleet-replicas")],
                  f"{way}: the audit finds nothing wrong but that the store is alone")


def report_rest(found, control):
    """tmoutd, tmoutctl prune, and no denial"""
    tap.matches(found["mode"], r"Enforcing\n(.|\n)*active\nactive\n.*:tmoutd_t:", "tmoutd runs")
    tap.matches(found["disconnect"], "disconnected, idle for too long user=bob", "tmoutd disconnects")
    tap.matches(found["user sees the policy"], r"(?m)^tmout .*15m", "user_u sees the limit")
    tap.equal(found["user sees the policy"].count("Permission denied"), 2, "and no state")
    tap.matches(found["prune"], r"^inactive\n", "tmoutctl prune succeeds")
    ours = [line for line in found["denied"].splitlines() if OUR_SIDE.search(line)]
    tap.equal(ours, [], "no denial is about the kit")
    new = denials(found["denied"]) - denials(control["denied"])
    tap.note(f"denied with the kit, and not without it: {sorted(new)}")
    tap.equal({one for one in new if LOGIN_SIDE.match(one[1])}, set(),
              "nothing is denied to a login that is not denied without the kit")
    tap.ok(not re.search(r"MAC policy|no policy is in force", found["log"]), "nor is a line in the log",
           found["log"])


def different_metrics(section):
    """What tmout-metrics.service and root find differently; None if it was not compared."""
    return re.findall(r"(?m)^differs: (.*)", section) if re.search("(?m)^compared$", section) else None


def report_metrics(found):
    """tmout-metrics.service finds what root finds"""
    tap.equal(different_metrics(found["metrics"]), [], "the same metrics")
    tap.matches(found["metrics"], r":tmout_metrics_file_t:.*/tmout\.prom", "their label")
    tap.matches(found["metrics"], r"(?m)^tmout_daemon_running 1$", "tmoutd is seen")


def report_labels(found):
    """a label, or a policy, that keeps logins out is told, and the auth line is not activated"""
    for what, path, logins in DENIED:
        tap.note(what)
        denied, repaired = found["denied: " + what], found["repaired: " + what]
        tap.matches(denied, r"(?m)^FAIL  host-mac", "the audit fails")
        tap.matches(denied, r"(?m)^status: audit .*\bhost-mac\b", "tmoutctl status tells")
        # Without the module, tmoutctl has a label that no unit may execute.
        tap.ok("Job for tmout-metrics.service failed" in denied if what == "module" else
               different_metrics(denied) in ([], ONLY_ROOT_CAN), "so do the metrics", denied)
        tap.matches(denied, rf"(?m)^status {logins}$", "what a right password does")
        tap.ok([line for line in denied.splitlines() if path in line and "pam_tmout(sshd:" in line
                and "SELinux or another MAC policy" in line], "the module says why", denied)
        if what == "snapshot":  # whose labels are right again, as the package applies the policy
            tap.matches(denied, r"\naudit: 0\n", "the package writes it anew")
        else:
            tap.matches(denied, r"NOT IN USE: the module was not added(.|\n)*\nlines: 0\naudit: 1\n",
                        "the package does not put its lines into the stacks")
        tap.matches(repaired, r"PASS  host-mac(.|\n)*\nlines: [1-9](.|\n)*in\nstatus 0\n",
                    "with the right labels it does, and they get in")
    tap.matches(found["booleans"], r"flipped: \d\d+\nPASS  host-mac(.|\n)*\nstatus 0\n",
                "with other booleans they get in")
    tap.equal(different_metrics(found["booleans"]), [], "and the metrics are the same")
    tap.equal(re.findall(r"(?m)^(tmout[a-z-]*): (\d+)$", found["booleans"]), [(unit, "0") for unit in UNITS],
              "and the units start")


def report(without, with_kit):
    for name, text in ("the control", without), ("the kit's run", with_kit):
        tap.ok(virtual_machine.JOB_DONE in text, f"all of {name} was done", text[-3000:])
    control, found = sections(without), sections(with_kit)
    report_control(control)
    report_people(found, control)
    report_attempts(found)
    report_unrecorded(found)
    report_fleet(found)
    report_local(found, control)
    report_unlock(found)
    report_tls(found)
    report_rest(found, control)
    report_metrics(found)
    report_labels(found)


def scenario():
    root, policy = f"{DIRECTORY}/root", selinux_policy.wanted(f"{DIRECTORY}/policy")
    prepare(root, policy)
    # At the same time: neither needs more than one processor.
    with concurrent.futures.ThreadPoolExecutor() as machines:
        without = start_machine(machines, root, policy, "without")
        add_kit(root, policy)
        with_kit = start_machine(machines, root, policy, "with")
        report(without.result(), with_kit.result())


def main():
    if len(sys.argv) > 2:  # what earlier runs have printed
        report(read(sys.argv[1]), read(sys.argv[2]))
        tap.end()
    virtual_machine.play("logins with SELinux enforcing", scenario, DIRECTORY,
                         ("root", "disk.without", "disk.with", "loader", "module", "policy", "ca"), PROGRAMS)


main()
