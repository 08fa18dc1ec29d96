#!/bin/sh
# Runs in the virtual machine of selinux.t, as unconfined_t, with SELinux enforcing: what
# people do on a host, with the kit and, as a control, without it.
# shellcheck disable=SC2009,SC2012,SC2016,SC2086,SC2015
exec 2>&1

enter() { echo "== $*"; }
kit() { command -v tmoutctl >/dev/null; }

options='-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'
by_key() { # USER COMMAND
    ssh $options -o BatchMode=yes -i /root/key "$1@127.0.0.1" "$2" </dev/null
    echo "status $?"
}
by_password() { # USER PASSWORD COMMAND
    sshpass -p "$2" ssh $options -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 \
        "$1@127.0.0.1" "$3" </dev/null
    echo "status $?"
}
timed() { # COMMAND...: how long it took, in seconds, on standard output's last line
    start=$(cut -d. -f1 /proc/uptime)
    "$@"
    echo "took $(($(cut -d. -f1 /proc/uptime) - start))"
}
where='id -Z; echo limit=${PAM_TMOUT:-$TMOUT}'

# A change of the policy has written it anew.
. /etc/selinux/config
sed -i '1i erin:staff_u:s0-s0:c0.c1023\nfrank:user_u:s0\ngina:staff_u:s0-s0:c0.c1023' \
    "/etc/selinux/$SELINUXTYPE/seusers"
restorecon -RF /home/erin /home/frank /home/gina

enter mode
getenforce
id -Z
kit && systemctl is-active tmoutd tmout-apply.path
kit && ps -eo label,args | grep '[/]usr/sbin/tmoutd'
kit && ls -dZ /var/lib/tmout /var/lib/tmout/policy.v1 /var/lib/tmout/attempts /run/tmout/sessions |
    sed 's/ \//\n\//' | grep -o 'object_r:[a-z_]*\|/.*'

enter key
timed by_key alice "$where"
enter password
timed by_password alice right-alice "$where"
enter root
by_password root right-root "$where"

enter lock
for _ in 1 2 3; do by_password carol wrong true; done
by_password carol right-carol 'echo in'
kit && tmoutctl attempts carol
kit && tmoutctl unlock carol
by_password carol right-carol 'echo in'

enter edit
kit && systemctl stop tmout-apply.path
sed -i 's/tmout = 5m/tmout = 7m/' /etc/security/tmout.conf 2>/dev/null
by_key alice "$where"
kit && systemctl start tmout-apply.path

enter disconnect
# Without the kit, the program ends.
script -qec "ssh -tt $options -i /root/key bob@127.0.0.1 'sleep 120'" /dev/null </dev/null >/dev/null &
client=$!
if kit; then
    until tmoutctl sessions | grep -q '^bob .*pts/'; do sleep 1; done
    ls -Z /run/tmout/sessions | sed 's/[0-9]*$//'
    wait "$client"
    journalctl -b -o cat _COMM=tmoutd | grep -o '^disconnected.* user=bob'
else
    kill "$client"
fi

enter unrecorded
# A login that the module does not register: the kernel tells tmoutd who executes sshd, and
# logind's file who opened a session. Not dave: login(1) may not look into a keyring of sshd's.
found_by() { tmoutctl sessions --json | tr -d ' \n' | grep -o "\"user\":\"$1\"[^}]*" | grep -o '"found_by":"[a-z]*"'; }
if kit; then
    cat "/proc/$(systemctl show --property=MainPID --value tmoutd)"/fdinfo/* |
        sed -n 's/^\(fanotify ino\|inotify wd\):.* \(mask:[0-9a-f]*\) .*/\1, \2/p' | sort | uniq -c
    sed -i 's/^session.*pam_tmout/#&/' /etc/pam.d/common-session
    script -qec "ssh -tt $options -i /root/key bob@127.0.0.1 'sleep 120'" /dev/null </dev/null >/dev/null 2>&1 &
    client=$!
    until found_by bob; do
        kill -0 "$client" || break # its program has ended
        sleep 1
    done
    kill "$client"
    wait "$client"
    sed -i 's/^#\(session.*pam_tmout\)/\1/' /etc/pam.d/common-session
fi

enter sudo
by_password alice right-alice 'echo wrong | sudo -S -k true; echo right-alice | sudo -S id -Z'
kit && tmoutctl attempts alice
by_password alice right-alice "echo right-alice | sudo -S -i sh -c '$where'"

enter su
by_password alice right-alice 'echo wrong | su -c true bob; echo right-bob | su -c "id -Z" bob'
kit && tmoutctl attempts bob

enter staff
timed by_key erin "$where"
timed by_password erin right-erin "$where"
enter staff sudo
timed by_password erin right-erin 'echo wrong | sudo -S -k id -Z; echo right-erin | sudo -S id -Z'
by_password erin right-erin "echo right-erin | sudo -S -i sh -c '$where'"
kit && tmoutctl attempts erin
enter staff su
by_password erin right-erin 'echo wrong | su -c "id -Z" bob; echo right-bob | su -c "id -Z" bob'
enter user
timed by_password frank right-frank "$where"
by_password frank right-frank 'echo wrong | su -c "id -Z" bob; echo right-bob | su -c "id -Z" bob'
kit && tmoutctl attempts bob
enter 'user sees the policy'
kit && by_password frank right-frank '/usr/bin/tmoutctl show frank | grep "^tmout "; ls /var/lib/tmout/attempts /run/tmout/sessions'

enter console
echo 'console: begin' >/dev/ttyS0
systemctl restart serial-getty@ttyS0
until [ -e /tmp/console.done ]; do sleep 1; done
cat /tmp/console.done
kit && tmoutctl attempts dave

enter permissive
setenforce 0
getenforce
by_password alice right-alice "$where"
by_password carol wrong true
setenforce 1
getenforce
by_password alice right-alice "$where"
kit && tmoutctl attempts carol

# The same for the unit as for root, who is not confined.
metrics() {
    systemctl restart tmout-metrics.service
    tmoutctl status --openmetrics >/tmp/roots
    # But for what is never the same twice.
    diff -I '^tmout_fleet_.*_seconds' /tmp/roots "$textfiles/tmout.prom" | sed -n 's/^[<>]/differs: &/p'
    echo 'compared'
}
textfiles=/var/lib/prometheus/node-exporter

# A store on the same host, and attempts that are counted in it: by sshd, and not by su and sudo
# of confined users, which are local.
use_store() { # tells tmout-fleetd of the store that standard input describes
    cat >/etc/security/tmout-fleet.conf
    systemctl stop tmout-fleetd.socket tmout-fleetd.service 2>/dev/null
    systemctl start tmout-fleetd.socket
}
store_is() { # STATE...: waits until the store is in one of them
    until tmoutctl fleet | grep -Eo "^store +($1)"; do sleep 1; done
}
one_wrong() { # that the store counts
    by_password gina wrong true
    tmoutctl attempts --fleet gina
    tmoutctl unlock gina
    by_password gina right-gina 'echo in'
}
fleet_findings() { tmoutctl audit | grep -E '^(FAIL|WARN) +fleet'; }
enter fleet
if kit; then
    (umask 077 && echo right >/etc/security/tmout-fleet/password)
    redis-server --bind 127.0.0.1 --port 6379 --save '' --requirepass right --daemonize yes >/dev/null
    printf 'endpoints = {"127.0.0.1:6379"}\npassword_file = password\nhost_id = vm\n' | use_store
    ls -Zd /etc/security/tmout-fleet* /etc/security/tmout-fleet/* /run/tmout/fleet.sock
    store_is 'reached for'
    ps -eo label,args | grep '[/]usr/sbin/tmout-fleetd'
    for _ in 1 2 3; do by_password gina wrong true; done
    tmoutctl attempts --fleet gina
    by_password gina right-gina 'echo in'
    tmoutctl unlock gina
    by_password gina right-gina 'echo in'
    tmoutctl fleet
    metrics
    fleet_findings
fi
enter 'fleet, local attempts'
if kit; then
    by_password erin right-erin 'echo wrong | su -c true gina'
    tmoutctl attempts gina
    by_password gina right-gina 'echo wrong | sudo -S -k true'
    tmoutctl attempts gina
    tmoutctl attempts --fleet gina
fi
# Another host, which has state of its own, unlocks gina on all hosts.
enter 'fleet unlock'
if kit; then
    (umask 077 && openssl rand -hex 32 >/etc/security/tmout-fleet-unlock.key)
    ls -Z /etc/security/tmout-fleet-unlock.key
    by_password gina wrong true
    cp -a /var/lib/tmout /root/other
    tmoutctl --state /root/other unlock gina --fleet
    tmoutctl attempts gina
    systemctl start tmout-fleetd-unlock.service
    echo "service: $?"
    journalctl -b -o cat _SELINUX_CONTEXT=system_u:system_r:tmout_unlock_t:s0
    tmoutctl attempts gina
    ausearch --input-logs --raw -m USER_MGMT | grep -o 'subj=.*:tmout_unlock_t:.*res=[a-z]*' | tr -d "'" |
        sed 's/ exe=.* res=/ res=/'
fi
# docs/FLEET.md's store, reached with TLS by tmout-fleetd itself, if it can, and by way of stunnel.
enter 'fleet with TLS'
if kit; then
    redis-cli -p 6379 -a right --no-auth-warning shutdown nosave
    ip address add 192.0.2.10/32 dev lo
    (cd /etc/valkey && redis-server ./valkey.conf --daemonize yes >/dev/null)
    if tmout-fleetd --version | grep -x 'with TLS'; then
        cp /etc/stunnel/store-ca.crt /etc/stunnel/bastion1.* /etc/security/tmout-fleet/
        ls -Zd /etc/security/tmout-fleet/*
        use_store </root/store-with-tls.conf
        store_is 'reached for'
        one_wrong
        metrics
        fleet_findings
    fi
fi
enter 'fleet by stunnel'
if kit; then
    chcon -t stunnel_exec_t /usr/bin/stunnel4 # which the policy looks for as stunnel
    systemctl start stunnel@tmout-store
    ps -eo label,args | grep '[/]usr/bin/stunnel4'
    setsebool tmout_fleetd_connect_any 1
    use_store </root/store-by-stunnel.conf
    store_is 'reached for'
    one_wrong
    metrics
    fleet_findings
fi

enter metrics
if kit; then
    metrics
    ls -Z $textfiles/tmout.prom
    grep -E 'logins|daemon|audit' $textfiles/tmout.prom
    tmoutctl audit | grep '^FAIL'
fi

enter prune
kit && userdel -r frank >/dev/null 2>&1
kit && systemctl start tmout-prune.service
kit && systemctl is-failed tmout-prune.service
kit && ls /var/lib/tmout/attempts | wc -l

enter records
ausearch --input-logs --interpret -m ANOM_LOGIN_FAILURES,RESP_ACCT_LOCK,USER_MGMT 2>&1 |
    grep -o '^type=[A-Z_]*\|op=[a-z_-]*\|acct=[a-z]*\|id=[a-z]*\|suid=[a-z]*' | paste -sd' ' | sed 's/type=/\n&/g'

enter log
journalctl -b -o cat | grep 'pam_tmout(' | sort | uniq -c | sort -rn
kit && journalctl -b -o cat -u tmoutd -u tmout-apply -u tmout-prune

enter denied
# Every AVC, without what differs from run to run.
ausearch --input-logs --raw -m AVC,USER_AVC,SELINUX_ERR 2>/dev/null |
    grep -E '^type=(AVC|USER_AVC|SELINUX_ERR)' |
    sed -E 's/msg=audit\([^)]*\)://; s/ (pid|ino|exe|hostname|terminal)=[^ ]*//g' | sort | uniq -c | sort -rn

# Last, as it is denied on purpose: other labels, and no module.
new_lines() { journalctl -b -o cat --cursor-file=/tmp/cursor; }
lines() { echo "lines: $(grep -c pam_tmout /etc/pam.d/common-auth)"; }
denied() { # HEADING: what is said, and what logins get, until the state has its labels again
    enter "denied: $1"
    ls -Zd /var/lib/tmout /var/lib/tmout/policy.v1 /var/lib/tmout/attempts /run/tmout/sessions
    tmoutctl audit --check host-mac
    tmoutctl status | sed 's/^/status: /'
    metrics
    new_lines >/dev/null
    by_password alice right-alice 'echo in'
    new_lines | grep 'pam_tmout('
    pam-auth-update --package --disable tmout
    sh /postinst configure '' 2>&1 | grep -v '^debconf'
    lines
    tmoutctl audit --check host-mac --quiet >/dev/null
    echo "audit: $?"
}
repaired() {
    restorecon -RF /var/lib/tmout /run/tmout
    enter "repaired: $1"
    tmoutctl audit --check host-mac && pam-auth-update --package --enable tmout
    lines
    by_password alice right-alice 'echo in'
}
export DEBIAN_FRONTEND=noninteractive
if kit; then
    # What a file keeps that was restored or moved there, and what it has without the module.
    chcon -t default_t /var/lib/tmout/policy.v1
    denied snapshot
    repaired snapshot
    chcon -t default_t /var/lib/tmout/attempts
    denied ledgers
    repaired ledgers
    chcon -t default_t /run/tmout/sessions
    denied registry
    repaired registry
    dd if=/policy.without of=/sys/fs/selinux/load bs=64M status=none # in one piece
    denied module
    load_policy
    repaired module
fi

# stunnel's port is none of a store's.
enter 'fleet elsewhere'
if kit; then
    setsebool tmout_fleetd_connect_any 0
    systemctl restart tmout-fleetd
    echo "off: $(store_is 'away|reached for' | sed 's/^store *//; s/ for//')"
    setsebool tmout_fleetd_connect_any 1
    systemctl restart tmout-fleetd
    echo "on: $(store_is 'reached for' | sed 's/^store *//; s/ for//')"
fi

# Whatever the host's booleans are, but for those that would end this, or unconfined logins.
enter booleans
if kit; then
    flipped=$(getsebool -a | grep -Ev '^(secure_mode|ssh_sysadm_login|unconfined_login)' | sed 's/ --> off/=1/; s/ --> on/=0/')
    echo "flipped: $(echo "$flipped" | wc -l)"
    setsebool $flipped
    tmoutctl audit --check host-mac
    by_password alice right-alice "$where"
    metrics
    for unit in tmoutd tmout-apply tmout-prune tmout-fleetd tmout-fleetd-unlock; do
        systemctl restart "$unit"
        echo "$unit: $?"
    done
fi
