#!/usr/bin/python3
"""The Ansible role on a booted Debian release, which is the argument: in check mode it
changes nothing, a second run has nothing to do, and what is invalid stays out."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../packages"))

import built
from booted_host import KEY, Host
from file_list import differences
from host.commands import run
from host.files import REPOSITORY, write
from host.isolation import Skip, isolate
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC

ANSIBLE = REPOSITORY + "/packaging/ansible"
POLICY = "/etc/security/tmout.conf"
DROP_IN = "/etc/ssh/sshd_config.d/00-tmout.conf"
PLAY = """
- hosts: all
  become: true
  roles: [pam_tmout]
"""
INVENTORY = (f"bastion ansible_host=127.0.0.1 ansible_user=anna ansible_ssh_private_key_file={KEY} "
             "ansible_ssh_common_args='-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'\n")
FIRST = {"default": {"tmout": "15m", "max_attempts": 5, "client_alive_interval": "30s"},
         "groups": {"contractors": {"tmout": "5m", "enforce": True}}, "users": {"deploy": {"tmout": "none"}}}
# What Ansible and logins write.
WRITTEN_BY_OTHERS = (r"/home/anna/\.(ansible|sudo_as_admin)|/home/anna$|/var/log|/var/lib/(systemd|sudo|lastlog)|/run/|"
                     r"/var/cache/ldconfig")

host = None


class Play:
    """A run of the role: its counts, and what it printed."""

    def __init__(self, *options, **variables):
        write("/run/play.yml", PLAY)
        write("/run/inventory", INVENTORY)
        write("/run/variables.json", json.dumps({f"pam_tmout_{name}": value
                                                 for name, value in variables.items()}))
        environment = {**os.environ, "ANSIBLE_ROLES_PATH": ANSIBLE + "/roles", "ANSIBLE_NOCOLOR": "1",
                       "ANSIBLE_HOME": "/run/ansible", "ANSIBLE_LOCAL_TEMP": "/run/ansible/tmp",
                       "LC_ALL": "C.UTF-8"}
        self.done = run("ansible-playbook", "-i", "/run/inventory", "-e", "@/run/variables.json",
                        "--diff", *options, "/run/play.yml", env=environment,
                        stderr=subprocess.STDOUT, timeout=BUILD_GUARD_SEC)
        self.output = self.done.stdout
        counts = re.search(r"(?m)^bastion +: (.*)$", self.output)
        self.count = {name: int(number) for name, number in
                      re.findall(r"(\w+)=(\d+)", counts.group(1))} if counts else {}

    def succeeded(self):
        return self.done.returncode == 0 and self.count.get("failed") == 0

    def changed(self):
        return self.count.get("changed")

    def changes(self):
        """The tasks that changed something."""
        task, found = "", []
        for line in self.output.splitlines():
            named = re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line)
            task = named.group(1) if named else task
            if line.startswith("changed: "):
                found.append(task)
        return found


def files():
    return host.snapshot("/etc", "/usr", "/var", "/home", "/root")


def changes(before):
    return [line for line in differences(before, files())
            if not re.search(rf"^[-+!] ({WRITTEN_BY_OTHERS})", line)]


def prepare():
    """a host with sshd, and an administrator who has sudo and a key"""
    host.connect()
    host.user("anna", "right", ["sudo"])
    host.user("deploy", "right", ["contractors"])
    host.write("/etc/sudoers.d/anna", "anna ALL = (ALL) NOPASSWD: ALL\n", 0o440)
    os.makedirs("/run/ansible/tmp")


def check_mode_on_a_new_host():
    """foresees the installation, and changes nothing"""
    before = files()
    play = Play("--check", policy=FIRST, package_files=packages)
    tap.ok(play.succeeded() and play.changed() > 0, "changes are foreseen", play.output)
    tap.equal(changes(before), [], "none is made")


def first_run():
    """installs, and puts the policy in force"""
    play = Play(policy=FIRST, package_files=packages, audit="warn")
    tap.ok(play.succeeded() and play.changed() > 0, "it succeeds", play.output[-6000:])
    shown = json.loads(host.must("tmoutctl", "show", "deploy", "--json"))["settings"]
    tap.equal((shown["tmout"]["value"], shown["enforce"]["value"]), ("none", "true"), "the policy is in force")
    tap.matches(host.must("sshd", "-T"), r"(?m)^clientaliveinterval 30$", "sshd has its settings")
    tap.equal(host.must("systemctl", "is-active", "tmoutd", "tmout-apply.path", "tmout-prune.timer").split(),
              ["active"] * 3, "the services run")
    play = Play(policy=FIRST, package_files=packages, audit="warn")
    tap.equal((play.succeeded(), play.changes()), (True, []), "a second run changes nothing")


def changed_policy():
    """is foreseen in check mode, then written, with one more file"""
    second = {**FIRST, "default": {**FIRST["default"], "client_alive_interval": "45s"}}
    options = {"policy": second, "package_files": packages, "audit": "warn",
               "policy_parts": {"90-site": {"users": {"anna": {"tmout": "1h"}}}}}
    before = files()
    play = Play("--check", **options)
    tap.ok(play.succeeded() and "45s" in play.output and play.changed() == 2, "check mode shows it", play.output)
    tap.equal(changes(before), [], "and changes nothing")
    play = Play(**options)
    tap.ok(play.succeeded(), "it succeeds", play.output)
    tap.matches(host.must("sshd", "-T"), r"(?m)^clientaliveinterval 45$", "sshd has the new settings")
    tap.matches(host.must("tmoutctl", "show", "anna"), r"90-site\.conf", "and the file counts")
    tap.equal(Play(**options).changes(), [], "a second run changes nothing")
    options["policy_parts"] = {"90-site": {}}
    tap.ok(Play(**options).changed() > 0 and not host.exists("/etc/security/tmout.conf.d/90-site.conf"),
           "an empty file is removed")
    tap.equal(Play(**options).changes(), [], "once")


def invalid_policy():
    """never replaces a valid one"""
    before = host.read(POLICY), host.read(DROP_IN)
    for what, policy in {"a value": {"default": {"tmout": "soon"}}, "a setting": {"default": {"tmuot": "5m"}},
                         "a name": {"users": {'a"b': {"tmout": "5m"}}}}.items():
        play = Play(policy=policy, package_files=packages)
        tap.ok(play.done.returncode != 0 and "tmout" in play.output, f"{what}: it fails and says why", play.output)
        tap.equal((host.read(POLICY), host.read(DROP_IN)), before, f"{what}: the files stay")


def audit():
    """fails the run, or is only shown"""
    stack = "/etc/pam.d/common-auth"
    text = host.read(stack)
    host.write(stack, "\n".join(line for line in text.split("\n") if "pam_tmout" not in line))
    options = {"policy": FIRST, "package_files": packages}
    play = Play(**options)
    tap.ok(play.done.returncode != 0 and "pam-auth" in play.output, "a missing line fails the run", play.output)
    play = Play(audit="warn", **options)
    tap.ok(play.succeeded() and "pam-auth" in play.output, "or is shown", play.output)
    tap.ok(Play(audit="skip", **options).succeeded(), "or not looked for")
    host.write(stack, text)


def without_the_daemon():
    """tmoutd can be left out"""
    options = {"policy": FIRST, "package_files": packages, "audit": "skip", "watch": False, "sshd": False}
    tap.ok(Play(**options).succeeded(), "it succeeds")
    tap.equal(host.run("systemctl", "is-active", "tmoutd").stdout.strip(), "inactive", "it is stopped")
    tap.equal(Play(**options).changes(), [], "a second run changes nothing")


def lint():
    """ansible-lint finds nothing"""
    done = run("ansible-lint", "--offline", "--strict", "--nocolor", "site.yml", "roles/pam_tmout",
               cwd=ANSIBLE, stderr=subprocess.STDOUT)
    tap.ok(done.returncode == 0, "clean", done.stdout)


try:
    isolate("systemd-nspawn", "mmdebstrap", "nsenter", "dpkg-buildpackage", "ansible-playbook", "ansible-lint")
    packages, _ = built.packages()
    with built.lock("booted"):
        host = Host(sys.argv[1], ["python3", "python3-apt"])
        tap.log = host.journal
        chosen = os.environ.get("ROUNDS", "").split()
        tap.run(*[each for each in [lint, prepare, check_mode_on_a_new_host, first_run, changed_policy,
                                    invalid_policy, audit, without_the_daemon]
                  if not chosen or each.__name__ in chosen])
except Skip as why:
    tap.skip("the role on a booted host", why)
    tap.end()
