#include "tools/tmoutd/user.h"

#include "lib/host/checksum.h"
#include "tools/tmoutd/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
    LOOKUP_DEADLINE_MS = 30 * 1000,
    LOOKUPS_AT_ONCE = 4, /* of different users */
    LOOK_PAUSE_MS = 2,   /* for each login that has to look for terminals itself */
    SEARCH_SHARE = 20    /* a search for terminals takes at most one part in so many of the time */
};

/* Limits that have become looser are looked up again after these times, the last one
 * first: a name service that lied for a while must not set a login free. */
static const int64_t check_ms[] = {60 * 60 * 1000, 10 * 60 * 1000, 60 * 1000};

enum { CHECKS = sizeof check_ms / sizeof check_ms[0] };

static void user_on_lookup_alarm(void *context, int64_t late_ms);
static void user_on_search_alarm(void *context, int64_t late_ms);

struct user *user_new(struct loop *loop, const char *state_dir, const struct session_record *login)
{
    struct user *user = calloc(1, sizeof *user);

    if (user == NULL)
        return NULL;
    user->loop = loop;
    user->state_dir = state_dir;
    snprintf(user->name, sizeof user->name, "%s", login->user);
    user->is_ssh = login->is_ssh;
    user->registered_uid = login->uid;
    user->uid = NO_UID;
    LIST_INIT(&user->logins);
    if (!alarm_init(&user->lookup_alarm, loop, user_on_lookup_alarm, user) ||
        !alarm_init(&user->search_alarm, loop, user_on_search_alarm, user)) {
        user_free(user);
        return NULL;
    }
    user_look_up(user);
    return user;
}

void user_free(struct user *user)
{
    helpers_take_back(user->looking_up);
    helpers_take_back(user->searching);
    alarm_free(&user->lookup_alarm);
    alarm_free(&user->search_alarm);
    free(user);
}

static void equip_login(const struct user *user, struct login *login)
{
    if (user->uid != NO_UID)
        login_set_about(login, about_user(user->uid));
    if (user->has_limits)
        login_set_limits(login, &user->limits);
}

void user_add_login(struct user *user, struct login *login)
{
    login->user = user;
    LIST_INSERT_HEAD(&user->logins, login, link);
    user->login_count++;
    equip_login(user, login);
}

void user_remove_login(struct login *login)
{
    LIST_REMOVE(login, link);
    login->user->login_count--;
    login->user = NULL;
}

/* --- limits ---------------------------------------------------------------- */

static void set_user_limits(struct user *user, const struct user_limits *limits, uint64_t policy)
{
    struct login *login;

    user->limits = *limits;
    user->policy = policy;
    user->has_limits = true;
    for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link))
        equip_login(user, login);
}

static void set_uid(struct user *user, uid_t uid)
{
    if (user->uid != uid)
        user->identified(user->context, user, uid);
    user->uid = uid;
}

void user_take_record(struct user *user, const struct session_record *record, bool is_in_force)
{
    if (user->uid == NO_UID && record->uid != NO_UID && !user->is_in_doubt)
        set_uid(user, record->uid);
    if (record->policy == 0)
        return;
    if (!user->has_limits || (is_in_force && user->policy != record->policy))
        set_user_limits(user, &record->limits, record->policy);
    if (!is_in_force || user->uid == NO_UID || user->looking_up != NULL || user->checks > 0)
        return;
    user->lookup_ms = NEVER_MS;
    alarm_set(&user->lookup_alarm, NEVER_MS);
}

void user_look_up(struct user *user)
{
    user->lookup_ms = user->loop->now.boot_ms;
    if (user->looking_up == NULL)
        alarm_set(&user->lookup_alarm, user->lookup_ms);
}

static void lookup_fails(struct user *user, const char *reason, int64_t retry_ms)
{
    if (log_begins(&user->lookup_failed, true))
        log_line(LOG_ERR, "%s; %s; see tmout-recovery(7) user=%s", reason,
                 user->has_limits ? "the previous limits stay in force"
                                  : "the login is not watched for now",
                 user->name);
    user->lookup_ms = earlier_ms(user->lookup_ms, user->loop->now.boot_ms +
                                                      (retry_ms > RETRY_MS ? retry_ms : RETRY_MS));
}

static void lookup_succeeds(struct user *user, const struct policy_answer *found)
{
    user->lookup_failed = false;
    user->is_in_doubt = false;
    set_uid(user, found->uid);
    if (user->has_limits && user_limits_are_looser(&found->limits, &user->limits))
        user->checks = CHECKS;
    if (user->checks > 0)
        user->lookup_ms =
            earlier_ms(user->lookup_ms, user->loop->now.boot_ms + check_ms[--user->checks]);
    set_user_limits(user, &found->limits, found->identity);
    user->limits_found(user->context, user);
}

/* Until it is clear who is meant, the limits known last stay, and any terminal may be
 * theirs. */
static void lookup_contradicts(struct user *user, const struct failure *why)
{
    struct failure failure = {""};

    failure_set(&failure, "cannot look up user: %s", why->text);
    lookup_fails(user, failure.text, 0);
    user->is_in_doubt = true;
    set_uid(user, NO_UID);
}

static void on_looked_up(void *context, const struct answer *answer)
{
    struct user *user = context;
    static struct policy_answer found;

    loop_clock(user->loop);
    user->looking_up = NULL;
    if (!answer_get(answer, &found, sizeof found)) {
        lookup_fails(user,
                     answer->error == ETIMEDOUT
                         ? "cannot look up user: the name service does not answer"
                         : "cannot look up user: no helper process",
                     answer->retry_ms);
    } else if (!found.has_policy) {
        user->policy_failed(user->context, &found.failure);
        user->lookup_ms = earlier_ms(user->lookup_ms, user->loop->now.boot_ms + RETRY_MS);
    } else {
        user->policy_failed(user->context, NULL);
        if (!found.has_limits)
            lookup_fails(user, found.failure.text, 0);
        else if (!session_is_of(user->registered_uid, found.uid, &found.failure))
            lookup_contradicts(user, &found.failure);
        else
            lookup_succeeds(user, &found);
    }
    alarm_set(&user->lookup_alarm, user->lookup_ms);
}

static void user_on_lookup_alarm(void *context, int64_t late_ms)
{
    struct user *user = context;
    struct policy_question input = {.state_dir = user->state_dir, .is_ssh = user->is_ssh};
    const uint64_t sum = checksum(CHECKSUM_START, user->name, strlen(user->name));
    const struct question question = {.about = about_name_service(sum % LOOKUPS_AT_ONCE),
                                      .work = policy_look_up,
                                      .powers = MAY_NOTHING,
                                      .input = &input,
                                      .input_size = sizeof input,
                                      .fd = -1,
                                      .is_patient = true,
                                      .deadline_ms = LOOKUP_DEADLINE_MS,
                                      .done = on_looked_up,
                                      .context = user};

    (void)late_ms;
    snprintf(input.user, sizeof input.user, "%s", user->name);
    user->lookup_ms = NEVER_MS;
    user->looking_up = helpers_ask(user->loop->helpers, &question);
    if (user->looking_up == NULL)
        alarm_set(&user->lookup_alarm, user->loop->now.boot_ms + RETRY_MS);
}

/* --- terminals ------------------------------------------------------------- */

void user_search_terminal(struct user *user, unsigned index)
{
    const int64_t now_ms = user->loop->now.boot_ms;

    for (unsigned i = 0; i < user->wanted_count; i++)
        if (user->wanted[i] == index)
            return;
    if (user->wanted_count < WANTED_MAX)
        user->wanted[user->wanted_count++] = index;
    else
        user->has_more_wanted = true;
    if (user->searching == NULL && user->search_alarm.due_ms == NEVER_MS)
        alarm_set(&user->search_alarm,
                  now_ms + SETTLE_MS > user->searched_ms ? now_ms + SETTLE_MS : user->searched_ms);
}

static void look_at_all(struct user *user)
{
    struct login *login;

    for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link))
        login_look(login, user->loop->now.boot_ms);
    user->searched_ms = user->loop->now.boot_ms + LOOK_PAUSE_MS * (int64_t)user->login_count;
}

/* The logins that were found look for themselves. In the meantime others may have
 * come and gone. */
static void on_searched(void *context, const struct answer *answer)
{
    struct user *user = context;
    struct terminal_owners owners;
    struct login *login;

    const int64_t asked_ms = user->searched_ms;
    loop_clock(user->loop);
    user->searching = NULL;
    const int64_t now_ms = user->loop->now.boot_ms;
    user->searched_ms = now_ms + SEARCH_SHARE * (now_ms - asked_ms);
    if (answer_get(answer, &owners, sizeof owners)) {
        for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link))
            for (unsigned i = 0; i < WANTED_MAX; i++)
                if (owners.owner[i] == login->record.pid)
                    login_look(login, now_ms);
    } else {
        look_at_all(user);
    }
    if (user->wanted_count > 0)
        alarm_set(&user->search_alarm, user->searched_ms);
}

static struct terminal_search *search_new(const struct user *user, size_t *size)
{
    struct terminal_search *search;
    const struct login *login;

    *size = sizeof *search + user->login_count * sizeof search->login[0];
    search = malloc(*size);
    if (search == NULL)
        return NULL;
    search->wanted_count = user->wanted_count;
    memcpy(search->wanted, user->wanted, sizeof search->wanted);
    search->login_count = 0;
    for (login = LIST_FIRST(&user->logins); login != NULL; login = LIST_NEXT(login, link))
        search->login[search->login_count++] =
            (struct login_id){login->record.pid, login->record.start_ticks};
    return search;
}

static void user_on_search_alarm(void *context, int64_t late_ms)
{
    struct user *user = context;
    size_t size;
    struct terminal_search *search = user->has_more_wanted ? NULL : search_new(user, &size);
    struct question question = {.about = about_host(),
                                .work = find_owners,
                                .powers = MAY_LOOK,
                                .input = search,
                                .fd = -1,
                                .deadline_ms = LOOKUP_DEADLINE_MS,
                                .done = on_searched,
                                .context = user};

    (void)late_ms;
    user->wanted_count = 0;
    user->has_more_wanted = false;
    user->searched_ms = user->loop->now.boot_ms;
    if (search != NULL) {
        question.input_size = size;
        user->searching = helpers_ask(user->loop->helpers, &question);
        free(search);
    }
    if (user->searching == NULL)
        look_at_all(user);
}
