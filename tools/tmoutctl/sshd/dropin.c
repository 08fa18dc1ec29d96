#include "tools/tmoutctl/sshd/dropin.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/sshd/keywords.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- collecting ---------------------------------------------------------- */

static bool rule_sets_anything(const struct snapshot_rule *rule)
{
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (rule->setting[sshd_keywords[i].id].set)
            return true;
    return false;
}

static int dropin_take_rule(void *context, enum rule_kind kind, const char *name,
                            const struct snapshot_rule *rule)
{
    struct dropin *dropin = context;

    if (!rule_sets_anything(rule))
        return 0;
    struct dropin_rule *grown = array_grow(dropin->rule, dropin->count, sizeof *grown);
    if (grown == NULL)
        return ENOMEM;
    dropin->rule = grown;
    char *copy = strdup(name);
    if (copy == NULL)
        return ENOMEM;
    dropin->rule[dropin->count++] =
        (struct dropin_rule){.kind = kind, .name = copy, .content = *rule};
    return 0;
}

/* A file's name may have characters that would end a comment. */
static char *printable_path(const struct snapshot *snapshot, uint32_t number)
{
    char path[4096];

    snapshot_source_path(snapshot, number, path, sizeof path);
    for (char *p = path; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return strdup(path);
}

static int dropin_compare_rules(const void *left, const void *right)
{
    const struct dropin_rule *a = left, *b = right;

    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->name, b->name);
}

int dropin_collect(const struct snapshot *snapshot, struct dropin *dropin)
{
    const int result = snapshot_each_rule(snapshot, dropin_take_rule, dropin);

    if (result != 0) {
        errno = result == -1 ? EBADMSG : result;
        return -1;
    }
    dropin->path = calloc((size_t)snapshot->source_count + 1, sizeof *dropin->path);
    if (dropin->path == NULL)
        return -1;
    for (uint32_t i = 0; i < snapshot->source_count; i++) {
        dropin->path[i] = printable_path(snapshot, i);
        if (dropin->path[i] == NULL)
            return -1;
        dropin->path_count++;
    }
    if (dropin->count > 1)
        qsort(dropin->rule, dropin->count, sizeof *dropin->rule, dropin_compare_rules);
    return 0;
}

void dropin_free(struct dropin *dropin)
{
    for (size_t i = 0; i < dropin->count; i++)
        free(dropin->rule[i].name);
    for (size_t i = 0; i < dropin->path_count; i++)
        free(dropin->path[i]);
    free(dropin->rule);
    free(dropin->path);
    *dropin = (struct dropin){0};
}

bool dropin_sets(const struct dropin *dropin, enum setting_id id)
{
    for (size_t i = 0; i < dropin->count; i++)
        if (dropin->rule[i].content.setting[id].set)
            return true;
    return false;
}

/* --- names --------------------------------------------------------------- */

/*
 * Names are written in double quotes, separated by commas. How sshd reads that
 * depends on its version: before 9.9 Match lines were split at the quotes alone,
 * since then a backslash before a quote or another backslash is removed, too.
 * Only names that all versions read alike are accepted.
 */
const char *dropin_name_problem(const char *name)
{
    if (name[0] == '!')
        return "begins with !, which negates an sshd pattern";
    if (name[0] == '#')
        return "begins with #, which starts a comment in sshd_config";
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
        if (*p == '*' || *p == '?')
            return "has * or ?, which are wildcards in an sshd pattern";
        if (*p == ',')
            return "has a comma, which separates sshd patterns";
        if (*p == '"')
            return "has a double quote, which an sshd pattern cannot have";
        if (*p < ' ' || *p == 0x7f)
            return "has a control character";
        if (*p == '\\' && (p[1] == '\0' || p[1] == '\\' || p[1] == '\''))
            return "has a backslash at its end or before a quote or another backslash, which "
                   "sshd reads differently depending on its version";
    }
    return NULL;
}

/* --- writing ------------------------------------------------------------- */

static void print_origin(FILE *to, const struct dropin *dropin, const struct dropin_rule *rule,
                         enum setting_id id)
{
    const struct rule_setting *setting = &rule->content.setting[id];
    const char *path = setting->file < dropin->path_count ? dropin->path[setting->file] : "?";

    fprintf(to, "# %s", rule_kind_word(rule->kind));
    if (rule->kind != RULE_DEFAULT)
        fprintf(to, " \"%s\"", rule->name);
    fprintf(to, ": %s:%u\n", path, setting->line);
}

static void print_setting(FILE *to, const char *indent, const struct sshd_keyword *keyword,
                          const struct snapshot_rule *rule)
{
    char text[SETTING_TEXT_MAX];

    sshd_value_format(keyword->id, rule->setting[keyword->id].value, rule->text, text, sizeof text);
    fprintf(to, "%s%s %s\n", indent, keyword->keyword, text);
}

/* The rules of one kind that set one setting, the strictest value first; equal
 * ones by name. */
struct setting_rules {
    const struct dropin_rule **rule;
    size_t count;
};

static int strictest_first(const void *left, const void *right, void *context)
{
    const enum setting_id id = *(const enum setting_id *)context;
    const struct dropin_rule *a = *(const struct dropin_rule *const *)left;
    const struct dropin_rule *b = *(const struct dropin_rule *const *)right;
    const int64_t x = a->content.setting[id].value, y = b->content.setting[id].value;

    if (x != y)
        return setting_stricter(&settings[id], x, y) ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void select_rules(const struct dropin *dropin, enum rule_kind kind, enum setting_id id,
                         struct setting_rules *selected)
{
    selected->count = 0;
    for (size_t i = 0; i < dropin->count; i++)
        if (dropin->rule[i].kind == kind && dropin->rule[i].content.setting[id].set)
            selected->rule[selected->count++] = &dropin->rule[i];
    if (selected->count > 1)
        qsort_r(selected->rule, selected->count, sizeof(void *), strictest_first, &id);
}

/* Prints one block for all the rules at the start that have the same value.
 * Returns how many they are. */
static size_t print_block(FILE *to, const struct dropin *dropin, const struct sshd_keyword *keyword,
                          const struct dropin_rule *const *rule, size_t count)
{
    const enum setting_id id = keyword->id;
    size_t same = 0;

    fputc('\n', to);
    while (same < count &&
           rule[same]->content.setting[id].value == rule[0]->content.setting[id].value)
        print_origin(to, dropin, rule[same++], id);
    fprintf(to, "Match %s \"", rule[0]->kind == RULE_USER ? "User" : "Group");
    for (size_t i = 0; i < same; i++)
        fprintf(to, "%s%s", i > 0 ? "," : "", rule[i]->name);
    fputs("\"\n", to);
    print_setting(to, "    ", keyword, &rule[0]->content);
    return same;
}

static void print_blocks(FILE *to, const struct dropin *dropin, enum rule_kind kind,
                         const bool *known, struct setting_rules *room)
{
    for (size_t i = 0; i < sshd_keyword_count; i++) {
        if (!known[i])
            continue;
        select_rules(dropin, kind, sshd_keywords[i].id, room);
        for (size_t done = 0; done < room->count;)
            done +=
                print_block(to, dropin, &sshd_keywords[i], room->rule + done, room->count - done);
    }
}

static void print_defaults(FILE *to, const struct dropin *dropin, const bool *known)
{
    for (size_t i = 0; i < sshd_keyword_count; i++) {
        const enum setting_id id = sshd_keywords[i].id;
        for (size_t k = 0; k < dropin->count && known[i]; k++) {
            const struct dropin_rule *rule = &dropin->rule[k];
            if (rule->kind != RULE_DEFAULT || !rule->content.setting[id].set)
                continue;
            fputc('\n', to);
            print_origin(to, dropin, rule, id);
            print_setting(to, "", &sshd_keywords[i], &rule->content);
        }
    }
}

static const char dropin_header[] =
    "# Generated from the policy by tmoutctl sshd-config; do not edit. To update it\n"
    "# after an edit of the policy, run in /etc/ssh/sshd_config.d:\n"
    "#     tmoutctl sshd-config > 00-tmout.new && mv 00-tmout.new 00-tmout.conf\n"
    "#     sshd -t && systemctl reload ssh && tmoutctl sshd-config --check\n"
    "# sshd uses the first of several values, so this file should come first there.\n";

int dropin_print(FILE *to, const struct dropin *dropin, const bool *known)
{
    struct setting_rules room = {.rule = calloc(dropin->count + 1, sizeof *room.rule)};

    if (room.rule == NULL)
        return -1;
    fputs(dropin_header, to);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (!known[i] && dropin_sets(dropin, sshd_keywords[i].id))
            fprintf(to, "\n# %s is left out: this sshd does not support it.\n",
                    sshd_keywords[i].keyword);
    if (dropin->count == 0)
        fputs("\n# The policy has no settings for sshd.\n", to);
    print_defaults(to, dropin, known);
    print_blocks(to, dropin, RULE_USER, known, &room);
    print_blocks(to, dropin, RULE_GROUP, known, &room);
    free(room.rule);
    return 0;
}
