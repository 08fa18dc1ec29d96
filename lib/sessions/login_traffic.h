/* Whether a login without a terminal moves data. */
#ifndef TMOUT_SESSIONS_LOGIN_TRAFFIC_H
#define TMOUT_SESSIONS_LOGIN_TRAFFIC_H

#include "lib/sessions/registry.h"

/*
 * A number that changes if and only if the login moves data. It is the sum of
 * what all processes below the connection have read and written, and what the
 * connection itself has relayed to or from somewhere other than the client:
 * pipes and forwarded connections of any kind, including those that opened and
 * closed between two samples. A queue of bytes that wait to be sent to the
 * client counts as it gets shorter.
 *
 * Whatever else passes between sshd and the client is not data: keep-alives
 * of either side, rekeying, and how far the client has processed what it
 * received (an OpenSSH channel has up to 2 MB in flight).
 *
 * The kernel counts both what sshd reads and writes (/proc/PID/io) and what
 * passes over the connection to the client (TCP_INFO, by pidfd_getfd(2)).
 * Without the latter (before Linux 5.6, with kernel.yama.ptrace_scope 3, or
 * if the client does not come over TCP, as with sshd -i behind a pipe)
 * everything that sshd moves counts, keep-alives too: it is better to miss an
 * idle login than to cut off a transfer.
 *
 * Returns 0, or -1 with errno: ENOENT or ESRCH if the login is gone.
 */
int login_bytes_moved(const struct session_record *login, uint64_t *bytes);

#endif
