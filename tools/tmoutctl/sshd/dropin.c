#include "tools/tmoutctl/sshd/dropin.h"

#include "tools/tmoutctl/sshd/keywords.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- collecting ---------------------------------------------------------- */

static bool says_anything(const struct snapshot_rule *rule)
{
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (rule->setting[sshd_keywords[i].id].set)
            return true;
    return false;
}

static int take_rule(void *context, enum rule_kind kind, const char *name,
                     const struct snapshot_rule *rule)
{
    struct dropin *dropin = context;

    if (!says_anything(rule))
        return 0;
    /* Doubling, at the powers of two. */
    if ((dropin->count & (dropin->count - 1)) == 0) {
        const size_t room = dropin->count == 0 ? 1 : 2 * dropin->count;
        struct dropin_rule *grown = reallocarray(dropin->rule, room, sizeof *grown);
        if (grown == NULL)
            return ENOMEM;
        dropin->rule = grown;
    }
    struct dropin_rule *place = &dropin->rule[dropin->count];
    *place = (struct dropin_rule){.kind = kind, .name = strdup(name), .says = *rule};
    if (place->name == NULL)
        return ENOMEM;
    dropin->count++;
    return 0;
}

/* A file's name is as long as its owner likes, and what it may hold would
 * end a comment. */
static char *printable_path(const struct snapshot *snapshot, uint32_t number)
{
    char path[4096];

    snapshot_source_path(snapshot, number, path, sizeof path);
    for (char *p = path; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return strdup(path);
}

static int by_kind_and_name(const void *left, const void *right)
{
    const struct dropin_rule *a = left, *b = right;

    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->name, b->name);
}

int dropin_collect(const struct snapshot *snapshot, struct dropin *dropin)
{
    const int result = snapshot_each_rule(snapshot, take_rule, dropin);

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
        qsort(dropin->rule, dropin->count, sizeof *dropin->rule, by_kind_and_name);
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
        if (dropin->rule[i].says.setting[id].set)
            return true;
    return false;
}

/* --- names --------------------------------------------------------------- */

/*
 * Names are written in double quotes, between commas. What two readers in
 * sshd make of that differs from version to version: before 9.9 Match
 * lines were split at the quotes alone, since then a backslash before a quote
 * or another backslash is undone, too. Only names that all read alike get through.
 */
const char *dropin_name_wrong(const char *name)
{
    if (name[0] == '!')
        return "begins with !, which is \"not\" in a pattern of sshd's";
    if (name[0] == '#')
        return "begins with #, which sshd takes for a comment";
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
        if (*p == '*' || *p == '?')
            return "has * or ?, which stand for other characters in a pattern of sshd's";
        if (*p == ',')
            return "has a comma, which ends a name in a pattern of sshd's";
        if (*p == '"')
            return "has a double quote, which a pattern of sshd's cannot have";
        if (*p < ' ' || *p == 0x7f)
            return "has a control character";
        if (*p == '\\' && (p[1] == '\0' || p[1] == '\\' || p[1] == '\''))
            return "has a backslash at its end, or before a quote or another backslash, which "
                   "sshd's versions read differently";
    }
    return NULL;
}

/* --- writing ------------------------------------------------------------- */

static void print_origin(FILE *to, const struct dropin *dropin, const struct dropin_rule *rule,
                         enum setting_id id)
{
    const struct rule_setting *setting = &rule->says.setting[id];
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

/* One setting of all rules of one kind, the strictest value first; equal ones
 * as they come by name. */
struct setting_rules {
    const struct dropin_rule **rule;
    size_t count;
};

static int strictest_first(const void *left, const void *right, void *context)
{
    const enum setting_id id = *(const enum setting_id *)context;
    const struct dropin_rule *a = *(const struct dropin_rule *const *)left;
    const struct dropin_rule *b = *(const struct dropin_rule *const *)right;
    const int64_t x = a->says.setting[id].value, y = b->says.setting[id].value;

    if (x != y)
        return setting_stricter(&settings[id], x, y) ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void select_rules(const struct dropin *dropin, enum rule_kind kind, enum setting_id id,
                         struct setting_rules *selected)
{
    selected->count = 0;
    for (size_t i = 0; i < dropin->count; i++)
        if (dropin->rule[i].kind == kind && dropin->rule[i].says.setting[id].set)
            selected->rule[selected->count++] = &dropin->rule[i];
    if (selected->count > 1)
        qsort_r(selected->rule, selected->count, sizeof(void *), strictest_first, &id);
}

/* A block for as many rules as have the first one's value; returns how many. */
static size_t print_block(FILE *to, const struct dropin *dropin, const struct sshd_keyword *keyword,
                          const struct dropin_rule *const *rule, size_t count)
{
    const enum setting_id id = keyword->id;
    size_t same = 0;

    fputc('\n', to);
    while (same < count && rule[same]->says.setting[id].value == rule[0]->says.setting[id].value)
        print_origin(to, dropin, rule[same++], id);
    fprintf(to, "Match %s \"", rule[0]->kind == RULE_USER ? "User" : "Group");
    for (size_t i = 0; i < same; i++)
        fprintf(to, "%s%s", i > 0 ? "," : "", rule[i]->name);
    fputs("\"\n", to);
    print_setting(to, "    ", keyword, &rule[0]->says);
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
            if (rule->kind != RULE_DEFAULT || !rule->says.setting[id].set)
                continue;
            fputc('\n', to);
            print_origin(to, dropin, rule, id);
            print_setting(to, "", &sshd_keywords[i], &rule->says);
        }
    }
}

static const char header[] =
    "# Made by tmoutctl sshd-config out of the policy; an edit here is lost. To\n"
    "# renew it after an edit of the policy, in /etc/ssh/sshd_config.d:\n"
    "#     tmoutctl sshd-config > 00-tmout.new && mv 00-tmout.new 00-tmout.conf\n"
    "#     sshd -t && systemctl reload ssh && tmoutctl sshd-config --check\n"
    "# Of several values sshd takes the first: this file should be the first there.\n";

int dropin_print(FILE *to, const struct dropin *dropin, const bool *known)
{
    struct setting_rules room = {.rule = calloc(dropin->count + 1, sizeof *room.rule)};

    if (room.rule == NULL)
        return -1;
    fputs(header, to);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (!known[i] && dropin_sets(dropin, sshd_keywords[i].id))
            fprintf(to, "\n# %s is left out: this sshd does not know it.\n",
                    sshd_keywords[i].keyword);
    if (dropin->count == 0)
        fputs("\n# The policy sets nothing of sshd's.\n", to);
    print_defaults(to, dropin, known);
    print_blocks(to, dropin, RULE_USER, known, &room);
    print_blocks(to, dropin, RULE_GROUP, known, &room);
    free(room.rule);
    return 0;
}
