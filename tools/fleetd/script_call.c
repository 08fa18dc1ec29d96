#include "tools/fleetd/script_call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_word(struct script_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_word(struct script_call *call, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(call->word[call->words++], SCRIPT_WORD_SIZE, format, arguments);
    va_end(arguments);
}

/* Two users never share a key. */
static void set_key(struct script_call *call, const struct script_target *target)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t used = (size_t)snprintf(call->key, sizeof call->key, SCRIPT_KEYS "a:", target->prefix,
                                   target->prefix);

    for (const char *c = target->request->user; *c != '\0'; c++)
        used += (size_t)snprintf(call->key + used, sizeof call->key - used,
                                 strchr(plain, *c) != NULL ? "%c" : "%%%02x", (unsigned char)*c);
}

static void to_hex(char *text, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
}

static void add_origin(struct script_call *call, const struct origin *origin)
{
    char digits[17] = "";

    to_hex(digits, origin->address, origin->kind == ORIGIN_IPV4 ? 4 : 8);
    if (origin->kind == ORIGIN_IPV4)
        add_word(call, "4%s", digits);
    else if (origin->kind == ORIGIN_IPV6)
        add_word(call, "6%s", digits);
    else
        add_word(call, "n");
}

static void begin(struct script_call *call, const struct script_target *target,
                  const char *operation)
{
    const struct attempt_limits *limits = &target->request->limits;

    call->words = 0;
    set_key(call, target);
    add_word(call, "%s", operation);
    add_origin(call, &target->request->origin);
    add_word(call, "%u", limits->max_attempts);
    add_word(call, "%" PRId64, limits->window_ms);
    add_word(call, "%" PRId64, limits->lock_ms == SETTING_FOREVER ? -1 : limits->lock_ms);
    add_word(call, "%d", limits->by_source);
}

static void add_id(struct script_call *call, const struct script_target *target)
{
    char digits[2 * FLEET_ID_SIZE + 1];

    to_hex(digits, target->request->id, FLEET_ID_SIZE);
    add_word(call, "%s", digits);
}

void script_call_admit(struct script_call *call, const struct script_target *target,
                       int64_t deadline_ms)
{
    begin(call, target, "admit");
    add_id(call, target);
    add_word(call, "%.64s", target->host);
    add_word(call, "%d", target->lease_ms);
    add_word(call, "%" PRId64, deadline_ms);
}

void script_call_renew(struct script_call *call, const struct script_target *target)
{
    begin(call, target, "renew");
    add_id(call, target);
    add_word(call, "%d", target->lease_ms);
}

void script_call_settle(struct script_call *call, const struct script_target *target,
                        const struct script_end *end)
{
    static const int outcome[] = {
        [ATTEMPT_FAILED] = 0, [ATTEMPT_SUCCEEDED] = 1, [ATTEMPT_WITHDRAWN] = 2};

    begin(call, target, "settle");
    add_id(call, target);
    add_word(call, "%.64s", target->host);
    add_word(call, "%d", outcome[target->request->outcome]);
    add_word(call, "%" PRId64, end->since_ms);
    add_word(call, "%" PRId64, end->at_ms);
    add_word(call, "%" PRId64, end->locked_ms);
}

void script_call_merge(struct script_call *call, const struct script_target *target,
                       int64_t since_ms)
{
    begin(call, target, "merge");
    add_id(call, target);
    add_word(call, "%.64s", target->host);
    add_word(call, "%d", target->lease_ms);
    add_word(call, "%" PRId64, since_ms);
}

void script_call_look(struct script_call *call, const struct script_target *target)
{
    begin(call, target, "look");
}

void script_call_forget(struct script_call *call, const struct script_target *target, int64_t at_ms)
{
    begin(call, target, "forget");
    add_word(call, "%" PRId64, at_ms);
}

/* What concerns all hosts, and no user's count. */
static void begin_for_all(struct script_call *call, const struct script_target *target,
                          const char *operation, const char *key)
{
    static const struct fleet_request nobody = {
        .origin = {.kind = ORIGIN_NETWORK},
        .limits = {.max_attempts = 1, .window_ms = 1, .lock_ms = 1}};
    struct script_target all = *target;

    all.request = &nobody;
    begin(call, &all, operation);
    snprintf(call->key, sizeof call->key, SCRIPT_KEYS "%s", target->prefix, target->prefix, key);
}

void script_call_announce(struct script_call *call, const struct script_target *target,
                          uint64_t policy)
{
    begin_for_all(call, target, "announce", "hosts");
    add_word(call, "%.64s", target->host);
    add_word(call, "%" PRIx64, policy);
}

void script_call_mark(struct script_call *call, const struct script_target *target)
{
    enum { PART_SIZE = 32 };
    const char *user = target->request->user;
    const size_t length = strlen(user);
    char digits[2 * PART_SIZE + 1];

    begin_for_all(call, target, "mark", "hosts");
    add_word(call, "%" PRId64, target->request->unlocked_ms);
    add_id(call, target);
    add_word(call, "%zu", (length + PART_SIZE - 1) / PART_SIZE);
    for (size_t at = 0; at < length; at += PART_SIZE) {
        to_hex(digits, (const unsigned char *)user + at,
               length - at < PART_SIZE ? length - at : PART_SIZE);
        add_word(call, "%s", digits);
    }
}

void script_call_marks(struct script_call *call, const struct script_target *target)
{
    begin_for_all(call, target, "marks", "hosts");
}

void script_call_probe(struct script_call *call, const char *prefix, bool at_first)
{
    const struct script_target target = {.prefix = prefix};

    begin_for_all(call, &target, at_first ? "trial" : "probe", "probe");
}

void script_call_began(struct script_call *call, const char *prefix, const char *run_id)
{
    const struct script_target target = {.prefix = prefix};
    const bool is_plain = run_id[0] != '\0' && run_id[strspn(run_id, "0123456789abcdef")] == '\0';

    begin_for_all(call, &target, "began", "hosts");
    add_word(call, "%.64s", is_plain ? run_id : "0");
}

bool script_answer_decode(const int64_t *number, size_t count, struct script_answer *answer)
{
    if (count != SCRIPT_NUMBERS || number[0] < SCRIPT_ADMITTED || number[0] > SCRIPT_UNKNOWN ||
        number[1] < 0 || number[1] > ATTEMPTS_MAX || number[2] < 0 || number[2] > ATTEMPTS_MAX ||
        number[3] < -1 || number[3] > SCRIPT_TIME_MAX_MS || number[4] < 0 ||
        number[4] > SCRIPT_TIME_MAX_MS || number[5] < 0 || number[6] < 0 ||
        number[6] > SCRIPT_TIME_MAX_MS)
        return false;
    *answer = (struct script_answer){.status = (enum script_status)number[0],
                                     .failures = (uint32_t)number[1],
                                     .in_flight = (uint32_t)number[2],
                                     .lock_left_ms = number[3] < 0 ? SETTING_FOREVER : number[3],
                                     .now_ms = number[4],
                                     .changes = number[5],
                                     .since_ms = number[6]};
    return true;
}
