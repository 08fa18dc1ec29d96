"""tmout-metrics.timer on a booted host: not enabled, and what its service writes in its
sandbox is what root sees without one. A scenario of booted.t.
"""
import subprocess

from host.tap import tap

FOLDER = "/var/lib/prometheus/node-exporter"
FILE = f"{FOLDER}/tmout.prom"
UNITS = "tmout-metrics.timer", "tmout-metrics.service"
# What changes from one moment to the next.
MOVING = "tmout_next_end_seconds "


def still(text):
    return [line for line in text.splitlines() if not line.startswith(MOVING)]


def accepted(text):
    said = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    tap.equal((said.returncode, said.stdout), (0, ""), "promtool accepts it")


def written(host):
    tap.equal(host.run("systemctl", "is-enabled", UNITS[0]).stdout, "disabled\n", "it is not enabled")
    said = host.run("systemd-analyze", "verify", "--man=no", *UNITS)
    tap.equal([line for line in (said.stdout + said.stderr).splitlines() if "metrics" in line], [],
              "verify is clean")
    host.must("systemctl", "start", UNITS[1])
    tap.ok(not host.exists(FOLDER), "without node_exporter's folder, nothing is written")
    host.must("mkdir", "-p", FOLDER)
    mark = host.journal.mark()
    host.must("systemctl", "start", UNITS[1])
    expected, text = host.run("tmoutctl", "status", "--openmetrics").stdout, host.read(FILE)
    tap.equal(still(text), still(expected), "the sandbox hides nothing")
    accepted(text)
    tap.equal(host.must("stat", "-c", "%a %U", FILE), "644 root\n", "mode and owner")
    tap.equal(host.must("ls", FOLDER), "tmout.prom\n", "no temporary file is left")
    tap.equal(host.journal.since(mark, r"tmoutctl\[\d+\]: "), [], "nothing is logged")
    host.must("systemctl", "enable", "--now", UNITS[0])
    tap.equal(host.must("systemctl", "is-active", UNITS[0]), "active\n", "the timer can be enabled")
    host.must("systemctl", "disable", "--now", UNITS[0])
    host.must("rm", "-r", "/var/lib/prometheus")
