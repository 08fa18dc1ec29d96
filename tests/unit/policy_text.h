/* Policies from text in memory, as if they had been read from files. */
#ifndef TMOUT_TESTS_UNIT_POLICY_TEXT_H
#define TMOUT_TESTS_UNIT_POLICY_TEXT_H

#include "tests/unit/check.h"

#include "lib/policy/compile.h"

#include <string.h>

struct compiled {
    struct source_set sources;
    struct policy policy;
    struct problems problems;
    int outcome; /* of policy_compile_sources() */
};

/* Appends a source; text is copied. */
static inline void add_text(struct source_set *set, const char *path, const char *text, size_t size)
{
    set->item = realloc(set->item, (set->count + 1) * sizeof *set->item);
    assert_non_null(set->item);
    struct source *source = &set->item[set->count];
    *source = (struct source){.path = strdup(path),
                              .identity = {.kind = SOURCE_FILE,
                                           .inode = 100 + set->count,
                                           .size = size,
                                           .mtime_ns = 1,
                                           .ctime_ns = 2},
                              .text = malloc(size + 1),
                              .size = size};
    assert_non_null(source->path);
    assert_non_null(source->text);
    if (size > 0)
        memcpy(source->text, text, size);
    source->text[size] = '\0';
    set->count++;
}

static inline void compile_sources(struct compiled *c)
{
    c->outcome = policy_compile_sources(&c->sources, &c->policy, &c->problems);
}

static inline void compile_bytes(struct compiled *c, const char *path, const char *text,
                                 size_t size)
{
    *c = (struct compiled){0};
    add_text(&c->sources, path, text, size);
    compile_sources(c);
}

static inline void compile_text(struct compiled *c, const char *text)
{
    compile_bytes(c, "tmout.conf", text, strlen(text));
}

static inline void compiled_free(struct compiled *c)
{
    problems_free(&c->problems);
    policy_free(&c->policy);
    sources_free(&c->sources);
}

/* Returns the rule of this kind and name, or NULL. */
static inline const struct rule *rule_of(const struct policy *policy, enum rule_kind kind,
                                         const char *name)
{
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind == kind && strcmp(policy->rule[i].name, name) == 0)
            return &policy->rule[i];
    return NULL;
}

/* Is there a problem whose formatted text, FILE:LINE: TEXT, is exactly this? */
static inline bool has_problem(const struct problems *problems, enum problem_severity severity,
                               const char *expected)
{
    char text[2048];

    for (size_t i = 0; i < problems->count; i++) {
        problem_format(&problems->item[i], text, sizeof text);
        if (problems->item[i].severity == severity && strcmp(text, expected) == 0)
            return true;
    }
    return false;
}

/* For the output of a failed test. */
static inline void print_all_problems(const struct problems *problems)
{
    char text[2048];

    for (size_t i = 0; i < problems->count; i++) {
        problem_format(&problems->item[i], text, sizeof text);
        fprintf(stderr, "    %s\n", text);
    }
}

#define assert_problem(problems, severity, expected)                                               \
    do {                                                                                           \
        if (!has_problem((problems), (severity), (expected))) {                                    \
            fprintf(stderr, "missing: %s\nthere is:\n", (expected));                               \
            print_all_problems(problems);                                                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#endif
