#!/bin/sh
# Runs in the virtual machine of audit_records.t: locks users and unlocks them, as
# root, and prints what ausearch finds.
set -eu

address=192.0.2.7

enter() { echo "== $*"; }
result() { if "$@" >/dev/null 2>&1; then echo admitted; else echo refused; fi; }
by_su() { # USER PASSWORD: a user who is not root becomes USER
    echo "$2" | setpriv --reuid=caller --regid=caller --init-groups su "$1" -c true
}
by_ssh() { # USER PASSWORD
    sshpass -p "$2" ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o NumberOfPasswordPrompts=1 -o PubkeyAuthentication=no -o ConnectionAttempts=1000 \
        -b "$address" "$1@$address" true
}
policy() { # LOCK_TIME
    echo "default { max_attempts = 3 lock_time = $1 }" >/etc/security/tmout.conf
    tmoutctl apply >/dev/null
}

ip link set lo up
ip address add "$address/24" dev lo
for user in caller alice bob carol; do
    useradd --create-home --shell /bin/sh "$user"
    echo "$user:right" | chpasswd
done
mkdir -p /run/sshd /var/log/audit
ssh-keygen -q -A
policy 1h
auditd # returns when it records
/usr/sbin/sshd

enter passwords
for password in wrong wrong wrong right; do result by_su alice "$password"; done
policy 1
until by_su alice right >/dev/null 2>&1; do :; done
echo admitted
policy 1h
for password in wrong wrong wrong right; do result by_su bob "$password"; done
tmoutctl unlock bob >/dev/null
tmoutctl unlock bob >/dev/null # nothing is left to undo
result by_su bob right
for password in wrong wrong wrong right; do result by_ssh carol "$password"; done
tmoutctl unlock carol >/dev/null
result by_ssh carol right

# Records arrive in the order in which they are sent.
auditctl -m the-last-record
tail -n +1 -F /var/log/audit/audit.log 2>/dev/null | grep -m 1 -q the-last-record

types=ANOM_LOGIN_FAILURES,RESP_ACCT_LOCK,RESP_ACCT_UNLOCK_TIMED,USER_MGMT
search() { ausearch --input-logs --interpret -m "$types" "$@" || echo "status $?"; }
enter records
search
enter 'records with the address'
search --host "$address"
enter 'records of failures'
search --success no
