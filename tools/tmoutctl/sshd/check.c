#include "tools/tmoutctl/sshd/check.h"

#include "lib/host/array.h"
#include "lib/policy/resolve_account.h"
#include "tools/tmoutctl/host/groups.h"
#include "tools/tmoutctl/host/rehearsal.h"
#include "tools/tmoutctl/sshd/site.h"
#include "tools/tmoutctl/sshd/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_out_of_memory(struct failure *failure)
{
    failure_set(failure, "out of memory");
    return -1;
}

/* --- the users to ask about ---------------------------------------------- */

struct user_names {
    char **item;
    size_t count;
};

static int user_names_add(struct user_names *names, const char *name)
{
    char *copy = strdup(name);
    char **grown = copy != NULL ? array_grow(names->item, names->count, sizeof *grown) : NULL;

    if (grown == NULL) {
        free(copy);
        return -1;
    }
    names->item = grown;
    names->item[names->count++] = copy;
    return 0;
}

static int user_names_compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void user_names_sort(struct user_names *names)
{
    size_t kept = 0;

    if (names->count > 1)
        qsort(names->item, names->count, sizeof *names->item, user_names_compare);
    for (size_t i = 0; i < names->count; i++) {
        if (kept > 0 && strcmp(names->item[kept - 1], names->item[i]) == 0)
            free(names->item[i]);
        else
            names->item[kept++] = names->item[i];
    }
    names->count = kept;
}

static void user_names_free(struct user_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->item[i]);
    free(names->item);
    *names = (struct user_names){0};
}

static int user_names_take(void *context, const char *user)
{
    return user_names_add(context, user);
}

/* Finds every user that a rule applies to, sorted by name, without duplicates. */
static int user_names_find(const struct dropin *dropin, struct user_names *names,
                           struct failure *failure)
{
    struct listed_users users = {0};
    int result = 0;

    check_out_of_memory(failure); /* unless there is another reason */
    for (size_t i = 0; result == 0 && i < dropin->count; i++) {
        const struct dropin_rule *rule = &dropin->rule[i];
        if (rule->kind == RULE_USER)
            result = user_names_add(names, rule->name);
        else if (rule->kind == RULE_GROUP)
            result = group_members(rule->name, &users, user_names_take, names, failure);
    }
    listed_users_free(&users);
    user_names_sort(names);
    return result;
}

/* --- comparing ----------------------------------------------------------- */

struct check_run {
    const struct sshd_check_input *input;
    struct sshd_check *check;
    struct failure *failure;
    struct policy_groups *groups;
};

static void sshd_difference_free(struct sshd_difference *difference)
{
    free(difference->user);
    free(difference->effective);
    free(difference->policy);
    free(difference->rule.name);
    free(difference->rule.file);
}

static int check_add_difference(const struct check_run *run,
                                const struct sshd_difference *difference)
{
    struct sshd_check *check = run->check;
    struct sshd_difference *grown =
        array_grow(check->difference, check->difference_count, sizeof *grown);

    if (grown == NULL)
        return -1;
    check->difference = grown;
    check->difference[check->difference_count++] = *difference;
    return 0;
}

/* Adds what differs in one setting; user is NULL for the global settings. */
static int check_differs(const struct check_run *run, const char *user,
                         const struct sshd_keyword *keyword, const struct resolution *resolution,
                         const char *effective)
{
    const struct resolved_setting *setting = &resolution->setting[keyword->id];
    char policy[SETTING_TEXT_MAX], file[4096];

    sshd_value_format(keyword->id, setting->value, resolution->text, policy, sizeof policy);
    snapshot_source_path(run->input->snapshot, setting->file, file, sizeof file);
    struct sshd_difference difference = {
        .user = user != NULL ? strdup(user) : NULL,
        .keyword = keyword,
        .effective = strdup(effective != NULL ? effective : "none"),
        .policy = strdup(policy),
        .rule = {setting->kind, strdup(setting->name), strdup(file), setting->line},
    };
    if ((user == NULL || difference.user != NULL) && difference.effective != NULL &&
        difference.policy != NULL && difference.rule.name != NULL && difference.rule.file != NULL &&
        check_add_difference(run, &difference) == 0)
        return 0;
    sshd_difference_free(&difference);
    return check_out_of_memory(run->failure);
}

/* Compares what sshd has answered about one user, or with NULL about the global
 * settings. */
static int check_compare(const struct check_run *run, const char *user,
                         const struct resolution *resolution, const struct sshd_config *config)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < sshd_keyword_count; i++) {
        const struct sshd_keyword *keyword = &sshd_keywords[i];
        const struct resolved_setting *setting = &resolution->setting[keyword->id];
        const char *effective = sshd_config_value(config, keyword->keyword);
        if (!run->input->known[i] || !setting->from_rule ||
            (user != NULL && settings[keyword->id].default_only != NULL) ||
            sshd_value_is(keyword->id, setting->value, resolution->text, effective))
            continue;
        result = check_differs(run, user, keyword, resolution, effective);
    }
    return result;
}

/* Asks sshd first. */
static int check_ask(const struct check_run *run, const char *user,
                     const struct resolution *resolution)
{
    struct sshd_config config = {0};
    int result = sshd_effective(run->input->program, user, &config, run->failure);

    if (result == 0)
        result = check_compare(run, user, resolution, &config);
    sshd_config_free(&config);
    return result;
}

static int check_damaged(struct failure *failure)
{
    failure_set(failure, "the compiled policy is damaged; run \"tmoutctl apply\"");
    return -1;
}

static int check_resolve(const struct check_run *run, struct account *account,
                         struct resolution *resolution)
{
    switch (resolve_account(run->input->snapshot, run->groups, account, resolution)) {
    case ACCOUNT_RESOLVED:
        return 0;
    case ACCOUNT_GROUPS_UNKNOWN:
        failure_set(run->failure, "cannot look up the groups of user %s: %s", account->name,
                    strerror(errno));
        return -1;
    case ACCOUNT_POLICY_DAMAGED:
    default:
        return check_damaged(run->failure);
    }
}

/* config is NULL where sshd has not been asked. */
static int check_global(const struct check_run *run, const struct sshd_config *config)
{
    struct resolution resolution; /* of nobody in particular */

    if (resolve(run->input->snapshot, "", NULL, 0, &resolution) != 0)
        return check_damaged(run->failure);
    return config != NULL ? check_compare(run, NULL, &resolution, config)
                          : check_ask(run, NULL, &resolution);
}

/* A rule may name a user who does not exist: nothing to compare. */
static int check_user(const struct check_run *run, const char *user)
{
    struct account account = {0};
    struct resolution resolution;
    int result = -1;

    switch (account_lookup(user, false, &account)) {
    case ACCOUNT_UNKNOWN:
        return 0;
    case ACCOUNT_ERROR:
        failure_set(run->failure, "cannot look up user %s: %s", user, strerror(errno));
        return -1;
    case ACCOUNT_FOUND:
    default:
        break;
    }
    run->check->user_count++;
    if (check_resolve(run, &account, &resolution) == 0)
        result = check_ask(run, account.name, &resolution);
    account_free(&account);
    return result;
}

/* Does a rule of the drop-in name the user, or one of their groups? */
static bool check_is_named(const struct dropin *dropin, const struct account *user)
{
    for (size_t i = 0; i < dropin->count; i++) {
        const struct dropin_rule *rule = &dropin->rule[i];
        if (rule->kind == RULE_USER && strcmp(rule->name, user->name) == 0)
            return true;
        for (size_t k = 0; rule->kind == RULE_GROUP && k < user->group_count; k++)
            if (strcmp(rule->name, user->group[k]) == 0)
                return true;
    }
    return false;
}

/* Compares what has been answered. */
static int check_answers(const struct check_run *run, const struct sshd_check_answers *answers)
{
    int result = check_global(run, answers->global);

    for (size_t i = 0; result == 0 && i < answers->count; i++) {
        struct resolution resolution;
        if (!check_is_named(run->input->dropin, &answers->user[i]))
            continue;
        run->check->user_count++;
        result = check_resolve(run, &answers->user[i], &resolution);
        if (result == 0)
            result = check_compare(run, answers->user[i].name, &resolution, &answers->config[i]);
    }
    return result;
}

/* All that check_users() asks the name service. */
static void rehearse_users(void *context)
{
    const struct check_run *run = context;
    struct user_names names = {0};
    struct resolution resolution;

    (void)user_names_find(run->input->dropin, &names, run->failure);
    for (size_t i = 0; i < names.count; i++) {
        struct account account = {0};
        if (account_lookup(names.item[i], false, &account) == ACCOUNT_FOUND)
            (void)check_resolve(run, &account, &resolution);
        account_free(&account);
    }
    user_names_free(&names);
}

/* Asks about all users whom the drop-in's rules apply to. */
static int check_users(struct check_run *run)
{
    struct user_names names = {0};
    struct failure why = {""};
    int result = 0;

    if (rehearse_names(rehearse_users, run, run->input->dropin->count, &why) != 0) {
        failure_set(run->failure, "users could not be asked for: %s", why.text);
        return -1;
    }
    if (user_names_find(run->input->dropin, &names, run->failure) != 0)
        result = -1;
    if (result == 0)
        result = check_global(run, NULL);
    for (size_t i = 0; result == 0 && i < names.count; i++)
        result = check_user(run, names.item[i]);
    user_names_free(&names);
    return result;
}

/* --- the site's own Match blocks ----------------------------------------- */

static void sshd_looser_free(struct sshd_looser *looser)
{
    free(looser->file);
    free(looser->effective);
    free(looser->policy);
}

static int check_add_looser(struct sshd_check *check, const struct sshd_line *line,
                            const struct sshd_site_value *site, int64_t policy_value)
{
    char policy[SETTING_TEXT_MAX];
    struct sshd_looser *grown = array_grow(check->looser, check->looser_count, sizeof *grown);

    if (grown == NULL)
        return -1;
    check->looser = grown;
    sshd_value_format(site->keyword->id, policy_value, "", policy, sizeof policy);
    struct sshd_looser looser = {
        .keyword = site->keyword,
        .file = strdup(line->file),
        .line = line->line,
        .effective = strdup(site->text),
        .policy = strdup(policy),
    };
    if (looser.file == NULL || looser.effective == NULL || looser.policy == NULL) {
        sshd_looser_free(&looser);
        return -1;
    }
    check->looser[check->looser_count++] = looser;
    return 0;
}

static const struct rule_setting *dropin_default(const struct dropin *dropin, enum setting_id id)
{
    for (size_t i = 0; i < dropin->count; i++)
        if (dropin->rule[i].kind == RULE_DEFAULT && dropin->rule[i].content.setting[id].set)
            return &dropin->rule[i].content.setting[id];
    return NULL;
}

static int check_find_looser(const struct check_run *run)
{
    struct sshd_site_value site;
    struct sshd_text text;
    int result = sshd_text_read(run->input->host, &text);

    for (size_t i = 0; result == 0 && i < text.count; i++) {
        if (!sshd_site_read(&text.line[i], &site))
            continue;
        const struct rule_setting *ours = dropin_default(run->input->dropin, site.keyword->id);
        if (ours != NULL && setting_stricter(&settings[site.keyword->id], ours->value, site.value))
            result = check_add_looser(run->check, &text.line[i], &site, ours->value);
    }
    sshd_text_free(&text);
    return result == 0 ? 0 : check_out_of_memory(run->failure);
}

/* --- all of it ----------------------------------------------------------- */

int sshd_check(const struct sshd_check_input *input, struct sshd_check *check,
               struct failure *failure)
{
    struct policy_groups groups = {0};
    struct check_run run = {input, check, failure, &groups};
    int result = input->answers != NULL ? check_answers(&run, input->answers) : check_users(&run);

    if (result == 0)
        result = check_find_looser(&run);
    policy_groups_free(&groups);
    return result;
}

void sshd_difference_rule(const struct sshd_difference *difference, char *text, size_t size)
{
    if (difference->rule.kind == RULE_DEFAULT)
        snprintf(text, size, "default, %s:%u", difference->rule.file, difference->rule.line);
    else
        snprintf(text, size, "%s \"%s\", %s:%u", rule_kind_word(difference->rule.kind),
                 difference->rule.name, difference->rule.file, difference->rule.line);
}

void sshd_check_free(struct sshd_check *check)
{
    for (size_t i = 0; i < check->difference_count; i++)
        sshd_difference_free(&check->difference[i]);
    for (size_t i = 0; i < check->looser_count; i++)
        sshd_looser_free(&check->looser[i]);
    free(check->difference);
    free(check->looser);
    *check = (struct sshd_check){0};
}
