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
 * not count either.
 *
 * A session that begins shows in sshd's children, or, if it is over already, in what
 * children have read and written: the kernel adds that up once sshd has waited for
 * them. Programs can give sshd children as well (clone(2), CLONE_PARENT), as many as
 * they like. But then sshd does not fork, which its minor faults tell.
 */
struct client_evidence {
    uint64_t written;      /* by sshd to pipes, terminals and forwarded connections: input */
    uint64_t read;         /* by sshd from these: output, which the client has to ask for */
    uint64_t sessions;     /* another number if sshd has had other children */
    uint64_t minor_faults; /* sshd's own: more of them if it has forked */
};

/* An OpenSSH client asks for more output once it has taken this much of it: three
 * packets of 32 KB (channels.c, channel_check_window). */
enum { WINDOW_BYTES = 3 * 32768 };

/* Returns 0, or -1 with errno, as login_bytes_moved(). Without TCP_INFO, whatever
 * sshd reads and writes counts. */
int login_client_evidence(const struct session_record *login, struct client_evidence *evidence);

/* Evidence that came after some other: children that sshd has not made by itself are no
 * sessions, and leave the number as it was. */
void client_evidence_follow(const struct client_evidence *before, struct client_evidence *now);

/* Another number if the client has sent something in between: more than a window's worth
 * of output has been taken, there was input, or a session has begun. */
uint64_t client_evidence_mark(const struct client_evidence *evidence);

/* A number that changes if and only if the login is active, by what counts for
 * its user. *evidence is that of the last time, zeros the first time, and is replaced if
 * only_client. Returns 0, or -1 with errno, as login_bytes_moved(). */
int login_traffic_mark(const struct session_record *login, bool only_client,
                       struct client_evidence *evidence, uint64_t *mark);

#endif
