#!/bin/sh
# Runs in the virtual machine of hardened.t: installs the packages and uses them, once as
# the machine is and then under one hardening after the other. Prints what happened.
# shellcheck disable=SC2016 # the other side expands them
set -u

address=192.0.2.7

enter() { echo "== $*"; }
result() { if "$@" >/dev/null 2>&1 </dev/null; then echo admitted; else echo refused; fi; }
by_ssh() { # USER PASSWORD [OPTION...] [COMMAND]
    user=$1 password=$2
    shift 2
    sshpass -p "$password" ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -o NumberOfPasswordPrompts=1 -o PubkeyAuthentication=no \
        -o ConnectionAttempts=1000 -b "$address" "$user@$address" "$@"
}
policy() { # SETTING
    echo "default { max_attempts = 3 $1 }"
    echo 'user "idle" { disconnect = 3s warn = none }'
    echo 'user "quiet" { disconnect_notty = 3s warn = none }'
}

# What people do with it, one line for each.
use() {
    for password in wrong wrong wrong right; do
        echo "login: $(result by_ssh carol "$password" true)," \
            "$(tmoutctl attempts carol | sed -n 's/.*network *\([0-9] of [0-9]\).*/\1/p')"
    done
    tmoutctl unlock carol >/dev/null
    echo "unlocked: $(result by_ssh carol right true)"
    policy 'tmout = 7m' >/etc/security/tmout.conf
    echo "an edit is found at login: $(by_ssh carol right 'echo $PAM_TMOUT' </dev/null)"
    script -qec 'EDITOR=/usr/local/sbin/editor tmoutctl edit' /dev/null </dev/null >/run/edited 2>&1
    echo "edit: $?, $(tmoutctl show carol | awk '$1 == "tmout" { print $2 }')"
    tmoutctl shells --install >/dev/null 2>&1
    echo "shells --install: $?"
    tmoutctl audit >/run/audit 2>&1
    echo "audit: $?"
    awk '{ print "finding:", $1, $2 }' /run/audit | grep -E 'FAIL|WARN|SKIP' | sort -u
    grep -E 'asked|cannot|denied|not permitted' /run/audit
    tmoutctl audit --patch >/run/patch 2>/dev/null
    patch -p1 -d / --dry-run -s </run/patch
    echo "patch: $?, of $(grep -c '^@@' /run/patch)"
    # A connection without a terminal, whose client only answers and sends keep-alives. It
    # has patience with a slow machine.
    seen=$(wc -l </run/tmoutd.log)
    by_ssh quiet right -N -o ServerAliveInterval=1 -o ServerAliveCountMax=10000 </dev/null >/run/quiet 2>&1 &
    quiet=$!
    for round in 1 2; do
        by_ssh idle right -tt 'exec sleep infinity' </dev/null >/dev/null 2>&1
        echo "terminal of an idle user, $round: ended"
    done
    if kill -0 "$quiet" 2>/dev/null; then
        echo 'quiet connection: open'
        kill "$quiet"
    else
        echo "quiet connection: ended, $(tail -n +$((seen + 1)) /run/tmoutd.log | grep -c 'disconnected.* user=quiet ')"
    fi
    wait "$quiet" 2>/dev/null
}

# What a program below a user's own uid may use: tmoutctl, and the module in su; and what the
# audit says of it.
as_user() {
    echo "audit: $(tmoutctl audit --check pam-module | grep -Eo '^(PASS|FAIL) |su and sudo cannot open it' | paste -sd' ')"
    su carol -c 'tmoutctl show' >/dev/null 2>&1
    echo "tmoutctl: $?"
    su carol -c 'echo wrong | su quiet -c true' >/dev/null 2>&1
    echo "a wrong password for su: $(tmoutctl attempts quiet | sed -n 's/.*local *\([0-9] of [0-9]\).*/\1/p')"
    tmoutctl unlock quiet >/dev/null
}
# With fapolicyd's own sample rules, where everything but the kit is trusted. It says on
# its standard error what it denies.
start_fapolicyd() {
    for rule in 10-languages 20-dracut 21-updaters 30-patterns 40-bad-elf 41-shared-obj \
        42-trusted-elf 70-trusted-lang 72-shell 90-deny-execute 95-allow-open; do
        cp "/usr/share/fapolicyd/sample-rules/$rule.rules" /etc/fapolicyd/rules.d/
    done
    fagenrules >/dev/null
    sed -i 's/^watch_fs = .*/watch_fs = rootfs,tmpfs/; s/^trust = .*/trust = file/
        s/^\([ug]id\) = .*/\1 = root/' /etc/fapolicyd/fapolicyd.conf
    fapolicyd-cli --file add /usr/ --trust-file base
    sed -i /tmout/d /etc/fapolicyd/trust.d/base
    mkdir -p /run/fapolicyd
    fapolicyd --debug-deny 2>>/run/fapolicyd.log &
    until grep -q 'Starting to listen' /run/fapolicyd.log; do sleep 0.2; done
}

ip link set lo up
ip address add "$address/24" dev lo
for user in carol idle quiet; do
    useradd --create-home --shell /bin/bash "$user"
    echo "$user:right" | chpasswd
done
printf '#!/bin/sh\nsed -i "s/tmout = 7m/tmout = 9m/" "$1"\n' >/usr/local/sbin/editor
chmod 755 /usr/local/sbin/editor
mkdir -p /run/sshd
ssh-keygen -q -A
echo 'UseDNS no
ClientAliveInterval 300' >/etc/ssh/sshd_config.d/test.conf
mount --bind /var /var
mount -t tmpfs -o mode=1777,noexec tmp /tmp
busybox syslogd -O /run/log

enter kernel
mount -t securityfs securityfs /sys/kernel/security
cat /sys/kernel/security/lockdown
head -c 1 /dev/mem >/dev/null 2>&1 || echo 'no /dev/mem'
grep -h CRYPTO_FIPS /kernel-config

enter control
mount -o remount,bind,noexec /var
dpkg -i /debs/control.deb 2>&1 | grep -c 'Permission denied'
mount -o remount,bind,exec /var
dpkg -i /debs/control.deb >/dev/null 2>&1
echo "status $?"

enter install
dpkg -i /debs/libpam-tmout.deb /debs/tmoutd.deb >/run/install 2>&1
echo "status $?"
grep -l pam_tmout /etc/pam.d/common-*
/usr/sbin/sshd
policy 'tmout = 7m' >/etc/security/tmout.conf
tmoutctl apply >/dev/null
tmoutctl shells --install >/dev/null
mkdir -p /run/tmout/sessions
setpriv --no-new-privs --bounding-set=-all,+dac_override,+sys_ptrace,+sys_admin,+kill \
    --inh-caps=-all /usr/sbin/tmoutd --foreground 2>>/run/tmoutd.log &
cat >/run/aide.conf <<'END'
database_in=file:/run/aide.db
database_out=file:/run/aide.db
All = p+n+u+g+s+m+c+sha256
/etc All
/usr All
/var All
!/var/log
END
grep -v '^!/' /run/aide.conf >/run/aide-all.conf
sed -n '/^!/p' /aide-exclusions >>/run/aide.conf
aide --config=/run/aide.conf --init >/dev/null

enter 'as it is'
use
mount -o remount,bind,noexec /var
cp /bin/true /tmp/true && cp /bin/true /var/true
{ /tmp/true || /var/true; } 2>/dev/null && echo 'programs run there'
rm -f /var/true
enter 'noexec on /var and /tmp'
use
mount -o remount,bind,exec /var
mount -o remount,hidepid=2 /proc
enter hidepid=2
use
mount -o remount,hidepid=0 /proc
for scope in 0 1 2; do
    sysctl -q kernel.yama.ptrace_scope="$scope"
    enter "ptrace_scope $(cat /proc/sys/kernel/yama/ptrace_scope)"
    use
done

enter changed
aide --config=/run/aide.conf --check >/run/changes 2>&1
grep -E '^[fdl].*: /' /run/changes | sed 's/.*: //'
enter upgrade
dpkg -i /debs/libpam-tmout.deb /debs/tmoutd.deb >/run/upgrade 2>&1
echo "status $?"
enter debsums
debsums --all --changed libpam-tmout tmoutd 2>&1
enter tmoutd
grep -E 'cannot|denied|not permitted' /run/tmoutd.log /run/log
enter 'fapolicyd, the kit not trusted'
cp /bin/true /tmp/true # which is not trusted, either
mount -o remount,exec /tmp
start_fapolicyd
su carol -c /tmp/true 2>/dev/null
echo "another program: $?"
as_user
enter 'fapolicyd, the kit trusted'
sh /trust-by-fapolicyd >/dev/null
until grep -q '^Flushed' /run/fapolicyd.log; do sleep 0.2; done
: >/run/fapolicyd.log
as_user
enter fapolicyd
use
# Last, as it stays until the next boot.
sysctl -q kernel.yama.ptrace_scope=3
cat /run/tmoutd.log /run/log >/run/logged
enter "ptrace_scope $(cat /proc/sys/kernel/yama/ptrace_scope)"
use
enter 'tmoutd, ptrace_scope 3'
cat /run/tmoutd.log /run/log | grep -Fxv -f /run/logged | grep -E 'cannot|denied|not permitted'
enter 'denied by fapolicyd'
grep -a ' dec=deny' /run/fapolicyd.log
true
