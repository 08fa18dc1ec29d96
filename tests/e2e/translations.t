#!/usr/bin/python3
"""People who only logged in read about a lock and about an idle terminal in their
language; administrators read English."""

import gettext
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.attempts import setup_passwords, su
from host.client import terminal
from host.commands import must, side_by_side
from host.files import REPOSITORY, write
from host.tap import tap
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC

LOCALES = {"de": "de_DE.UTF-8", "es": "es_ES.UTF-8", "fr": "fr_FR.UTF-8", "it": "it_IT.UTF-8",
           "ja": "ja_JP.UTF-8", "pt_BR": "pt_BR.UTF-8", "zh_CN": "zh_CN.UTF-8"}
LATIN = "de_DE"
CATALOG = "/usr/share/locale/{}/LC_MESSAGES/pam_tmout.mo"
LOCKED = ("Account locked after %u failed login. Contact your administrator.",
          "Account locked after %u failed logins. Contact your administrator.")
LOCKED_FOR = ("Account locked after %u failed login. Try again in %s.",
              "Account locked after %u failed logins. Try again in %s.")
IDLE = "terminal idle, disconnecting in %s. Press Enter to stay connected."
TOO_OLD = "this login has reached its maximum age and ends in %s."
NOTICE = r"\*\*\* tmoutd: ([^\r\n]*) \*\*\*"

POLICY = """
default {
    max_attempts = 2
    lock_time = forever
}
user "once" {
    max_attempts = 1
    lock_time = 10m
}
user "idler" {
    disconnect = 4s
    warn = 2s
}
user "old" {
    max_session = 12s
    warn = 10s
}
"""


def catalog(language):
    with open(CATALOG.format(language), "rb") as file:
        return gettext.GNUTranslations(file)


def pattern(text, **values):
    """A regular expression for what printf(3) makes of this text."""
    made = re.escape(text).replace("%u", values.get("number", "[0-9]+"))
    return made.replace("%s", r"[0-9hms]+")


def locked(name, **environment):
    """What a locked user is told."""
    settings = [f"{key}={value}" for key, value in environment.items()]
    return su("by", name, "right", before=["env", "-u", "LC_ALL", *settings]).stdout


def locks():
    """in each language, in the form that belongs to the number"""
    names = ["ann"] * len(LOCALES) + ["once"] * len(LOCALES)
    told = side_by_side(lambda name, locale: locked(name, LANG=locale), names,
                        list(LOCALES.values()) * 2)
    for language, ann, once in zip(LOCALES, told, told[len(LOCALES):]):
        text = catalog(language)
        tap.matches(ann, pattern(text.ngettext(*LOCKED, 2), number="2"), f"{language}: two failures")
        tap.ok("Account locked" not in ann, f"{language}: and not in English", ann)
        tap.matches(once, pattern(text.ngettext(*LOCKED_FOR, 1), number="1"), f"{language}: one failure")


def others():
    """English where there is no translation, or the terminal is not in UTF-8"""
    english = pattern(LOCKED[1], number="2")
    environments = {
        "C": {"LANG": "C"}, "unknown": {"LANG": "xx_XX.UTF-8"}, "none": {"LANG": ""},
        "not in UTF-8": {"LANG": LATIN}, "not translated": {"LANG": "C.UTF-8"},
        "LC_ALL=C": {"LANG": LOCALES["de"], "LC_ALL": "C"}, "a path": {"LANG": "../../../tmp/evil"}}
    told = side_by_side(lambda environment: locked("ann", **environment), environments.values())
    for what, text in zip(environments, told):
        tap.matches(text, english, what)


def catalog_of_an_attacker():
    """a setuid program's user chooses no catalog of their own, and no conversion"""
    evil = "/tmp/evil"
    os.makedirs(evil + "/LC_MESSAGES")
    write(evil + "/evil.po", 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
          f'msgid "{LOCKED[0]}"\nmsgid_plural "{LOCKED[1]}"\nmsgstr[0] "%n%s%n"\nmsgstr[1] "%n%s%n"\n')
    must("msgfmt", "-o", evil + "/LC_MESSAGES/pam_tmout.mo", evil + "/evil.po")
    german = pattern(catalog("de").ngettext(*LOCKED, 2), number="2")
    told = locked("ann", LANG=LOCALES["de"], LANGUAGE="../../.." + evil)
    tap.ok(re.search(german, told) or re.search(pattern(LOCKED[1]), told), "not by a path", told)
    must("cp", evil + "/LC_MESSAGES/pam_tmout.mo", CATALOG.format("it"))
    tap.matches(locked("ann", LANG=LOCALES["it"]), pattern(LOCKED[1], number="2"),
                "a catalog with other conversions is not used")
    must("make", "-s", "install", cwd=REPOSITORY)


def notice(name, locale, mode="iutf8"):
    """What is on the terminal of a shell with this locale before it is hung up."""
    with terminal(name) as session:
        session.ask("$HOME")
        session.type(f"stty {mode}; LANG={locale} exec bash --norc")
        session.wait_prompt()
        text = session.wait(NOTICE).group(1)
        session.ended_within(GUARD_SEC)
        return text


def notices():
    """in the session's language, else in the host's; ASCII where the terminal is not UTF-8"""
    os.environ.update(LANG=LOCALES["ja"], LANGUAGE="fr")
    tmoutd.start()
    german, japanese, spanish = catalog("de"), catalog("ja"), catalog("es")
    cases = [
        ("the session's", "idler", LOCALES["de"], "iutf8", german.gettext(IDLE)),
        ("a terminal that is not UTF-8", "idler", LOCALES["de"], "-iutf8", IDLE),
        ("a locale that is not UTF-8", "idler", LATIN, "iutf8", IDLE),
        ("a locale that is not installed", "idler", "xx_XX.UTF-8", "iutf8", IDLE),
        ("the host's", "idler", "", "iutf8", japanese.gettext(IDLE)),
        ("a name with a slash", "idler", "../../tmp/evil", "iutf8", japanese.gettext(IDLE)),
        ("the age", "old", LOCALES["es"], "iutf8", spanish.gettext(TOO_OLD))]
    seen = side_by_side(lambda case: notice(*case[1:4]), cases)
    for case, text in zip(cases, seen):
        tap.matches(text, f"^{pattern(case[4])}$", case[0])
    cuts = tmoutd.cut("idler") + tmoutd.cut("old")
    tap.ok(all("tmoutd" in line and line.isascii() for line in cuts) and
           len(cuts) == len(cases), "the log is in English", cuts)
    tmoutd.stop()


def prepare():
    setup_passwords(POLICY, "", ["sshd", "su"], {name: "right" for name in ("by", "ann", "once")})
    for name in "idler", "old":
        user(name)
    # gettext goes by the name of a locale. To compile one takes a second.
    for locale, charset in (LOCALES["de"], "UTF-8"), (LATIN, "ISO-8859-1"):
        must("localedef", "-i", "de_DE", "-f", charset, f"/usr/lib/locale/{locale}")
    for locale in set(LOCALES.values()) - {LOCALES["de"]}:
        os.symlink(LOCALES["de"], f"/usr/lib/locale/{locale}")
    for _ in range(2):
        for name in "ann", "once":
            su("by", name, "wrong")


prepare()
tap.ok(sorted(LOCALES) == sorted(os.path.basename(path)[:-3] for path in glob.glob(REPOSITORY + "/po/*.po")),
       "each language of po/ is tested")
tap.run(locks, others, catalog_of_an_attacker, notices)
