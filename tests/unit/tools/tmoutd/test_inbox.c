/* Logins that the module sends: handed on, in a real event loop. */
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tests/unit/temporary.h"

#include "lib/sessions/login_message.h"
#include "tools/tmoutd/inbox.h"

static struct session_record taken;
static unsigned taken_count;

static void take_login(void *context, const struct session_record *record)
{
    (void)context;
    taken = *record;
    taken_count++;
}

static void take_unreadable(void *context, pid_t pid)
{
    (void)context;
    (void)pid;
    fail();
}

static const struct inbox_hooks hooks = {NULL, take_login, take_unreadable};

static void received_by_the_loop(void **state)
{
    char *sessions = path_in(*state, "sessions");
    const struct session_record record = {.pid = getpid(), .user = "kim"};
    struct failure failure = {""};
    struct loop loop;
    sd_event *event;

    taken_count = 0;
    log_clear();
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(loop_init(&loop, event, &failure), 0);
    struct inbox *inbox = inbox_new(&loop, sessions, &hooks);
    assert_non_null(inbox);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(login_message_send(sessions, geteuid(), &record), 0);
        while (taken_count < i)
            assert_true(sd_event_run(event, UINT64_MAX) >= 0);
        assert_string_equal(taken.user, "kim");
        assert_int_equal(taken.source, LOGIN_FROM_MESSAGE);
    }
    assert_string_equal(logged, "");
    inbox_free(inbox);
    loop_free(&loop);
    sd_event_unref(event);
    free(sessions);
}

static void nothing_to_listen_on(void **state)
{
    char *above = path_in(*state, "missing"), *sessions = path_in(above, "sessions");
    struct failure failure = {""};
    struct loop loop;

    log_clear();
    assert_int_equal(loop_init(&loop, NULL, &failure), 0);
    struct inbox *inbox = inbox_new(&loop, sessions, &hooks);
    assert_non_null(inbox);
    inbox_receive(inbox);
    assert_logged(
        "; logins whose record cannot be written are found later; see tmout-recovery(7)\n", 1);
    inbox_free(inbox);
    loop_free(&loop);
    free(sessions);
    free(above);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(received_by_the_loop),
        WITH_DIRECTORY(nothing_to_listen_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
