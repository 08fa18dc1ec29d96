#include "tools/tmoutctl/sshd/named.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/groups.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How many kinds of users sshd is asked about. For each, it takes some milliseconds,
 * and more with a long configuration. */
enum { KINDS_MAX = 200 };

/* A name or pattern of a user or a group. */
struct pattern {
    char *text;
    size_t length;
    bool is_group;
    bool is_absent; /* known to be nobody's */
};

struct search {
    struct pattern *pattern;
    size_t pattern_count;
    char **seen; /* for each user found: which of the patterns apply, as a string */
    struct listed_users users;
    struct sshd_named *named;
    struct failure *failure;
};

static int search_out_of_memory(const struct search *search)
{
    failure_set(search->failure, "out of memory");
    return -1;
}

/* --- patterns ------------------------------------------------------------- */

static struct pattern *pattern_find(struct search *search, const char *text, size_t length,
                                    bool is_group)
{
    for (size_t i = 0; i < search->pattern_count; i++)
        if (search->pattern[i].is_group == is_group && search->pattern[i].length == length &&
            memcmp(search->pattern[i].text, text, length) == 0)
            return &search->pattern[i];
    return NULL;
}

static int pattern_add(struct search *search, const char *text, size_t length, bool is_group)
{
    length -= length > 0 && *text == '!';
    text += *text == '!';
    if (pattern_find(search, text, length, is_group) != NULL)
        return 0;
    char *copy = strndup(text, length);
    struct pattern *grown =
        copy != NULL ? array_grow(search->pattern, search->pattern_count, sizeof *grown) : NULL;
    if (grown == NULL) {
        free(copy);
        return search_out_of_memory(search);
    }
    search->pattern = grown;
    search->pattern[search->pattern_count++] = (struct pattern){copy, length, is_group, false};
    return 0;
}

/* Adds what is between the commas; a user may have a host behind an @. */
static int patterns_add_list(struct search *search, const char *list, bool is_group)
{
    int result = 0;

    for (const char *item = list; result == 0 && *item != '\0'; item += *item == ',') {
        const size_t length = strcspn(item, ",");
        const char *at = is_group ? NULL : memchr(item, '@', length);
        result = pattern_add(search, item, at != NULL ? (size_t)(at - item) : length, is_group);
        item += length;
    }
    return result;
}

/* The next criterion of a Match line: its name, and its value, "" for one that has
 * none. False: no more. */
static bool next_criterion(const char **rest, char *name, char *value, size_t size)
{
    value[0] = '\0';
    if (!sshd_next_word(rest, name, size))
        return false;
    char *equals = strchr(name, '=');
    if (equals != NULL) {
        *equals = '\0';
        memmove(value, equals + 1, strlen(equals + 1) + 1);
    } else if (strcasecmp(name, "all") != 0 && strcasecmp(name, "invalid-user") != 0) {
        sshd_next_word(rest, value, size);
    }
    return true;
}

enum { VALUE_MAX = 64 * 1024 };

static int patterns_of_match(struct search *search, const struct sshd_line *line)
{
    char *name = malloc(VALUE_MAX), *value = malloc(VALUE_MAX);
    const char *rest = line->arguments;
    int result = name != NULL && value != NULL ? 0 : search_out_of_memory(search);

    while (result == 0 && next_criterion(&rest, name, value, VALUE_MAX)) {
        const bool is_group = strcasecmp(name, "group") == 0;
        if (is_group || strcasecmp(name, "user") == 0)
            result = patterns_add_list(search, value, is_group);
    }
    free(value);
    free(name);
    return result;
}

static int patterns_of_line(struct search *search, const struct sshd_line *line)
{
    static const char *const about_users[] = {"AllowUsers", "DenyUsers"};
    static const char *const about_groups[] = {"AllowGroups", "DenyGroups"};
    char word[512];
    int result = 0;

    if (strcasecmp(line->keyword, "match") == 0)
        return patterns_of_match(search, line);
    for (size_t i = 0; i < 2; i++) {
        const bool is_group = strcasecmp(line->keyword, about_groups[i]) == 0;
        const char *rest = line->arguments;
        if (!is_group && strcasecmp(line->keyword, about_users[i]) != 0)
            continue;
        while (result == 0 && sshd_next_word(&rest, word, sizeof word))
            result = patterns_add_list(search, word, is_group);
    }
    return result;
}

/* Adds the name of a rule. */
static int pattern_of_rule(struct search *search, const struct rule *rule, bool is_absent)
{
    const size_t length = strlen(rule->name);
    const bool is_group = rule->kind == RULE_GROUP;

    if (rule->kind == RULE_DEFAULT)
        return 0;
    if (pattern_add(search, rule->name, length, is_group) != 0)
        return -1;
    struct pattern *pattern = pattern_find(search, rule->name, length, is_group);
    if (pattern != NULL)
        pattern->is_absent = is_absent;
    return 0;
}

static int patterns_find(struct search *search, const struct sshd_named_question *question)
{
    const struct policy *policy = question->policy;
    int result = 0;

    for (size_t i = 0; result == 0 && i < question->text->count; i++)
        result = patterns_of_line(search, &question->text->line[i]);
    for (size_t i = 0; result == 0 && i < policy->count; i++)
        result = pattern_of_rule(search, &policy->rule[i],
                                 question->absent != NULL && question->absent[i]);
    return result;
}

static bool has_group(const struct account *user, const char *pattern)
{
    for (size_t i = 0; i < user->group_count; i++)
        if (fnmatch(pattern, user->group[i], 0) == 0)
            return true;
    return false;
}

static bool pattern_applies(const char *pattern, const struct account *user, bool is_group)
{
    return is_group ? has_group(user, pattern) : fnmatch(pattern, user->name, 0) == 0;
}

/* --- users ---------------------------------------------------------------- */

/* Adds the user unless one is there to whom the same patterns apply. */
static int add_account(struct search *search, struct account *user)
{
    char *applies = calloc(search->pattern_count + 1, 1);
    char **seen =
        applies != NULL ? array_grow(search->seen, search->named->count, sizeof *seen) : NULL;
    struct account *grown =
        seen != NULL ? array_grow(search->named->user, search->named->count, sizeof *grown) : NULL;
    bool is_new = true;

    if (seen != NULL)
        search->seen = seen;
    if (grown == NULL) {
        free(applies);
        account_free(user);
        return search_out_of_memory(search);
    }
    search->named->user = grown;
    for (size_t i = 0; i < search->pattern_count; i++)
        applies[i] =
            pattern_applies(search->pattern[i].text, user, search->pattern[i].is_group) ? 'x' : '-';
    for (size_t i = 0; is_new && i < search->named->count; i++)
        is_new = strcmp(seen[i], applies) != 0;
    if (!is_new || search->named->count >= KINDS_MAX) {
        free(applies);
        account_free(user);
        if (is_new)
            failure_set(search->failure,
                        "sshd's configuration and the policy treat users in more than %d ways",
                        KINDS_MAX);
        return is_new ? -1 : 0;
    }
    search->seen[search->named->count] = applies;
    search->named->user[search->named->count++] = *user;
    return 0;
}

/* Looks a user up; one who does not exist is passed over. */
static int add_user(void *context, const char *name)
{
    struct search *search = context;
    struct account user = {0};

    switch (account_lookup(name, true, &user)) {
    case ACCOUNT_FOUND:
        return add_account(search, &user);
    case ACCOUNT_ERROR:
        failure_set(search->failure, "the name service could not be asked about user %s: %s", name,
                    strerror(errno));
        return -1;
    case ACCOUNT_UNKNOWN:
    default:
        return 0;
    }
}

/* Adds all users and members of all groups that a pattern with wildcards covers. */
static int add_by_wildcard(struct search *search, const struct pattern *pattern)
{
    int result = listed_users_find(&search->users, search->failure);

    for (size_t i = 0; result == 0 && i < search->users.count; i++) {
        const char *name = search->users.item[i].name;
        if (pattern->is_group || fnmatch(pattern->text, name, 0) == 0)
            result = add_user(search, name);
    }
    return result;
}

int sshd_named_find(const struct sshd_named_question *question, struct sshd_named *named,
                    struct failure *failure)
{
    struct search search = {.named = named, .failure = failure};
    int result = patterns_find(&search, question);

    for (size_t i = 0; result == 0 && i < search.pattern_count; i++) {
        const struct pattern *pattern = &search.pattern[i];
        if (strpbrk(pattern->text, "*?") != NULL)
            result = add_by_wildcard(&search, pattern);
        else if (pattern->is_absent)
            continue;
        else if (pattern->is_group)
            result = group_members(pattern->text, &search.users, add_user, &search, failure);
        else
            result = add_user(&search, pattern->text);
    }
    for (size_t i = 0; i < search.pattern_count; i++)
        free(search.pattern[i].text);
    free(search.pattern);
    listed_users_free(&search.users);
    for (size_t i = 0; search.seen != NULL && i < named->count; i++)
        free(search.seen[i]);
    free(search.seen);
    return result;
}

void sshd_named_free(struct sshd_named *named)
{
    for (size_t i = 0; i < named->count; i++)
        account_free(&named->user[i]);
    free(named->user);
    *named = (struct sshd_named){0};
}

/* --- Match ---------------------------------------------------------------- */

/* As match_pattern_list() of OpenSSH: a negated pattern that applies decides. */
static bool list_applies(char *list, const struct account *user, bool is_group)
{
    bool applies = false;

    for (char *item; (item = strsep(&list, ",")) != NULL;) {
        if (!pattern_applies(item + (item[0] == '!'), user, is_group))
            continue;
        if (item[0] == '!')
            return false;
        applies = true;
    }
    return applies;
}

bool sshd_match_applies(const struct sshd_line *match, const struct account *user)
{
    char *name = malloc(VALUE_MAX), *value = malloc(VALUE_MAX);
    const char *rest = match->arguments;
    bool applies = true;

    while (applies && name != NULL && value != NULL &&
           next_criterion(&rest, name, value, VALUE_MAX)) {
        const bool is_group = strcasecmp(name, "group") == 0;
        if (is_group || strcasecmp(name, "user") == 0)
            applies = list_applies(value, user, is_group);
    }
    free(value);
    free(name);
    return applies;
}
