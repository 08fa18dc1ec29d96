#include "tools/tmoutctl/pam/users.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/text_file.h"
#include "tools/tmoutctl/host/vendor.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *pam_user_kind_word(enum pam_user_kind kind)
{
    static const char *const words[PAM_USER_KINDS] = {"local", "directory", "system"};

    return words[kind];
}

/* --- where people begin --------------------------------------------------- */

/* The largest uid; the one above it means "none". */
#define UID_LAST 4294967294LL

/* The first word after a key at the start of a line of login.defs as a number, or
 * the fallback. */
static long long login_number(const struct text_file *file, const char *key, long long fallback)
{
    struct text_line line = {.number = 0};
    const size_t length = strlen(key);

    while (next_text_line(file, &line)) {
        const char *at = line.start + strspn(line.start, " \t");
        char *end;
        if (strncmp(at, key, length) != 0 || strchr(" \t", at[length]) == NULL)
            continue;
        at += length + strspn(at + length, " \t");
        errno = 0;
        const unsigned long long value = strtoull(at, &end, 10);
        if (end == at || errno != 0 || value > UID_LAST || strchr(" \t\r\n", *end) == NULL)
            return fallback;
        return (long long)value;
    }
    return fallback;
}

void pam_uids_read(const struct host *host, struct pam_uids *uids)
{
    struct vendor_path place;
    struct text_file file;

    *uids = (struct pam_uids){.system_max = 999, .people_min = 1000};
    if (host_read_text(host, vendor_file(host, "/etc/login.defs", &place), 0, TEXT_FILE_SIZE_MAX,
                       &file) != 0)
        return;
    uids->people_min = login_number(&file, "UID_MIN", uids->people_min);
    uids->system_max = login_number(&file, "SYS_UID_MAX", uids->people_min - 1);
    if (uids->system_max >= uids->people_min)
        uids->system_max = uids->people_min - 1;
    free(file.text);
}

/* --- answers --------------------------------------------------------------- */

/* FAILS: it does not succeed, but which error it is depends on more than is known;
 * MAYBE: so does everything. */
enum answer { NO, YES, FAILS, MAYBE };

/* A word of a line's arguments, up to a blank. */
struct word {
    const char *text;
    size_t length;
};

/* The next word of *at, which is moved past it; false at the end. */
static bool take_word(const char **at, struct word *word)
{
    word->text = *at + strspn(*at, " \t");
    word->length = strcspn(word->text, " \t");
    *at = word->text + word->length;
    return word->length > 0;
}

/* Keywords of pam_succeed_if know no case. */
static bool word_is(struct word word, const char *text)
{
    return word.length == strlen(text) && strncasecmp(word.text, text, word.length) == 0;
}

static bool is_any_of(struct word word, const char *const *texts)
{
    while (*texts != NULL && !word_is(word, *texts))
        texts++;
    return *texts != NULL;
}

/* Is the user's uid among those from least to most? */
static enum answer uid_between(const struct pam_user *user, long long least, long long most)
{
    const bool is_system = user->kind == PAM_USERS_SYSTEM;
    const long long first = is_system ? 0 : user->uids.people_min;
    const long long last = is_system ? user->uids.system_max : UID_LAST;

    if (least <= first && last <= most)
        return YES;
    return most < first || last < least || most < least ? NO : MAYBE;
}

static enum answer inverted(enum answer answer)
{
    return answer == MAYBE ? MAYBE : answer == YES ? NO : YES;
}

/* "uid", a comparison, and a number as strtoll() reads it. */
static enum answer compare_uid(const struct pam_user *user, struct word how, struct word right)
{
    char *end;

    errno = 0;
    const long long number = strtoll(right.text, &end, 0);
    /* "=" compares text: no other spelling of a number is equal to it. */
    const bool is_plain = right.length == 1 || right.text[0] != '0';
    if (end != right.text + right.length || end == right.text || errno != 0 || !is_plain)
        return MAYBE;
    if (word_is(how, "<") || word_is(how, "lt"))
        return uid_between(user, 0, number - 1);
    if (word_is(how, "<=") || word_is(how, "le"))
        return uid_between(user, 0, number);
    if (word_is(how, ">") || word_is(how, "gt"))
        return uid_between(user, number + 1, UID_LAST);
    if (word_is(how, ">=") || word_is(how, "ge"))
        return uid_between(user, number, UID_LAST);
    if (word_is(how, "=") || word_is(how, "eq"))
        return uid_between(user, number, number);
    if (word_is(how, "!=") || word_is(how, "ne"))
        return inverted(uid_between(user, number, number));
    return MAYBE;
}

/* The first name of a list is taken from *list; names end with a colon. */
static bool take_name(struct word *list, struct word *name)
{
    if (list->length == 0)
        return false;
    *name = (struct word){list->text, 0};
    while (name->length < list->length && list->text[name->length] != ':')
        name->length++;
    const size_t taken = name->length + (name->length < list->length);
    *list = (struct word){list->text + taken, list->length - taken};
    return true;
}

static bool has_exactly(struct word word, const char *text)
{
    return word.length == strlen(text) && strncmp(word.text, text, word.length) == 0;
}

/* A string of which the whole value is known, compared with the right side. */
static enum answer compare_text(const char *left, struct word how, struct word right)
{
    char pattern[256];
    struct word name;
    bool is_in = false;

    if (word_is(how, "="))
        return has_exactly(right, left) ? YES : NO;
    if (word_is(how, "!="))
        return has_exactly(right, left) ? NO : YES;
    if (word_is(how, "in") || word_is(how, "notin")) {
        while (!is_in && take_name(&right, &name))
            is_in = has_exactly(name, left);
        return is_in == word_is(how, "in") ? YES : NO;
    }
    if (right.length >= sizeof pattern)
        return MAYBE;
    snprintf(pattern, sizeof pattern, "%.*s", (int)right.length, right.text);
    if (word_is(how, "=~") || word_is(how, "glob"))
        return fnmatch(pattern, left, 0) == 0 ? YES : NO;
    if (word_is(how, "!~") || word_is(how, "noglob"))
        return fnmatch(pattern, left, 0) != 0 ? YES : NO;
    return MAYBE;
}

/* Of names it is known that root is a system account, and no more. */
static enum answer compare_user(const struct pam_user *user, struct word how, struct word right)
{
    const bool is_positive = word_is(how, "=") || word_is(how, "in");
    struct word name;

    if (user->kind == PAM_USERS_SYSTEM ||
        !(is_positive || word_is(how, "!=") || word_is(how, "notin")))
        return MAYBE;
    while (take_name(&right, &name))
        if (!has_exactly(name, "root"))
            return MAYBE;
    return is_positive ? NO : YES;
}

/* One of pam_succeed_if's conditions; of_caller: it is about who runs the program. */
static enum answer judge_condition(const struct pam_user *user, const struct word part[3],
                                   bool of_caller)
{
    static const char *const names[] = {"user", "login", "name", NULL};
    static const char *const about_groups[] = {"ingroup", "notingroup", "innetgr", "notinnetgr",
                                               NULL};

    if (is_any_of(part[1], about_groups))
        return MAYBE;
    if (word_is(part[0], "service"))
        return user->service != NULL ? compare_text(user->service, part[1], part[2]) : MAYBE;
    if (of_caller)
        return MAYBE;
    if (word_is(part[0], "uid"))
        return compare_uid(user, part[1], part[2]);
    return is_any_of(part[0], names) ? compare_user(user, part[1], part[2]) : MAYBE;
}

/* All conditions must be met; none at all is a success, half a one an error. */
static enum answer judge_succeed_if(const struct pam_user *user, const struct pam_line *line)
{
    static const char *const flags[] = {"debug",         "use_uid", "quiet", "quiet_fail",
                                        "quiet_success", "audit",   NULL};
    const bool of_caller = pam_line_has(line, "use_uid");
    const char *at = line->arguments;
    enum answer all = YES;
    struct word word, part[3];
    size_t parts = 0;

    while (take_word(&at, &word)) {
        if (is_any_of(word, flags))
            continue;
        part[parts++] = word;
        if (parts < 3)
            continue;
        parts = 0;
        const enum answer one = judge_condition(user, part, of_caller);
        if (one == NO)
            return all == YES ? NO : FAILS;
        if (one == MAYBE)
            all = MAYBE;
    }
    return parts == 0 ? all : MAYBE;
}

static enum answer judge_usertype(const struct pam_user *user, const struct pam_line *line)
{
    const bool is_system = user->kind == PAM_USERS_SYSTEM;
    const bool asks_system = pam_line_has(line, "issystem");

    if (pam_line_has(line, "use_uid") || asks_system == pam_line_has(line, "isregular"))
        return MAYBE;
    return is_system == asks_system ? YES : NO;
}

bool pam_user_may_get(const struct pam_user *user, const struct pam_line *line, int result)
{
    enum answer answer = MAYBE;
    int no = PAM_AUTH_ERR;

    if (pam_line_is(line, "pam_localuser.so")) {
        answer = user->kind == PAM_USERS_DIRECTORY ? NO : YES;
        no = PAM_PERM_DENIED;
    } else if (pam_line_is(line, "pam_usertype.so")) {
        answer = judge_usertype(user, line);
    } else if (pam_line_is(line, "pam_succeed_if.so")) {
        answer = judge_succeed_if(user, line);
    }
    if (answer == MAYBE || answer == FAILS)
        return answer == MAYBE || result != PAM_SUCCESS;
    return result == (answer == YES ? PAM_SUCCESS : no);
}
