#include "tools/tmoutd/reconcile.h"

#include "lib/host/account.h"
#include "lib/host/array.h"
#include "lib/host/map.h"
#include "tools/tmoutd/announced.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
    CONFIRM_MS = 2000, /* between the two looks that find a login */
    /* Older than this, no process is about to register its login. */
    SETTLED_MS = 150 * 1000,
    RETRY_SEARCH_MS = 15 * 1000,
    SEARCH_DEADLINE_MS = 10 * 1000,
    NAME_DEADLINE_MS = 30 * 1000,
    NAMES_AT_ONCE = 4 /* of different users */
};

enum candidate_state {
    CANDIDATE_SEEN,    /* once: it may be registered before the next look */
    CANDIDATE_DAMAGED, /* its record is: is its process a login's? */
    CANDIDATE_LOGIN    /* one: whose? */
};

/* A login without a usable record. */
struct candidate {
    struct reconcile *reconcile;
    size_t at; /* in the list of all */
    enum candidate_state state;
    enum login_source source;
    bool is_newer;            /* its record is a newer version's */
    struct found_login login; /* CANDIDATE_DAMAGED: only the pid */
    bool is_found;            /* by the search in progress, or not looked at by it */
    bool is_reported;         /* that it cannot be watched is logged once */
    int64_t next_ms;          /* ask about it then, or NEVER_MS */
    struct inquiry *asking;
};

struct reconcile {
    struct loop *loop;
    struct record_store *store;
    struct reconcile_hooks hooks;
    struct alarm alarm;
    struct inquiry *searching; /* a part of a search */
    bool is_look;              /* only at what was announced */
    enum login_source reason;  /* of the search to come */
    enum login_source because; /* of the one in progress */
    int64_t search_ms;         /* search all processes then, or NEVER_MS */
    int64_t searched_ms;       /* when that was done last */
    int64_t look_ms;           /* look at what was announced then, or NEVER_MS */
    struct announced_list announced;
    pid_t asked[ANNOUNCED_MAX]; /* by the look in progress */
    size_t asked_count;
    struct candidate **candidate;
    size_t candidate_count;
    struct map by_pid; /* the same */
    /* of all parts so far of the search in progress */
    uint32_t unreadable;
    int error;                      /* of the last unreadable one */
    bool has_failed, is_unreadable; /* logged once */
};

static void reconcile_on_alarm(void *context, int64_t late_ms);
static void on_searched(void *context, const struct answer *answer);
static void on_judged(void *context, const struct answer *answer);
static void on_named(void *context, const struct answer *answer);

struct reconcile *reconcile_new(struct loop *loop, struct record_store *store,
                                const struct reconcile_hooks *hooks)
{
    struct reconcile *reconcile = calloc(1, sizeof *reconcile);

    if (reconcile == NULL)
        return NULL;
    *reconcile = (struct reconcile){.loop = loop,
                                    .store = store,
                                    .hooks = *hooks,
                                    .reason = LOGIN_FROM_SCAN,
                                    .search_ms = NEVER_MS,
                                    .look_ms = NEVER_MS,
                                    .searched_ms = loop->now.boot_ms - RECONCILE_PAUSE_MS};
    if (alarm_init(&reconcile->alarm, loop, reconcile_on_alarm, reconcile))
        return reconcile;
    reconcile_free(reconcile);
    return NULL;
}

static void free_candidate(struct candidate *candidate)
{
    helpers_take_back(candidate->asking);
    free(candidate);
}

void reconcile_free(struct reconcile *reconcile)
{
    if (reconcile == NULL)
        return;
    helpers_take_back(reconcile->searching);
    for (size_t i = 0; i < reconcile->candidate_count; i++)
        free_candidate(reconcile->candidate[i]);
    free(reconcile->candidate);
    map_free(&reconcile->by_pid);
    alarm_free(&reconcile->alarm);
    free(reconcile);
}

/* --- when ------------------------------------------------------------------ */

static void set_alarm(struct reconcile *reconcile)
{
    int64_t next_ms = reconcile->searching == NULL
                          ? earlier_ms(reconcile->search_ms, reconcile->look_ms)
                          : NEVER_MS;

    for (size_t i = 0; i < reconcile->candidate_count; i++)
        next_ms = earlier_ms(next_ms, reconcile->candidate[i]->next_ms);
    alarm_set(&reconcile->alarm, next_ms);
}

static void search_at(struct reconcile *reconcile, int64_t at_ms)
{
    reconcile->search_ms = earlier_ms(reconcile->search_ms, at_ms);
    set_alarm(reconcile);
}

void reconcile_search(struct reconcile *reconcile, enum login_source reason, int64_t delay_ms)
{
    const int64_t wanted_ms = later_ms(reconcile->loop->now.boot_ms, delay_ms);
    const int64_t allowed_ms = later_ms(reconcile->searched_ms, RECONCILE_PAUSE_MS);

    if (reconcile->reason == LOGIN_FROM_SCAN)
        reconcile->reason = reason;
    search_at(reconcile, wanted_ms > allowed_ms ? wanted_ms : allowed_ms);
}

/* False if there is no room for it among those that will be looked at. */
static bool look_later(struct reconcile *reconcile, pid_t pid, enum login_source source,
                       int64_t delay_ms)
{
    const bool is_added = announced_add(&reconcile->announced, pid, source);

    /* A look makes room, and so it costs the same for each, however many there are. */
    if (reconcile->announced.count == ANNOUNCED_MAX)
        delay_ms = 0;
    reconcile->look_ms =
        earlier_ms(reconcile->look_ms, later_ms(reconcile->loop->now.boot_ms, delay_ms));
    set_alarm(reconcile);
    return is_added;
}

void reconcile_look(struct reconcile *reconcile, pid_t pid, enum login_source source,
                    int64_t delay_ms)
{
    if (!look_later(reconcile, pid, source, delay_ms))
        reconcile_search(reconcile, source, delay_ms);
}

/* --- candidates --------------------------------------------------------------- */

static struct candidate *find_candidate(const struct reconcile *reconcile, pid_t pid)
{
    return map_find(&reconcile->by_pid, (uint64_t)pid);
}

static void drop_candidate(struct candidate *candidate)
{
    struct reconcile *reconcile = candidate->reconcile;
    struct candidate *last = reconcile->candidate[--reconcile->candidate_count];

    last->at = candidate->at;
    reconcile->candidate[last->at] = last;
    map_remove(&reconcile->by_pid, (uint64_t)candidate->login.pid);
    free_candidate(candidate);
}

static enum login_source source_of(struct reconcile *reconcile, pid_t pid)
{
    const struct announced_process *announced = announced_find(&reconcile->announced, pid);

    return announced != NULL ? announced->source : reconcile->because;
}

/* NULL without memory. */
static struct candidate *add_candidate(struct reconcile *reconcile, const struct found_login *login)
{
    struct candidate **grown =
        array_grow(reconcile->candidate, reconcile->candidate_count, sizeof(struct candidate *));
    struct candidate *candidate;

    if (grown == NULL)
        return NULL;
    reconcile->candidate = grown;
    candidate = calloc(1, sizeof *candidate);
    if (candidate == NULL || !map_put(&reconcile->by_pid, (uint64_t)login->pid, candidate)) {
        free(candidate);
        return NULL;
    }
    *candidate = (struct candidate){.reconcile = reconcile,
                                    .at = reconcile->candidate_count,
                                    .source = source_of(reconcile, login->pid),
                                    .login = *login,
                                    .is_found = true,
                                    .next_ms = NEVER_MS};
    grown[reconcile->candidate_count++] = candidate;
    return candidate;
}

static void ask_again_later(struct candidate *candidate, const struct answer *answer)
{
    const int64_t pause_ms =
        answer->retry_ms > RETRY_SEARCH_MS ? answer->retry_ms : RETRY_SEARCH_MS;

    candidate->next_ms = candidate->reconcile->loop->now.boot_ms + pause_ms;
    set_alarm(candidate->reconcile);
    if (candidate->state == CANDIDATE_LOGIN) /* which may end before there is an answer */
        reconcile_look(candidate->reconcile, candidate->login.pid, candidate->source, pause_ms);
}

void reconcile_replace(struct reconcile *reconcile, pid_t pid, bool is_newer)
{
    const struct found_login login = {.pid = pid};
    struct candidate *candidate = find_candidate(reconcile, pid);

    if (candidate == NULL)
        candidate = add_candidate(reconcile, &login);
    if (candidate == NULL) {
        log_line(LOG_ERR,
                 "out of memory; a login is not watched for now; see tmout-recovery(7) pid=%d",
                 (int)pid);
        reconcile_search(reconcile, LOGIN_FROM_SCAN, 0);
        return;
    }
    if (candidate->state == CANDIDATE_LOGIN || candidate->asking != NULL)
        return;
    candidate->state = CANDIDATE_DAMAGED;
    candidate->source = LOGIN_REBUILT;
    candidate->is_newer = is_newer;
    candidate->next_ms = reconcile->loop->now.boot_ms;
    set_alarm(reconcile);
}

/* --- the search, in a helper ------------------------------------------------- */

struct search_input {
    bool is_look; /* at these processes, rather than at all others */
    pid_t from;
    size_t count;
    pid_t pid[];
};

static void search_logins(const void *input, int fd, struct answer *answer)
{
    const struct search_input *question = input;
    static struct login_search search;

    (void)fd;
    _Static_assert(sizeof search <= ANSWER_DATA_MAX, "it does not fit into an answer");
    if (question->is_look)
        login_search_among(question->pid, question->count, question->from, &search);
    else if (login_search(question->pid, question->count, question->from, &search) != 0)
        answer_fail(answer, errno == ENOENT ? EIO : errno); /* /proc is not there: not "gone" */
    if (answer->presence == PRESENT)
        answer_put(answer, &search, sizeof search);
}

static int by_pid(const void *left, const void *right)
{
    const pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;

    return (a > b) - (a < b);
}

/* What is watched need not be looked at. NULL without memory. */
static struct search_input *make_input(struct reconcile *reconcile, size_t *size)
{
    const bool is_look = reconcile->is_look;
    pid_t *watched = NULL;
    const ssize_t count = is_look ? (ssize_t)reconcile->asked_count
                                  : reconcile->hooks.watched(reconcile->hooks.context, &watched);
    const pid_t *pid = is_look ? reconcile->asked : watched;
    struct search_input *input = NULL;

    if (count >= 0) {
        *size = sizeof *input + (size_t)count * sizeof *pid;
        input = malloc(*size);
    }
    if (input != NULL) {
        input->is_look = is_look;
        input->count = (size_t)count;
        if (count > 0)
            memcpy(input->pid, pid, (size_t)count * sizeof *pid);
        qsort(input->pid, input->count, sizeof *pid, by_pid);
    }
    free(watched);
    return input;
}

/* A search comes in parts of so many logins, so that no part takes long. False if it
 * could not be asked for. */
static bool ask_part(struct reconcile *reconcile, pid_t from)
{
    size_t size = 0;
    struct search_input *input = make_input(reconcile, &size);
    const struct question question = {.about = about_host(),
                                      .work = search_logins,
                                      .powers = MAY_LOOK,
                                      .input = input,
                                      .input_size = size,
                                      .fd = -1,
                                      .is_patient = true,
                                      .deadline_ms = SEARCH_DEADLINE_MS,
                                      .done = on_searched,
                                      .context = reconcile};

    if (input != NULL) {
        input->from = from;
        reconcile->searching = helpers_ask(reconcile->loop->helpers, &question);
    }
    free(input);
    return reconcile->searching != NULL;
}

static void start_search(struct reconcile *reconcile)
{
    reconcile->is_look = false;
    reconcile->because = reconcile->reason;
    reconcile->reason = LOGIN_FROM_SCAN;
    reconcile->search_ms = NEVER_MS;
    reconcile->unreadable = 0;
    for (size_t i = 0; i < reconcile->candidate_count; i++)
        reconcile->candidate[i]->is_found = false;
    if (!ask_part(reconcile, 0))
        reconcile->search_ms = reconcile->loop->now.boot_ms + RETRY_SEARCH_MS;
}

/* Most that were announced are registered by now, and nothing is left to look at. */
static void start_look(struct reconcile *reconcile)
{
    const struct reconcile_hooks *hooks = &reconcile->hooks;
    struct announced_list *list = &reconcile->announced;

    reconcile->look_ms = NEVER_MS;
    for (size_t i = list->count; i-- > 0;)
        if (hooks->is_watched(hooks->context, list->process[i].pid))
            list->process[i] = list->process[--list->count];
    if (list->count == 0)
        return;
    reconcile->is_look = true;
    reconcile->unreadable = 0;
    reconcile->asked_count = announced_ask(list, reconcile->asked);
    for (size_t i = 0; i < reconcile->asked_count; i++) {
        struct candidate *candidate = find_candidate(reconcile, reconcile->asked[i]);
        if (candidate != NULL)
            candidate->is_found = false;
    }
    if (ask_part(reconcile, 0))
        return;
    announced_end(list, true);
    reconcile->look_ms = reconcile->loop->now.boot_ms + RETRY_SEARCH_MS;
}

/* --- what was found ---------------------------------------------------------- */

static bool is_settled(const struct found_login *login, int64_t now_ms)
{
    return clock_elapsed_ms(found_login_start_ms(login), now_ms) > SETTLED_MS;
}

static void on_found(struct reconcile *reconcile, const struct found_login *login)
{
    const int64_t now_ms = reconcile->loop->now.boot_ms;
    struct candidate *candidate = find_candidate(reconcile, login->pid);
    const bool is_new = candidate == NULL;

    if (is_new)
        candidate = add_candidate(reconcile, login);
    if (candidate == NULL) {
        search_at(reconcile, now_ms + RETRY_SEARCH_MS);
        return;
    }
    candidate->is_found = true;
    if (candidate->state != CANDIDATE_SEEN)
        return;
    if ((is_new || candidate->login.start_ticks != login->start_ticks) &&
        !is_settled(login, now_ms)) {
        candidate->login = *login;
        if (!look_later(reconcile, login->pid, candidate->source, CONFIRM_MS))
            search_at(reconcile, now_ms + CONFIRM_MS);
        return;
    }
    candidate->login = *login;
    candidate->state = CANDIDATE_LOGIN;
    candidate->next_ms = now_ms;
}

/* Those that have ended, or are registered by now. */
static void drop_missing(struct reconcile *reconcile)
{
    for (size_t i = reconcile->candidate_count; i-- > 0;) {
        struct candidate *candidate = reconcile->candidate[i];
        if (!candidate->is_found && candidate->state != CANDIDATE_DAMAGED &&
            candidate->asking == NULL)
            drop_candidate(candidate);
    }
}

static void search_failed(struct reconcile *reconcile, int error)
{
    const int64_t again_ms = reconcile->loop->now.boot_ms + RETRY_SEARCH_MS;

    if (log_begins(&reconcile->has_failed, true))
        log_line(LOG_ERR, "cannot look for logins without a record: %s; see tmout-recovery(7)",
                 strerror(error));
    if (reconcile->is_look) {
        announced_end(&reconcile->announced, true);
        reconcile->look_ms = earlier_ms(reconcile->look_ms, again_ms);
        set_alarm(reconcile);
        return;
    }
    if (reconcile->reason == LOGIN_FROM_SCAN)
        reconcile->reason = reconcile->because;
    search_at(reconcile, again_ms);
}

/* Somebody is logging in, and could come to have no record; or it cannot be told now. */
static void on_unsettled(struct reconcile *reconcile, const struct unsettled_process *process)
{
    if (process->verdict == LOGIN_UNREADABLE) {
        reconcile->unreadable++;
        reconcile->error = process->error;
    }
    if (reconcile->is_look)
        announced_unsettled(&reconcile->announced, process);
    else
        reconcile_look(reconcile, process->pid, reconcile->because, RECONCILE_PAUSE_MS);
}

static void take_part(struct reconcile *reconcile, const struct login_search *search)
{
    for (uint32_t i = 0; i < search->unsettled_count; i++)
        on_unsettled(reconcile, &search->unsettled[i]);
    for (uint32_t i = 0; i < search->count; i++)
        on_found(reconcile, &search->login[i]);
}

/* Not everything is settled by it. */
static void end_search(struct reconcile *reconcile)
{
    const int64_t pause_ms = reconcile->unreadable > 0 ? RETRY_SEARCH_MS : RECONCILE_PAUSE_MS;

    reconcile->has_failed = false;
    drop_missing(reconcile);
    if (log_begins(&reconcile->is_unreadable, reconcile->unreadable > 0))
        log_line(LOG_ERR,
                 "cannot read %u processes that may be logins without a record: %s; trying again; "
                 "see tmout-recovery(7)",
                 (unsigned)reconcile->unreadable, strerror(reconcile->error));
    if (!reconcile->is_look)
        return;
    announced_end(&reconcile->announced, false);
    if (reconcile->announced.count > 0)
        reconcile->look_ms =
            earlier_ms(reconcile->look_ms, later_ms(reconcile->loop->now.boot_ms, pause_ms));
}

static void on_searched(void *context, const struct answer *answer)
{
    struct reconcile *reconcile = context;
    static struct login_search search;

    loop_clock(reconcile->loop);
    reconcile->searching = NULL;
    if (!reconcile->is_look)
        reconcile->searched_ms = reconcile->loop->now.boot_ms;
    if (!answer_get(answer, &search, sizeof search)) {
        search_failed(reconcile, answer->error);
        return;
    }
    take_part(reconcile, &search);
    if (search.next == 0) {
        end_search(reconcile);
    } else if (!ask_part(reconcile, search.next)) {
        search_failed(reconcile, ENOMEM);
        return;
    }
    set_alarm(reconcile);
}

/* --- is it a login's process? ------------------------------------------------- */

struct judgement {
    enum record_verdict verdict;
    struct found_login login; /* for RECORD_REBUILD */
};

enum record_verdict record_judge(const struct login_evidence *evidence, uid_t *uid)
{
    switch (login_judge(evidence, uid)) {
    case LOGIN_OPEN:
        return RECORD_REBUILD;
    case LOGIN_PENDING: /* which has no record */
    case LOGIN_UNREADABLE:
        return RECORD_RETRY;
    case LOGIN_NONE:
    default:
        return evidence->is_root && evidence->error == 0 ? RECORD_KEEP : RECORD_REMOVE;
    }
}

static void judge_process(const void *input, int fd, struct answer *answer)
{
    const struct found_login *asked = input;
    struct login_evidence evidence;
    struct judgement judgement = {.verdict = RECORD_RETRY};
    uid_t uid = NO_UID;

    (void)fd;
    login_evidence_find(asked->pid, &evidence);
    judgement.verdict = record_judge(&evidence, &uid);
    judgement.login = found_login_of(&evidence, uid);
    if (judgement.verdict == RECORD_RETRY) {
        answer->presence = UNKNOWN;
        answer->error = evidence.error != 0 ? evidence.error : EAGAIN;
    } else {
        answer_put(answer, &judgement, sizeof judgement);
    }
}

static const char *what_is_wrong(const struct candidate *candidate)
{
    return candidate->is_newer ? "written by a newer version of pam_tmout" : "damaged";
}

static void on_verdict(struct candidate *candidate, const struct judgement *judgement)
{
    const char *directory = record_store_directory(candidate->reconcile->store);
    const int pid = (int)candidate->login.pid;

    switch (judgement->verdict) {
    case RECORD_REBUILD:
        candidate->login = judgement->login;
        candidate->state = CANDIDATE_LOGIN;
        candidate->next_ms = candidate->reconcile->loop->now.boot_ms;
        set_alarm(candidate->reconcile);
        return;
    case RECORD_REMOVE:
        log_line(
            LOG_ERR,
            "%s/%d: %s, and there is no such login process; removing it; see tmout-recovery(7)",
            directory, pid, what_is_wrong(candidate));
        record_store_remove(candidate->reconcile->store, candidate->login.pid);
        break;
    default:
        log_line(LOG_ERR,
                 "%s/%d: %s, and the process is not a login; ignoring it; see tmout-recovery(7)",
                 directory, pid, what_is_wrong(candidate));
    }
    drop_candidate(candidate);
}

static void on_judged(void *context, const struct answer *answer)
{
    struct candidate *candidate = context;
    struct judgement judgement;

    loop_clock(candidate->reconcile->loop);
    candidate->asking = NULL;
    if (answer_get(answer, &judgement, sizeof judgement)) {
        on_verdict(candidate, &judgement);
        return;
    }
    if (log_begins(&candidate->is_reported, true))
        log_line(LOG_ERR,
                 "%s/%d: %s, and its process cannot be read now: %s; the login is not watched for "
                 "now; see tmout-recovery(7)",
                 record_store_directory(candidate->reconcile->store), (int)candidate->login.pid,
                 what_is_wrong(candidate), strerror(answer->error));
    ask_again_later(candidate, answer);
}

/* --- whose login is it? --------------------------------------------------------- */

/* A name service may be slow, and login(1)'s terminal is read from what
 * its user's processes can keep locked. */
struct name_answer {
    char user[256];
    char terminal[32];
};

/* The name of this uid; NULL with errno. A name that belongs to another uid would give the
 * login the limits of somebody else. */
static char *name_of_uid(uid_t uid)
{
    struct account account = {0};
    char *user;

    errno = 0;
    user = account_name_of(uid);
    if (user == NULL) {
        errno = errno != 0 ? errno : ENXIO;
        return NULL;
    }
    const enum account_status status = account_lookup(user, false, &account);
    const int error = errno;
    const bool is_same = status == ACCOUNT_FOUND && account.uid == uid;
    account_free(&account);
    if (is_same)
        return user;
    free(user);
    errno = status == ACCOUNT_ERROR ? error : EPROTO;
    return NULL;
}

static void name_login(const void *input, int fd, struct answer *answer)
{
    const struct found_login *login = input;
    struct name_answer named = {.user = ""};
    char *user;

    (void)fd;
    user = name_of_uid(login->uid);
    if (user == NULL) {
        answer->presence = UNKNOWN;
        answer->error = errno;
        return;
    }
    snprintf(named.user, sizeof named.user, "%s", user);
    free(user);
    if (!login->is_ssh && found_login_terminal(login, named.terminal, sizeof named.terminal) != 0)
        answer_fail(answer, errno);
    else
        answer_put(answer, &named, sizeof named);
}

static void ask_about(struct candidate *candidate)
{
    const struct found_login *login = &candidate->login;
    struct question question = {.about = about_host(),
                                .work = judge_process,
                                .powers = MAY_LOOK,
                                .input = login,
                                .input_size = sizeof *login,
                                .fd = -1,
                                .done = on_judged,
                                .context = candidate};

    if (candidate->state == CANDIDATE_LOGIN) {
        question.about =
            login->is_ssh ? about_name_service(login->uid % NAMES_AT_ONCE) : about_user(login->uid);
        question.work = name_login;
        question.powers = login->is_ssh ? MAY_NOTHING : MAY_LOOK;
        question.is_patient = true;
        question.deadline_ms = NAME_DEADLINE_MS;
        question.done = on_named;
    }
    candidate->next_ms = NEVER_MS;
    candidate->asking = helpers_ask(candidate->reconcile->loop->helpers, &question);
    if (candidate->asking == NULL)
        candidate->next_ms = candidate->reconcile->loop->now.boot_ms + RETRY_SEARCH_MS;
}

static void reconcile_on_alarm(void *context, int64_t late_ms)
{
    struct reconcile *reconcile = context;
    const int64_t now_ms = reconcile->loop->now.boot_ms;

    (void)late_ms;
    for (size_t i = 0; i < reconcile->candidate_count; i++)
        if (reconcile->candidate[i]->next_ms <= now_ms)
            ask_about(reconcile->candidate[i]);
    if (reconcile->search_ms <= now_ms && reconcile->searching == NULL)
        start_search(reconcile);
    if (reconcile->look_ms <= now_ms && reconcile->searching == NULL)
        start_look(reconcile);
    set_alarm(reconcile);
}

/* --- its record ---------------------------------------------------------------- */

/* In the place of one that cannot be used. */
static void save_rebuilt(const struct candidate *candidate, const struct session_record *record)
{
    struct record_store *store = candidate->reconcile->store;

    if (candidate->is_newer) {
        log_line(LOG_ERR,
                 "%s/%d: written by a newer version of pam_tmout; the login is watched as /proc "
                 "shows it, until tmoutd is restarted; see tmout-recovery(7) user=%s",
                 record_store_directory(store), (int)record->pid, record->user);
    } else {
        log_line(LOG_ERR, "%s/%d: was damaged, rebuilt from /proc; see tmout-recovery(7) user=%s",
                 record_store_directory(store), (int)record->pid, record->user);
        record_store_save(store, record);
    }
}

/* The login has a name, and so it can be watched. */
static void settle(const struct candidate *candidate, const struct name_answer *named)
{
    struct reconcile *reconcile = candidate->reconcile;
    struct session_record record;

    found_login_record(&candidate->login, named->user, candidate->source, &reconcile->loop->now,
                       &record);
    snprintf(record.terminal, sizeof record.terminal, "%s", named->terminal);
    if (candidate->source == LOGIN_REBUILT)
        save_rebuilt(candidate, &record);
    else if (record_store_add(reconcile->store, &record))
        log_line(LOG_WARNING,
                 "a login had no record; it is watched from now on; see tmout-recovery(7) user=%s "
                 "service=%s pid=%d found_by=%s",
                 record.user, record.service, (int)record.pid, login_source_name(record.source));
    reconcile->hooks.found(reconcile->hooks.context, &record);
}

static void on_named(void *context, const struct answer *answer)
{
    struct candidate *candidate = context;
    struct name_answer named;

    loop_clock(candidate->reconcile->loop);
    candidate->asking = NULL;
    if (answer_get(answer, &named, sizeof named)) {
        settle(candidate, &named);
        drop_candidate(candidate);
    } else if (answer->presence == GONE) {
        drop_candidate(candidate);
    } else {
        if (log_begins(&candidate->is_reported, true))
            log_line(LOG_ERR,
                     "a login has no record, and its user cannot be looked up: %s; it is not "
                     "watched for now; see tmout-recovery(7) uid=%u pid=%d",
                     answer->error == ENXIO ? "no such user" : account_strerror(answer->error),
                     (unsigned)candidate->login.uid, (int)candidate->login.pid);
        ask_again_later(candidate, answer);
    }
}
