/*
 * Fuzzes the processing of a policy from its text to a decision: scan,
 * libconfuse, merge, snapshot, resolve.
 *
 * The input is the text of a policy; a line #### begins its next file (a
 * drop-in). Aborts unless
 * - the policy is valid exactly if the second reader accepts it, and both read the
 *   same sections, settings, values and lines;
 * - libconfuse parses every section without errors, with the same result as the scan;
 * - a valid policy, encoded and opened again, resolves for its users and
 *   groups to what a simple walk over its rules gives;
 * - an invalid one has an error that names a line of the text, the errors are
 *   sorted, and the record of the rejection contains the first one.
 * libFuzzer notices if libconfuse exits, aborts or leaks.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/second_reader.h"

#include "lib/policy/compile.h"
#include "lib/policy/resolve.h"
#include "lib/policy/snapshot_read.h"
#include "lib/policy/snapshot_write.h"
#include "lib/host/failure.h"

static const char NEXT_FILE[] = "\n####\n";

/* A path that never exists, so that its identity is that of an absent file. */
#define CONFIG_PATH "/nonexistent/tmout.conf"

enum { FILES_MAX = 8, QUERIES_MAX = 16 };

static void add_file(struct source_set *sources, const char *path, const uint8_t *data, size_t size)
{
    struct source *source = &sources->item[sources->count++];

    *source = (struct source){.path = fuzz_text(path, strlen(path)), .size = size};
    if (data != NULL)
        source->text = fuzz_text(data, size);
}

/* Splits the input into the files that it represents. */
static struct source_set split(const uint8_t *data, size_t size)
{
    struct source_set sources = {.item = calloc(FILES_MAX + 1, sizeof *sources.item)};

    MUST(sources.item != NULL);
    for (int number = 0;; number++) {
        char path[64] = CONFIG_PATH;
        const uint8_t *next = number + 1 < FILES_MAX && size > 0
                                  ? memmem(data, size, NEXT_FILE, sizeof NEXT_FILE - 1)
                                  : NULL;
        const size_t length = next != NULL ? (size_t)(next - data) : size;

        if (number > 0)
            snprintf(path, sizeof path, CONFIG_PATH ".d/%d.conf", number);
        add_file(&sources, path, data, length);
        if (number == 0)
            add_file(&sources, CONFIG_PATH ".d", NULL, 0);
        if (next == NULL)
            return sources;
        data = next + sizeof NEXT_FILE - 1;
        size -= length + sizeof NEXT_FILE - 1;
    }
}

static unsigned lines_in(const char *text, size_t size)
{
    unsigned lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

static const struct source *source_called(const struct source_set *sources, const char *path)
{
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->item[i].path, path) == 0)
            return &sources->item[i];
    return NULL;
}

static void check_problems(const struct problems *problems, const struct source_set *sources)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->item[i];
        MUST(problem->text != NULL && problem->text[0] != '\0');
        MUST(problem->file != NULL);
        const struct source *source = source_called(sources, problem->file);
        MUST(source != NULL && source->text != NULL);
        MUST(strncmp(problem->text, "libconfuse reads", 16) != 0);
        if (i > 0 && strcmp(problem[-1].file, problem->file) == 0)
            MUST(problem[-1].line <= problem->line);
        /* The error of a policy without a section has no line. */
        MUST(problem->line >= 1 || problems->errors == 1);
        MUST(problem->line <= lines_in(source->text, source->size));
    }
    MUST(problems->failures == 0);
    MUST(problems->count + problems_errors_left_out(problems) >= problems->errors);
}

/* --- parsed facts -------------------------------------------------------- */

static const struct rule *rule_called(const struct policy *policy, enum rule_kind kind,
                                      const char *name)
{
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind == kind && strcmp(policy->rule[i].name, name) == 0)
            return &policy->rule[i];
    return NULL;
}

static size_t policy_facts(const struct policy *policy)
{
    size_t count = policy->count;

    for (size_t i = 0; i < policy->count; i++)
        for (size_t id = 0; id < SETTING_COUNT; id++)
            count += policy->rule[i].setting[id].set;
    return count;
}

/* Each fact that no later file overrides is in the policy, and nothing else is. */
static void check_same(const struct policy *policy, const struct facts *facts)
{
    size_t in_force = 0;

    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->item[i];
        const struct rule *rule = rule_called(policy, fact->kind, fact->name);
        if (facts_find(facts, fact, true) != fact)
            continue;
        in_force++;
        MUST(rule != NULL);
        if (fact->setting == SETTING_COUNT) {
            MUST(rule->file == fact->file && rule->line == fact->line);
            continue;
        }
        const struct rule_setting *setting = &rule->setting[fact->setting];
        MUST(setting->set && setting->value == fact->value);
        MUST(setting->file == fact->file && setting->line == fact->line);
        if (settings[fact->setting].type == SETTING_TEXT)
            MUST(rule->text != NULL && (int64_t)strlen(rule->text) == fact->value);
    }
    MUST(policy_facts(policy) == in_force);
}

/* --- decisions ----------------------------------------------------------- */

/* Does the first of two groups' settings take precedence? */
static bool group_setting_wins(const struct setting *setting, const struct rule_setting *a,
                               const struct rule_setting *b)
{
    if (a->value != b->value)
        return (a->value < b->value) == (setting->strictest == STRICTEST_SMALLEST);
    return a->file < b->file || (a->file == b->file && a->line < b->line);
}

/* The rule that decides a setting, according to tmout.conf(5); NULL if none
 * does. */
static const struct rule *deciding_rule(const struct policy *policy, size_t id, const char *user,
                                        const char *const *group, size_t group_count)
{
    const struct rule *best = rule_called(policy, RULE_USER, user);

    if (best != NULL && best->setting[id].set)
        return best;
    best = NULL;
    for (size_t i = 0; i < group_count; i++) {
        const struct rule *rule = rule_called(policy, RULE_GROUP, group[i]);
        if (rule != NULL && rule->setting[id].set &&
            (best == NULL ||
             group_setting_wins(&settings[id], &rule->setting[id], &best->setting[id])))
            best = rule;
    }
    if (best != NULL)
        return best;
    best = rule_called(policy, RULE_DEFAULT, "");
    return best != NULL && best->setting[id].set ? best : NULL;
}

static void check_query(const struct snapshot *snapshot, const struct policy *policy,
                        const char *user, const char *const *group, size_t group_count)
{
    struct resolution resolution;
    char limit[LIMIT_TEXT_MAX];

    MUST(resolve(snapshot, user, group, group_count, &resolution) == 0);
    for (size_t id = 0; id < SETTING_COUNT; id++) {
        const struct resolved_setting *got = &resolution.setting[id];
        const struct rule *rule = deciding_rule(policy, id, user, group, group_count);
        MUST(got->from_rule == (rule != NULL));
        if (rule == NULL) {
            MUST(got->value == settings[id].default_value);
            continue;
        }
        MUST(got->value == rule->setting[id].value);
        MUST(got->kind == rule->kind && strcmp(got->name, rule->name) == 0);
        MUST(got->file == rule->setting[id].file && got->line == rule->setting[id].line);
    }
    const struct rule *standard = rule_called(policy, RULE_DEFAULT, "");
    MUST(strcmp(resolution.text,
                standard != NULL && standard->text != NULL ? standard->text : "") == 0);
    resolution_limit(&resolution, limit, sizeof limit);
    MUST(strlen(limit) < sizeof limit - 1);
}

/* Queries the policy's users with none, all, and all but some of its groups, in
 * either order. */
static void check_queries(const struct snapshot *snapshot, const struct policy *policy)
{
    const char **group = calloc(2 * policy->count + 2, sizeof *group);
    size_t count = 0;

    MUST(group != NULL);
    for (size_t i = policy->count; i > 0; i--)
        if (policy->rule[i - 1].kind == RULE_GROUP)
            group[count++] = policy->rule[i - 1].name;
    group[count++] = "a group without a rule";
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind == RULE_GROUP)
            group[count++] = policy->rule[i].name;

    check_query(snapshot, policy, "a user without a rule", group, count);
    for (size_t i = 0; i < policy->count && i < QUERIES_MAX; i++) {
        const char *name = policy->rule[i].name;
        check_query(snapshot, policy, name, group, 0);
        check_query(snapshot, policy, name, group + i % count, count - i % count);
        check_query(snapshot, policy, name, &name, 1);
    }
    free(group);
}

static void open_snapshot(enum snapshot_kind kind, const struct source_set *sources,
                          const struct policy *policy, const char *message,
                          struct snapshot *snapshot)
{
    unsigned char *image = NULL;
    struct failure failure = {""};
    size_t size = 0;

    MUST(snapshot_encode(&(struct snapshot_content){kind, sources, policy, message, 1}, &image,
                         &size) == 0);
    MUST(snapshot_open_fd(fuzz_file(image, size), kind, snapshot, &failure) == SNAPSHOT_OK);
    free(image);
}

static void check_snapshot(const struct source_set *sources, const struct policy *policy)
{
    struct snapshot snapshot;

    open_snapshot(SNAPSHOT_POLICY, sources, policy, "", &snapshot);
    check_queries(&snapshot, policy);
    for (uint32_t i = 0; i < sources->count; i++) {
        char path[256];
        snapshot_source_path(&snapshot, i, path, sizeof path);
        MUST(strcmp(path, sources->item[i].path) == 0);
    }
    MUST(snapshot_is_intact(&snapshot));
    MUST(snapshot_is_current(&snapshot, CONFIG_PATH));
    MUST(!snapshot_is_current(&snapshot, CONFIG_PATH "2"));
    snapshot_close(&snapshot);
}

static void check_rejection(const struct source_set *sources, const struct problems *problems)
{
    struct snapshot snapshot;
    char again[512], reason[512];

    MUST(problems_first_bad(problems) != NULL);
    problem_format(problems_first_bad(problems), reason, sizeof reason);
    open_snapshot(SNAPSHOT_REJECTED, sources, NULL, reason, &snapshot);
    snapshot_message(&snapshot, again, sizeof again);
    MUST(strcmp(reason, again) == 0);
    MUST(snapshot_is_current(&snapshot, CONFIG_PATH));
    snapshot_close(&snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source_set sources = split(data, size);
    struct policy policy = {0};
    struct problems problems = {0};
    struct facts facts = {.valid = true};

    /* First, because load_source() overwrites comments. */
    for (uint32_t i = 0; i < sources.count; i++)
        if (sources.item[i].text != NULL)
            second_read(sources.item[i].text, sources.item[i].size, i, &facts);

    const int rejected = policy_compile_sources(&sources, &policy, &problems);
    MUST(rejected == (problems.errors > 0));
    check_problems(&problems, &sources);
    /* A policy without any section is invalid as well. */
    MUST(rejected == (!facts.valid || facts.count == 0));
    if (rejected) {
        check_rejection(&sources, &problems);
    } else {
        check_same(&policy, &facts);
        check_snapshot(&sources, &policy);
    }
    facts_free(&facts);
    policy_free(&policy);
    problems_free(&problems);
    sources_free(&sources);
    return 0;
}
