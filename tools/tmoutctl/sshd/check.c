#include "tools/tmoutctl/sshd/check.h"

#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/sshd/site.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- whom to ask about --------------------------------------------------- */

struct names {
    char **item;
    size_t count;
};

static int names_add(struct names *names, const char *name)
{
    /* Doubling, at the powers of two. */
    if ((names->count & (names->count - 1)) == 0) {
        char **grown =
            reallocarray(names->item, names->count == 0 ? 1 : 2 * names->count, sizeof *grown);
        if (grown == NULL)
            return -1;
        names->item = grown;
    }
    names->item[names->count] = strdup(name);
    return names->item[names->count++] != NULL ? 0 : -1;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Sorted, each once. */
static void names_settle(struct names *names)
{
    size_t kept = 0;

    if (names->count > 1)
        qsort(names->item, names->count, sizeof *names->item, by_name);
    for (size_t i = 0; i < names->count; i++) {
        if (kept > 0 && strcmp(names->item[kept - 1], names->item[i]) == 0)
            free(names->item[i]);
        else
            names->item[kept++] = names->item[i];
    }
    names->count = kept;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->item[i]);
    free(names->item);
    *names = (struct names){0};
}

/* Those that NSS lists as a group's members, and those whose first group it is. */
static int add_members(const char *name, struct names *names)
{
    const struct group *group = getgrnam(name);
    const struct passwd *user;
    int result = 0;

    if (group == NULL)
        return 0;
    const gid_t gid = group->gr_gid;
    for (char **member = group->gr_mem; *member != NULL; member++)
        if (names_add(names, *member) != 0)
            return -1;
    setpwent();
    while (result == 0 && (user = getpwent()) != NULL)
        if (user->pw_gid == gid)
            result = names_add(names, user->pw_name);
    endpwent();
    return result;
}

static int find_users(const struct dropin *dropin, struct names *names)
{
    for (size_t i = 0; i < dropin->count; i++) {
        const struct dropin_rule *rule = &dropin->rule[i];
        if (rule->kind == RULE_USER && names_add(names, rule->name) != 0)
            return -1;
        if (rule->kind == RULE_GROUP && add_members(rule->name, names) != 0)
            return -1;
    }
    names_settle(names);
    return 0;
}

/* --- comparing ----------------------------------------------------------- */

struct check {
    const struct tmoutctl_context *context;
    const struct policy_view *view;
    const bool *known;
    size_t users, differences;
    json_t *list;   /* of the differences */
    json_t *looser; /* what the site's own Match blocks have */
};

/* Where a value of the policy comes from, as in: default, FILE:LINE. */
static void origin_text(const struct check *check, const struct resolved_setting *setting,
                        char *text, size_t size)
{
    char path[512];

    snapshot_source_path(&check->view->snapshot, setting->file, path, sizeof path);
    if (setting->kind == RULE_DEFAULT)
        snprintf(text, size, "default, %s:%u", path, setting->line);
    else
        snprintf(text, size, "%s \"%s\", %s:%u", rule_kind_word(setting->kind), setting->name, path,
                 setting->line);
}

static int add_difference(struct check *check, const char *user, const struct sshd_keyword *keyword,
                          const struct resolution *resolution, const char *printed)
{
    const struct resolved_setting *setting = &resolution->setting[keyword->id];
    const char *has = printed != NULL ? printed : "none";
    char wanted[SETTING_TEXT_MAX], origin[1024];

    check->differences++;
    sshd_value_format(keyword->id, setting->value, resolution->text, wanted, sizeof wanted);
    origin_text(check, setting, origin, sizeof origin);
    if (!check->context->json) {
        printf("%s%s: %s is %s, the policy has %s (%s)\n", user != NULL ? "user " : "",
               user != NULL ? user : "everybody", keyword->keyword, has, wanted, origin);
        return 0;
    }
    json_t *entry =
        json_pack("{s:o, s:s, s:o, s:s, s:o}", "user", user != NULL ? json_text(user) : json_null(),
                  "keyword", keyword->keyword, "sshd", json_text(has), "policy", wanted, "rule",
                  json_text(origin));
    return entry != NULL ? json_array_append_new(check->list, entry) : -1;
}

/* Asks sshd about one user, or everybody, and compares. */
static int compare(struct check *check, const char *user, const struct resolution *resolution)
{
    struct sshd_config config = {0};
    struct failure failure = {""};
    int result = sshd_effective(user, &config, &failure);

    if (result != 0)
        report("%s", failure.text);
    for (size_t i = 0; result == 0 && i < sshd_keyword_count; i++) {
        const struct sshd_keyword *keyword = &sshd_keywords[i];
        const struct resolved_setting *setting = &resolution->setting[keyword->id];
        const char *printed = sshd_config_value(&config, keyword->keyword);
        if (!check->known[i] || !setting->from_rule ||
            (user != NULL && settings[keyword->id].default_only != NULL) ||
            sshd_value_is(keyword->id, setting->value, resolution->text, printed))
            continue;
        result = add_difference(check, user, keyword, resolution, printed);
    }
    sshd_config_free(&config);
    return result;
}

static int compare_everybody(struct check *check)
{
    const struct account nobody_in_particular = {.name = ""};
    struct resolution resolution;

    if (policy_view_resolve(check->context, check->view, &nobody_in_particular, &resolution) != 0)
        return -1;
    return compare(check, NULL, &resolution);
}

/* A rule may name somebody who is not there: nothing to compare. */
static int compare_user(struct check *check, const char *user)
{
    struct account account = {0};
    struct resolution resolution;
    int result = -1;

    switch (account_lookup(user, true, &account)) {
    case ACCOUNT_UNKNOWN:
        return 0;
    case ACCOUNT_ERROR:
        report("%s cannot be looked up", user);
        return -1;
    case ACCOUNT_FOUND:
    default:
        break;
    }
    check->users++;
    if (policy_view_resolve(check->context, check->view, &account, &resolution) == 0)
        result = compare(check, account.name, &resolution);
    account_free(&account);
    return result;
}

/* --- the site's own Match blocks ----------------------------------------- */

/* They beat the default section, and that is right: it is said, no more. */
static int say_looser(struct check *check, const struct sshd_line *line,
                      const struct sshd_site_value *site, int64_t value)
{
    char wanted[SETTING_TEXT_MAX];

    sshd_value_format(site->keyword->id, value, "", wanted, sizeof wanted);
    if (!check->context->json) {
        if (!check->context->quiet)
            printf("%s:%u: %s %s, in a Match block of the site's own, beats the policy's default, "
                   "%s\n",
                   line->file, line->line, site->keyword->keyword, site->text, wanted);
        return 0;
    }
    json_t *entry = json_pack("{s:o, s:I, s:s, s:o, s:s}", "file", json_text(line->file), "line",
                              (json_int_t)line->line, "keyword", site->keyword->keyword, "sshd",
                              json_text(site->text), "policy", wanted);
    return entry != NULL ? json_array_append_new(check->looser, entry) : -1;
}

static const struct rule_setting *find_default(const struct dropin *dropin, enum setting_id id)
{
    for (size_t i = 0; i < dropin->count; i++)
        if (dropin->rule[i].kind == RULE_DEFAULT && dropin->rule[i].says.setting[id].set)
            return &dropin->rule[i].says.setting[id];
    return NULL;
}

static int find_looser(struct check *check, const struct dropin *dropin)
{
    struct sshd_site_value site;
    struct sshd_text text;
    int result = sshd_text_read("", &text);

    for (size_t i = 0; result == 0 && i < text.count; i++) {
        if (!sshd_site_read(&text.line[i], &site))
            continue;
        const struct rule_setting *ours = find_default(dropin, site.keyword->id);
        if (ours != NULL && setting_stricter(&settings[site.keyword->id], ours->value, site.value))
            result = say_looser(check, &text.line[i], &site, ours->value);
    }
    sshd_text_free(&text);
    return result;
}

/* --- the answer ---------------------------------------------------------- */

static int answer(const struct check *check)
{
    const int status = check->differences == 0 ? TMOUTCTL_FINE : TMOUTCTL_NO;

    if (check->context->json)
        return print_json(json_pack("{s:b, s:I, s:O, s:O}", "agrees", check->differences == 0,
                                    "users", (json_int_t)check->users, "differences", check->list,
                                    "looser", check->looser),
                          status);
    if (check->differences > 0)
        report("sshd does not go by the policy: %zu difference%s; is the drop-in in place and new, "
               "and "
               "does no line before it say otherwise?",
               check->differences, check->differences == 1 ? "" : "s");
    else if (!check->context->quiet)
        printf("sshd goes by the policy: everybody's settings and those of %zu user%s\n",
               check->users, check->users == 1 ? "" : "s");
    return finish(status);
}

int sshd_check(const struct tmoutctl_context *context, const struct policy_view *view,
               const struct dropin *dropin, const bool *known)
{
    struct check check = {.context = context,
                          .view = view,
                          .known = known,
                          .list = json_array(),
                          .looser = json_array()};
    struct names names = {0};
    int status = TMOUTCTL_FAILURE;

    if (check.list == NULL || check.looser == NULL || find_users(dropin, &names) != 0) {
        report("out of memory");
        goto out;
    }
    if (compare_everybody(&check) != 0)
        goto out;
    for (size_t i = 0; i < names.count; i++)
        if (compare_user(&check, names.item[i]) != 0)
            goto out;
    if (find_looser(&check, dropin) != 0) {
        report("out of memory");
        goto out;
    }
    status = answer(&check);

out:
    names_free(&names);
    json_decref(check.list);
    json_decref(check.looser);
    return status;
}
