#!/usr/bin/python3
"""profile.d/tmout.sh in shells with a hostile environment."""

from shells import (
    BASH, KSH93, NOTHING, WITH_TIMEOUT, WITHOUT_TIMEOUT, fallback, limit, only_installed, state,
    tap)

SSH = "192.0.2.1 50000 192.0.2.2 22"

# What a script might call. Functions with these names return lies and do damage.
NAMES = ["unset", "readonly", "eval", "export", "declare", "typeset", "test", "[", "set", "builtin",
         "command", "printf", ":", "return", "shopt", "true", "false", "local", "source", "trap",
         "shift", "exit", "exec", "enable", "alias", "unalias", "read", "echo", "POSIXLY_CORRECT"]
EVIL = """() {{
    TMOUT=86400 tmout_limit=86400 tmout_mode=none PAM_TMOUT=none SSH_CONNECTION=
    {last}
}}"""


def functions():
    """functions with the names of builtins do not interfere"""
    # A bash that starts in POSIX mode does not import such functions.
    for shell in only_installed([shell for shell in BASH if "--posix" not in shell]):
        for last in "((1))", "((0))", "builtin exit":
            sets = [[name] for name in NAMES] + [NAMES]
            for names in sets if last == "((1))" else sets[-1:]:
                evil = {f"BASH_FUNC_{name}%%": EVIL.format(last=last) for name in names}
                given = {"TMOUT": "86400", **evil}
                for before in "", "POSIXLY_CORRECT=y":
                    got = [state(shell, before, PAM_TMOUT="900 readonly", **given),
                           state(shell, before, PAM_TMOUT="900 default", **given),
                           state(shell, before, SSH_CONNECTION=SSH, **given)]
                    name = names[0] if len(names) == 1 else f"all, ending in {last}"
                    tap.equal(got, [("900", True, True), ("900", False, True), ("600", True, True)],
                              f"{shell}: {before} {name}")


def forged_names():
    """variables that tell shells apart cannot remove the limit"""
    names = ["BASH_VERSION", "KSH_VERSION", "ZSH_VERSION", "BASHOPTS", "BASH_SOURCE",
             "POSH_VERSION", "YASH_VERSION", "VERSION"]
    forged = [{name: value} for name in names for value in ("", ":", "1", "Version 93", "posix")]
    forged += [{name: "1" for name in names}, {name: ":" for name in names},
               {"BASH_VERSION": "5", "SHELLOPTS": "posix:keyword"},
               {"BASH_VERSION": "5", "SHELLOPTS": "xtrace:"},
               {"KSH_VERSION": "Version 93",
                **{f"BASH_FUNC_{name}%%": EVIL.format(last="((0))") for name in NAMES}}]
    for shell in only_installed(WITH_TIMEOUT):
        for number, lie in enumerate(forged):
            if shell in BASH and ("SHELLOPTS" in lie or "BASHOPTS" in lie):
                continue  # these are options there, see below
            if "--posix" in shell and "BASH_FUNC_unset%%" in lie:
                continue  # does not start
            # A bash in POSIX mode that claims to be ksh93 gets a minute less, since that ends
            # a minute late.
            ksh93 = shell in KSH93 or ("--posix" in shell
                                       and "Version" in lie.get("KSH_VERSION", ""))
            # Every other one without a decision.
            decided = number % 2 == 0
            given = {"PAM_TMOUT": "900 readonly"} if decided else {"SSH_CONNECTION": SSH}
            name = f"{shell}: {', '.join(f'{key}={value!r}' for key, value in lie.items())}"[:70]
            seconds = (900 if decided else 600) - (60 if ksh93 else 0)
            tap.equal(state(shell, **given, **lie)[:2], (str(seconds), True), name)


def forged_options():
    """options that bash reads from the environment cannot remove the limit"""
    for shell in only_installed(BASH[:1]):
        for options in "keyword", "errexit:nounset", "noglob:noclobber", "allexport", "physical":
            exported = options == "allexport"
            tap.equal(state(shell, PAM_TMOUT="900 readonly", SHELLOPTS=options),
                      ("900", True, exported), f"SHELLOPTS={options}")
            tap.equal(state(shell, SSH_CONNECTION=SSH, SHELLOPTS=options), ("600", True, exported),
                      f"SHELLOPTS={options}, fallback")
        for options in ("extglob:nocasematch", "expand_aliases:inherit_errexit", "compat31",
                        "lastpipe"):
            tap.equal(state(shell, PAM_TMOUT="900 readonly", BASHOPTS=options),
                      ("900", True, False), f"BASHOPTS={options}")


def own_variables():
    """variables with the names of the script's own are ignored"""
    mine = {"tmout_limit": "9", "tmout_mode": "none", "tmout_shell": "x", "tmout_options": "y",
            "tmout_name": "z"}
    for shell in only_installed(WITH_TIMEOUT):
        tap.equal(state(shell, "set -eu", PAM_TMOUT="900 readonly", **mine),
                  (limit(shell, 900), True, False), shell)
        tap.equal(state(shell, "set -eu", SSH_CONNECTION=SSH, **mine), fallback(shell),
                  f"{shell}: fallback")


def odd_limits():
    """whatever TMOUT is in the environment, the limit is the policy's"""
    for shell in only_installed(WITH_TIMEOUT):
        for value in "", "0", "-1", "86400", "1e9", "x", "a[$(kill $$)]", "1+1":
            if shell in ("mksh", "lksh") and not value.isdigit():
                continue  # does not even start
            got = state(shell, PAM_TMOUT="900 readonly", TMOUT=value)
            tap.equal(got[:2], (limit(shell, 900), True), f"{shell}: {value!r}")


def without_timeout():
    """a shell without a timeout is unaffected by claims to be another one"""
    for shell in only_installed(WITHOUT_TIMEOUT):
        for name in "BASHOPTS", "SHELLOPTS", "BASH_SOURCE", "POSIXLY_CORRECT":
            tap.equal(state(shell, PAM_TMOUT="900 readonly", **{name: "posix"}), NOTHING,
                      f"{shell}: {name}")


tap.run(functions, forged_names, forged_options, own_variables, odd_limits,
        without_timeout)
