/* What compiles, encodes and reports a policy says so when memory runs out, and
 * loses nothing. */
#include "tests/unit/out_of_memory.h"

#include "lib/policy/compile.h"
#include "lib/policy/snapshot_write.h"

struct texts {
    const char *const *text;
    size_t count;
};

/* Sources as if they had been read. */
static int read_texts(const struct texts *texts, struct source_set *sources)
{
    sources->item = calloc(texts->count, sizeof *sources->item);
    if (sources->item == NULL)
        return -1;
    for (size_t i = 0; i < texts->count; i++) {
        struct source *source = &sources->item[sources->count++];
        source->path = strdup("tmout.conf");
        source->text = strdup(texts->text[i]);
        if (source->path == NULL || source->text == NULL)
            return -1;
        source->size = strlen(source->text);
        source->identity.kind = SOURCE_FILE;
    }
    return 0;
}

static int compile_and_encode(void *context)
{
    struct source_set sources = {0};
    struct policy policy = {0};
    struct problems problems = {0};
    unsigned char *image = NULL;
    size_t size;
    int result = -1;

    if (read_texts(context, &sources) != 0)
        goto out;
    const int outcome = policy_compile_sources(&sources, &policy, &problems);
    /* It was not found invalid, and the failure has a reason. */
    assert_true(outcome == 0 || outcome == -1);
    assert_int_equal(problems.failures, outcome == 0 ? 0 : 1);
    if (outcome == 0)
        result = snapshot_encode(
            &(struct snapshot_content){SNAPSHOT_POLICY, &sources, &policy, "", 1}, &image, &size);
    /* Each note is counted, but kept only if there is memory. */
    if (result == 0 && problems_notes_left_out(&problems) > 0)
        result = -1;

out:
    free(image);
    policy_free(&policy);
    problems_free(&problems);
    sources_free(&sources);
    return result;
}

static void a_valid_policy(void **state)
{
    static const char *const text[] = {
        "default { tmout = 5m channel_timeout = \"session:shell=5m\" }\n"
        "group \"a\" { enforce = true }\ngroup \"b\" { }\nuser \"c\" { tmout = none }\n",
        "default { channel_timeout = \"session:shell=6m\" }\nuser \"c\" { tmout = 1m }\n"};
    struct texts texts = {text, COUNT_OF(text)};

    (void)state;
    assert_true(with_each_allocation_failing(compile_and_encode, &texts) > 20);
}

/* All errors were found and kept. */
static int compile_invalid(void *context)
{
    struct source_set sources = {0};
    struct policy policy = {0};
    struct problems problems = {0};
    int result = -1;

    if (read_texts(context, &sources) == 0 &&
        policy_compile_sources(&sources, &policy, &problems) == 1 && problems.errors == 5 &&
        problems_errors_left_out(&problems) == 0)
        result = 0;
    policy_free(&policy);
    problems_free(&problems);
    sources_free(&sources);
    return result;
}

static void an_invalid_policy(void **state)
{
    static const char *const text[] = {
        "default { tmuot = 5m channel_timeout = \"session:shell=5m\" }\nlock_time = 1m\n"
        "max_attempts = 0\ndefault { }\n"};
    struct texts texts = {text, COUNT_OF(text)};

    (void)state;
    assert_true(with_each_allocation_failing(compile_invalid, &texts) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_policy),
        cmocka_unit_test(an_invalid_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
