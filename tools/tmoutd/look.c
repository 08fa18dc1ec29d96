#include "tools/tmoutd/look.h"

#include "lib/host/pidfd.h"
#include "lib/sessions/login_processes.h"

#include <errno.h>

/* Sends a pidfd of the connection along. Only once it is held can it be told that
 * it is the right one. */
static void hold_connection(const struct session_record *login, struct answer *answer)
{
    const pid_t connection = login_connection(login);
    const int pidfd = connection > 0 && connection != login->pid ? pidfd_of(connection) : -1;

    if (pidfd >= 0 && login_connection(login) != connection)
        close(pidfd);
    else if (pidfd >= 0)
        answer_put_fd(answer, pidfd);
}

void look_at_login(const void *input, int fd, struct answer *answer)
{
    const struct session_record *login = input;
    struct login_view view = {0};

    (void)fd;
    if (session_check_live(login) != 0) {
        answer_fail(answer, errno);
        return;
    }
    const int count = login_terminals(login, view.terminal);
    if (count < 0) {
        answer_fail(answer, errno);
        return;
    }
    view.terminal_count = (unsigned)count;
    login_trace_read(login, &view.trace);
    hold_connection(login, answer);
    answer_put(answer, &view, sizeof view);
}

void open_login(const void *input, int fd, struct answer *answer)
{
    const struct session_record *login = input;
    const int pidfd = pidfd_of(login->pid);

    (void)fd;
    if (pidfd < 0) {
        answer_fail(answer, errno);
    } else if (session_check_live(login) != 0) {
        answer_fail(answer, errno);
        close(pidfd);
    } else {
        answer_put_fd(answer, pidfd);
        hold_connection(login, answer);
    }
}

void find_owners(const void *input, int fd, struct answer *answer)
{
    const struct terminal_search *search = input;
    static struct session_record login;
    struct terminal_owners owners = {0};
    unsigned found = 0, index[LOGIN_TERMINALS_MAX];

    (void)fd;
    for (unsigned at = 0; at < search->login_count && found < search->wanted_count; at++) {
        login = (struct session_record){.pid = search->login[at].pid,
                                        .start_ticks = search->login[at].start_ticks,
                                        .is_ssh = true};
        const int count = login_terminals(&login, index);
        for (int i = 0; i < count; i++) {
            for (unsigned w = 0; w < search->wanted_count; w++) {
                if (owners.owner[w] != 0 || search->wanted[w] != index[i])
                    continue;
                owners.owner[w] = login.pid;
                found++;
            }
        }
    }
    answer_put(answer, &owners, sizeof owners);
}

void look_at_traffic(const void *input, int fd, struct answer *answer)
{
    const struct traffic_question *question = input;
    struct traffic_view view = {.evidence = question->evidence};

    (void)fd;
    if (login_traffic_mark(&question->login, question->only_client, &view.evidence, &view.mark) !=
        0)
        answer_fail(answer, errno);
    else
        answer_put(answer, &view, sizeof view);
}
