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

/*
 * What shows that the client has sent something, for `notty_activity = client`.
 * sshd keeps the content of its packets to itself, and their sizes depend on
 * the cipher, so only what it does with them counts: keep-alives of either side
 * and rekeying lead to nothing. What programs on the host read and write does
 * not count either, until they end: the kernel then adds it to what sshd, which
 * started them, has read and written, and that happens once for each session.
 */
struct client_evidence {
    uint64_t written;  /* by sshd to pipes, terminals and forwarded connections: input */
    uint64_t read;     /* by sshd from these: output, which the client has to ask for */
    uint64_t sessions; /* another number if a session began or ended */
};

/* An OpenSSH client asks for more output once it has taken this much of it: three
 * packets of 32 KB (channels.c, channel_check_window). */
enum { WINDOW_BYTES = 3 * 32768 };

/* Returns 0, or -1 with errno, as login_bytes_moved(). Without TCP_INFO, whatever
 * sshd reads and writes counts. */
int login_client_evidence(const struct session_record *login, struct client_evidence *evidence);

/* Another number if the client has sent something in between: more than a
 * window's worth of output has been taken, or any of the others has changed. */
uint64_t client_evidence_mark(const struct client_evidence *evidence);

/* A number that changes if and only if the login is active, by what counts for
 * its user. Returns 0, or -1 with errno, as login_bytes_moved(). */
int login_traffic_mark(const struct session_record *login, bool only_client, uint64_t *mark);

#endif
