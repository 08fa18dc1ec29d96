#include "tools/tmoutctl/audit/policy_fix.h"

#include "lib/host/array.h"
#include "lib/policy/compile.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int policy_wishes_add(struct policy_wishes *wishes, const struct policy_wish *wish)
{
    struct policy_wish *grown = array_grow(wishes->item, wishes->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    wishes->item = grown;
    wishes->item[wishes->count++] = *wish;
    return 0;
}

void policy_wishes_free(struct policy_wishes *wishes)
{
    free(wishes->item);
    *wishes = (struct policy_wishes){0};
}

/* --- the text of a setting --------------------------------------------------- */

/* `NAME = VALUE`, as it is written, into text. */
static void wish_text(const struct policy_wish *wish, char *text, size_t size)
{
    const char *quote = settings[wish->id].type == SETTING_TEXT ? "\"" : "";

    snprintf(text, size, "%s = %s%s%s", settings[wish->id].name, quote, wish->value, quote);
}

/* The end of the value at text: of a word, or of a quoted string on this line. */
static const char *value_end(const char *text)
{
    if (*text == '"' || *text == '\'') {
        const char *end = strchr(text + 1, *text);
        return end != NULL ? end + 1 : NULL;
    }
    return text + strcspn(text, " \t\r}#;,");
}

/* Where a setting is on a line: [name, end of the value). */
struct setting_place {
    const char *name, *value, *end;
};

/* Finds the only place on the line that looks like this setting, even in a
 * comment. False: there is none, or several. */
static bool find_setting(const char *line, const char *name, struct setting_place *place)
{
    const size_t length = strlen(name);
    unsigned count = 0;

    for (const char *at = line; (at = strstr(at, name)) != NULL; at += length) {
        const char *equals = at + length + strspn(at + length, " \t");
        if ((at > line && (at[-1] == '_' || isalnum((unsigned char)at[-1]))) || *equals != '=')
            continue;
        const char *value = equals + 1 + strspn(equals + 1, " \t");
        *place = (struct setting_place){at, value, value_end(value)};
        count++;
    }
    return count == 1 && place->end != NULL && place->end > place->value;
}

/* --- files ---------------------------------------------------------------- */

/* The path that a patch of the host has for a file of the policy, whose own paths
 * are not below the host's root. */
static const char *path_below_root(const struct audit *audit, const char *path)
{
    const size_t length = strlen(audit->host->root);

    return strncmp(path, audit->host->root, length) == 0 && path[length] == '/' ? path + length
                                                                                : path;
}

/* A line of a policy file, to be freed; NULL if it cannot be read. */
static char *policy_line(const char *path, unsigned number)
{
    struct text_file file;
    char *text = NULL;

    if (read_text_file(path, 0, &file) != 0)
        return NULL;
    for (struct text_line line = {0}; text == NULL && next_text_line(&file, &line);)
        if (line.number == number)
            text = strndup(line.start, (size_t)(line.end - line.start));
    free(file.text);
    return text;
}

/* --- edits ---------------------------------------------------------------- */

/* Replaces what is at [from, to) on a line by text. */
static int edit_part(struct edit *edit, const char *line, const char *from, const char *to,
                     const char *text)
{
    const size_t rest = strcspn(to, "\r");

    edit->kind = EDIT_REPLACE;
    return asprintf(&edit->text, "%.*s%s%.*s", (int)(from - line), line, text, (int)rest, to);
}

/* Gives a setting that a line has another value. */
static int edit_value(struct edit *edit, const struct policy_wish *wish, const char *line)
{
    const char *quote = settings[wish->id].type == SETTING_TEXT ? "\"" : "";
    char value[SETTING_TEXT_MAX + 2];
    struct setting_place place;

    if (!find_setting(line, settings[wish->id].name, &place))
        return -1;
    snprintf(value, sizeof value, "%s%s%s", quote, wish->value, quote);
    return edit_part(edit, line, place.value, place.end, value);
}

/* Adds a setting after another one: on a line of its own, or on the same one if
 * that has more than the other one. */
static int edit_after(struct edit *edit, const struct policy_wish *wish, const char *line,
                      enum setting_id other)
{
    char text[SETTING_TEXT_MAX + 64], inline_text[sizeof text + 3];
    struct setting_place place;

    if (!find_setting(line, settings[other].name, &place))
        return -1;
    wish_text(wish, text, sizeof text);
    const size_t indent = strspn(line, " \t");
    const char *rest = place.end + strspn(place.end, " \t\r");
    if (place.name == line + indent && (*rest == '\0' || *rest == '#')) {
        edit->kind = EDIT_INSERT;
        edit->line++;
        return asprintf(&edit->text, "%.*s%s", (int)indent, line, text);
    }
    snprintf(inline_text, sizeof inline_text, "   %s", text);
    return edit_part(edit, line, place.end, place.end, inline_text);
}

/* Adds a setting to a section that has none of its own on the line of its title. */
static int edit_after_title(struct edit *edit, const struct policy_wish *wish, const char *line)
{
    char text[SETTING_TEXT_MAX + 64];
    const char *brace = strrchr(line, '{');

    if (brace == NULL || brace[1 + strspn(brace + 1, " \t\r")] != '\0')
        return -1;
    wish_text(wish, text, sizeof text);
    edit->kind = EDIT_INSERT;
    edit->line++;
    return asprintf(&edit->text, "%.*s    %s", (int)strspn(line, " \t"), line, text);
}

/* The line as the edits of earlier wishes have left it, to be freed. */
static char *line_so_far(const char *file, const char *path, unsigned number,
                         const struct edit *edits, size_t count)
{
    for (size_t i = count; i-- > 0;)
        if (edits[i].kind == EDIT_REPLACE && edits[i].file != NULL && edits[i].line == number &&
            strcmp(edits[i].file, file) == 0)
            return strdup(edits[i].text);
    return policy_line(path, number);
}

/* The edit that gives an existing rule the value, into edits[number], whose text
 * and file are to be freed; file is NULL if there is none. */
static void edit_rule(const struct audit *audit, const struct rule *rule,
                      const struct policy_wish *wish, struct edit *edits, size_t number)
{
    struct edit *edit = &edits[number];
    size_t near = wish->id;
    char path[PATH_MAX];

    if (!rule->setting[near].set)
        for (near = 0; near < SETTING_COUNT && !rule->setting[near].set; near++)
            ;
    const struct rule_setting *at = near < SETTING_COUNT ? &rule->setting[near] : NULL;
    edit->line = at != NULL ? at->line : rule->line;
    policy_file(audit, at != NULL ? at->file : rule->file, path, sizeof path);
    const char *file = path_below_root(audit, path);
    char *line = line_so_far(file, path, edit->line, edits, number);
    if (line == NULL)
        return;
    const int length = near == wish->id ? edit_value(edit, wish, line)
                       : at != NULL     ? edit_after(edit, wish, line, (enum setting_id)near)
                                        : edit_after_title(edit, wish, line);
    free(line);
    if (length < 0)
        edit->text = NULL;
    else
        edit->file = strdup(file);
}

/* --- the proof ---------------------------------------------------------------- */

/* Makes a file's edits in its text in memory. Returns 0, or -1. */
static int edit_source(const struct audit *audit, const struct edits *edits, struct source *source)
{
    const char *path = path_below_root(audit, source->path);
    struct text_file file = {.text = source->text, .size = source->size};
    struct edited_text edited = {0};
    int result = edits_run(edits, audit->host, path, &file, &edited);

    if (result == 0 && edited.changed)
        result = edited_text_take(&edited, &file);
    source->text = file.text;
    source->size = file.size;
    edited_text_free(&edited);
    return result;
}

/* Do two values differ? */
static bool setting_differs(const struct rule *one, const struct rule *other, enum setting_id id)
{
    const struct rule_setting *a = one != NULL ? &one->setting[id] : NULL;
    const struct rule_setting *b = other != NULL ? &other->setting[id] : NULL;
    const bool a_set = a != NULL && a->set, b_set = b != NULL && b->set;

    if (a_set != b_set)
        return true;
    if (!a_set)
        return false;
    if (settings[id].type == SETTING_TEXT)
        return strcmp(one->text, other->text) != 0;
    return a->value != b->value;
}

static bool is_wished(const struct policy_wishes *wishes, const struct rule *rule,
                      enum setting_id id)
{
    for (size_t i = 0; i < wishes->count; i++)
        if (wishes->item[i].id == id && wishes->item[i].kind == rule->kind &&
            strcmp(wishes->item[i].name, rule->name) == 0)
            return true;
    return false;
}

/* Is everything in one policy as in the other, but for what is wished? */
static bool differs_as_wished(const struct policy *before, const struct policy *after,
                              const struct policy_wishes *wishes)
{
    if (after->count < before->count)
        return false;
    for (size_t i = 0; i < after->count; i++) {
        const struct rule *rule = &after->rule[i];
        const struct rule *old = rule_find(before, rule->kind, rule->name);
        for (size_t id = 0; id < SETTING_COUNT; id++)
            if (setting_differs(old, rule, (enum setting_id)id) !=
                is_wished(wishes, rule, (enum setting_id)id))
                return false;
    }
    return true;
}

/* Compiles the policy with these edits. Returns 0, or -1; both are to be freed. */
static int compile_edited(const struct audit *audit, const struct edits *edits,
                          struct source_set *sources, struct policy *policy)
{
    struct problems problems = {0};
    int result = sources_read(audit->context->config_path, audit->owner, sources, &problems);

    for (size_t i = 0; result == 0 && i < sources->count; i++)
        if (sources->item[i].text != NULL)
            result = edit_source(audit, edits, &sources->item[i]);
    if (result == 0)
        result = policy_compile_sources(sources, policy, &problems);
    problems_free(&problems);
    return result;
}

static bool is_proven(const struct audit *audit, const struct edits *edits,
                      const struct policy_wishes *wishes)
{
    struct source_set sources = {0};
    struct policy after = {0};
    const bool proven = compile_edited(audit, edits, &sources, &after) == 0 &&
                        differs_as_wished(&audit->policy, &after, wishes);

    policy_free(&after);
    sources_free(&sources);
    return proven;
}

/* Adds the edit to all the findings of these wishes if it is proven. */
static void grant(struct audit *audit, const struct policy_wishes *wishes, const struct edit *edit)
{
    struct edits edits = {0};

    if (edit->file == NULL || edits_add(&edits, edit) != 0)
        audit->findings.out_of_memory = true;
    else if (is_proven(audit, &edits, wishes))
        for (size_t i = 0; i < wishes->count; i++)
            finding_add_edit(wishes->item[i].finding, edit);
    edits_free(&edits);
}

/* --- all wishes -------------------------------------------------------------- */

static bool is_same_rule(const struct policy_wish *one, const struct policy_wish *other)
{
    return one->kind == other->kind && strcmp(one->name, other->name) == 0;
}

/* A new section for all wishes about the rule of number `first`, which does not
 * exist. */
static void grant_section(struct audit *audit, const struct policy_wishes *wishes, size_t first)
{
    const struct policy_wish *wish = &wishes->item[first];
    const struct rule rule = {.kind = wish->kind, .name = (char *)(uintptr_t)wish->name};
    struct policy_wishes about = {0};
    char title[RULE_TITLE_MAX], text[SETTING_TEXT_MAX + 64], *section = NULL;
    size_t size;
    FILE *to = open_memstream(&section, &size);

    if (to == NULL) {
        audit->findings.out_of_memory = true;
        return;
    }
    fprintf(to, "%s {\n", rule_title(&rule, title, sizeof title));
    for (size_t i = first; i < wishes->count; i++) {
        if (!is_same_rule(&wishes->item[i], wish))
            continue;
        wish_text(&wishes->item[i], text, sizeof text);
        fprintf(to, "    %s\n", text);
        if (policy_wishes_add(&about, &wishes->item[i]) != 0)
            audit->findings.out_of_memory = true;
    }
    fputs("}", to);
    if (fclose(to) == 0)
        grant(audit, &about,
              &(struct edit){EDIT_INSERT,
                             (char *)(uintptr_t)path_below_root(audit, audit->context->config_path),
                             EDIT_END, section});
    policy_wishes_free(&about);
    free(section);
}

/* Grants a wish about an existing rule, and others that change the same line: the
 * last of them has what all of them want. */
static void grant_edit(struct audit *audit, const struct policy_wishes *wishes,
                       const struct edit *edits, size_t number)
{
    struct policy_wishes about = {0};
    size_t last = number;

    for (size_t i = 0; i < wishes->count; i++) {
        const bool is_same =
            i == number || (edits[i].file != NULL && edits[number].kind == EDIT_REPLACE &&
                            edits[i].kind == EDIT_REPLACE && edits[i].line == edits[number].line &&
                            strcmp(edits[i].file, edits[number].file) == 0);
        if (is_same && i < number)
            goto out; /* done with that one */
        if (is_same && policy_wishes_add(&about, &wishes->item[i]) != 0)
            audit->findings.out_of_memory = true;
        last = is_same ? i : last;
    }
    grant(audit, &about, &edits[last]);
out:
    policy_wishes_free(&about);
}

static bool is_first_of_rule(const struct policy_wishes *wishes, size_t number)
{
    size_t first = 0;

    while (!is_same_rule(&wishes->item[first], &wishes->item[number]))
        first++;
    return first == number;
}

/* Takes the wishes out that would make the policy need a tmoutd that does not run:
 * it comes first. */
static void put_off(const struct audit *audit, struct policy_wishes *wishes)
{
    size_t kept = 0;

    for (size_t i = 0; i < wishes->count; i++) {
        const struct policy_wish *wish = &wishes->item[i];
        if (audit->tmoutd_is_running || !needs_tmoutd(wish->id)) {
            wishes->item[kept++] = *wish;
            continue;
        }
        finding_set_remediation(wish->finding,
                                "Start tmoutd, now and at every boot; then set %s to %s, and "
                                "apply the policy.",
                                settings[wish->id].name, wish->value);
        finding_set_command(wish->finding, "systemctl enable --now tmoutd");
    }
    wishes->count = kept;
}

void policy_wishes_grant(struct audit *audit, struct policy_wishes *wishes)
{
    put_off(audit, wishes);
    struct edit *edits = calloc(wishes->count + 1, sizeof *edits);

    if (edits == NULL) {
        audit->findings.out_of_memory = true;
        return;
    }
    for (size_t i = 0; audit->is_text && i < wishes->count; i++) {
        const struct policy_wish *wish = &wishes->item[i];
        const struct rule *rule = rule_find(&audit->policy, wish->kind, wish->name);
        if (rule != NULL)
            edit_rule(audit, rule, wish, edits, i);
        else if (is_first_of_rule(wishes, i))
            grant_section(audit, wishes, i);
    }
    for (size_t i = 0; i < wishes->count; i++)
        if (edits[i].file != NULL)
            grant_edit(audit, wishes, edits, i);
    for (size_t i = 0; i < wishes->count; i++) {
        free(edits[i].file);
        free(edits[i].text);
    }
    free(edits);
}

/* --- the plan ---------------------------------------------------------------- */

/* What is known of the names in the rules. */
static bool *absent_in_plan(const struct audit *audit, const struct policy *planned)
{
    bool *absent = calloc(planned->count + 1, sizeof *absent);

    for (size_t i = 0; absent != NULL && audit->absent != NULL && i < planned->count; i++) {
        const struct rule *rule = &planned->rule[i];
        const struct rule *now = rule_find(&audit->policy, rule->kind, rule->name);
        absent[i] = now != NULL && audit->absent[now - audit->policy.rule];
    }
    return absent;
}

void policy_plan_make(struct audit *audit, const struct edits *edits)
{
    struct policy_plan plan = {.view = audit->view};
    struct source_set sources = {0};

    if (edits->count == 0 || compile_edited(audit, edits, &sources, &plan.policy) != 0)
        goto out;
    plan.view.groups = (struct policy_groups){0};
    plan.absent = absent_in_plan(audit, &plan.policy);
    if (plan.absent == NULL || policy_view_compiled(&sources, &plan.policy, &plan.view) != 0) {
        audit->findings.out_of_memory = true;
        goto out;
    }
    plan.is_made = true;
    audit->plan = plan;

out:
    if (!plan.is_made) {
        policy_free(&plan.policy);
        free(plan.absent);
    }
    sources_free(&sources);
}
