#include "lib/policy/load.h"

#include "lib/policy/scan.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What libconfuse's callbacks need. It hands no pointer through to them, and
 * is not reentrant anyway. */
static struct {
    const struct rule *expected;
    size_t agreed; /* settings that are as expected */
    struct failure *failure;
} reading;

static unsigned line_in_file(const cfg_t *cfg)
{
    return reading.expected->line + (unsigned)cfg->line - 1;
}

/* libconfuse calls this for each `name = value`; a value that is not as the
 * scan found it ends the parsing. */
static int compare_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    const struct setting *setting = setting_find(opt->name);
    const struct rule_setting *expected = &reading.expected->setting[setting - settings];
    int64_t value = 0;

    *(const char **)result = text;
    if (!expected->set || setting_parse(setting, text, &value) != NULL ||
        value != expected->value || line_in_file(cfg) != expected->line ||
        (setting->type == SETTING_TEXT && strcmp(text, reading.expected->text) != 0)) {
        failure_set(reading.failure, "%s = \"%.64s\" on line %u", setting->name, text,
                    line_in_file(cfg));
        return -1;
    }
    reading.agreed++;
    return 0;
}

/* libconfuse's own errors. One for a value that differs would replace ours. */
static void keep_complaint(cfg_t *cfg, const char *format, va_list arguments)
{
    (void)cfg;
    if (reading.failure->text[0] == '\0')
        vsnprintf(reading.failure->text, sizeof reading.failure->text, format, arguments);
}

/* Is the section of the rule's kind and name the only one? */
static bool is_expected_section(cfg_t *cfg)
{
    const struct rule *rule = reading.expected;

    for (int kind = RULE_DEFAULT; kind <= RULE_USER; kind++) {
        const unsigned count = cfg_size(cfg, rule_kind_word((enum rule_kind)kind));
        if (count != (kind == (int)rule->kind))
            return false;
    }
    return rule->kind == RULE_DEFAULT ||
           strcmp(cfg_title(cfg_getnsec(cfg, rule_kind_word(rule->kind), 0)), rule->name) == 0;
}

static size_t count_settings(const struct rule *rule)
{
    size_t count = 0;

    for (size_t i = 0; i < SETTING_COUNT; i++)
        count += rule->setting[i].set;
    return count;
}

int load_check_section(const char *text, const struct rule *expected, struct failure *failure)
{
    cfg_opt_t options[SETTING_COUNT + 1];
    cfg_opt_t sections[] = {CFG_SEC("default", options, CFGF_MULTI),
                            CFG_SEC("group", options, CFGF_MULTI | CFGF_TITLE),
                            CFG_SEC("user", options, CFGF_MULTI | CFGF_TITLE), CFG_END()};
    int result = -1;

    for (size_t i = 0; i < SETTING_COUNT; i++)
        options[i] = (cfg_opt_t)CFG_STR_CB(settings[i].name, NULL, CFGF_NONE, compare_value);
    options[SETTING_COUNT] = (cfg_opt_t)CFG_END();
    failure_set(failure, "%s", "");
    reading.expected = expected;
    reading.agreed = 0;
    reading.failure = failure;

    cfg_t *cfg = cfg_init(sections, CFGF_NONE);
    if (cfg == NULL) {
        failure_set(failure, "out of memory");
        return -1;
    }
    cfg_set_error_function(cfg, keep_complaint);
    if (cfg_parse_buf(cfg, text) == CFG_SUCCESS) {
        if (is_expected_section(cfg) && reading.agreed == count_settings(expected))
            result = 0;
        else
            failure_set(failure, "other sections or settings");
    }
    cfg_free(cfg);
    return result;
}

/* --- sections to rules ---------------------------------------------------- */

/* What add_section() works with. */
struct loading {
    const struct source *source;
    struct policy *policy;
    struct problems *problems;
};

static int append_copy(struct policy *policy, const struct rule *rule)
{
    struct rule copy = *rule;

    copy.name = strdup(rule->name);
    copy.text = rule->text == NULL ? NULL : strdup(rule->text);
    if (copy.name != NULL && (copy.text != NULL || rule->text == NULL) &&
        policy_append(policy, &copy) == 0)
        return 0;
    free(copy.name);
    free(copy.text);
    return -1;
}

/* A section at a time keeps libconfuse linear (it looks for each title among
 * all earlier ones) and its line numbers right. */
static int add_section(void *context, const struct scan_section *section)
{
    const struct loading *loading = context;
    char *text = loading->source->text;
    const char after = text[section->end];
    struct failure failure = {""};

    text[section->end] = '\0';
    const int result = load_check_section(text + section->start, section->rule, &failure);
    text[section->end] = after;
    if (result == 0)
        return append_copy(loading->policy, section->rule);
    problem_add(loading->problems, PROBLEM_ERROR, loading->source->path, section->rule->line,
                "libconfuse reads this section differently (%s): please report this as a bug",
                failure.text);
    return 0;
}

int load_source(const struct source *source, uint32_t file_index, struct policy *policy,
                struct problems *problems)
{
    struct loading loading = {.source = source, .policy = policy, .problems = problems};
    const struct scan_input input = {
        .text = source->text, .size = source->size, .file = source->path, .file_index = file_index};

    return scan(&input, add_section, &loading, problems);
}
