/* tmoutctl check: valid, invalid and unreadable policies and drafts. */
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/verbs/verbs.h"

static void write_drop_in(const char *directory, const char *name, const char *text)
{
    char *drop_ins = path_in(directory, "tmout.conf.d");
    char *path = path_in(drop_ins, name);

    mkdir(drop_ins, 0755);
    write_text(path, text);
    free(path);
    free(drop_ins);
}

/* The status and what is printed, with the directory's path for @. */
static void assert_check(struct verb_place *place, const char *directory, const char *operand,
                         int status, const char *out, const char *err)
{
    struct captured captured;
    const int got = verb_run(&verb_check, &place->context, operand, &captured);
    const struct {
        const char *printed, *expected;
    } streams[] = {{captured.out, out}, {captured.err, err}};

    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        char *expected = NULL;
        size_t size;
        FILE *to = open_memstream(&expected, &size);
        for (const char *c = streams[i].expected; *c != '\0'; c++) {
            if (*c == '@')
                fputs(directory, to);
            else
                fputc(*c, to);
        }
        fclose(to);
        assert_string_equal(streams[i].printed, expected);
        free(expected);
    }
    assert_int_equal(got, status);
    captured_free(&captured);
}

static void valid(void **state)
{
    struct verb_place place;

    place_open(&place, *state, "default { tmout = 5m }\n");
    assert_check(&place, *state, NULL, TMOUTCTL_FINE, "@/tmout.conf: valid, 1 rule\n", "");
    write_drop_in(*state, "a.conf", "default { tmout = 6m }\nuser \"kim\" { }\n");
    assert_check(&place, *state, NULL, TMOUTCTL_FINE, "@/tmout.conf: valid, 2 rules\n",
                 "@/tmout.conf.d/a.conf:1: tmout of default overrides @/tmout.conf:1 (note)\n");
    place.context.quiet = true;
    assert_check(&place, *state, NULL, TMOUTCTL_FINE, "", "");
    place_close(&place);
}

static void every_error(void **state)
{
    struct verb_place place;

    place_open(
        &place, *state,
        "default {\n  tmuot = 15m\n  max_attempts = 0\n}\ngroup \"x\" { enforcee = true }\n");
    write_drop_in(*state, "a.conf", "user kim { tmout = 5m\n");
    static const char errors[] =
        "@/tmout.conf:2: unknown setting \"tmuot\"; did you mean \"tmout\"?\n"
        "@/tmout.conf:3: max_attempts = \"0\" is too small (allowed: 1 to 64, none)\n"
        "@/tmout.conf:5: unknown setting \"enforcee\"; did you mean \"enforce\"?\n"
        "@/tmout.conf.d/a.conf:1: the section that begins here is not closed: } is missing\n"
        "tmoutctl: @/tmout.conf: invalid: 4 errors\n";
    assert_check(&place, *state, NULL, TMOUTCTL_NO, "", errors);
    place.context.quiet = true;
    assert_check(&place, *state, NULL, TMOUTCTL_NO, "", errors);
    place_close(&place);
}

/* A draft is checked alone; the policy itself, named, is not a draft. */
static void drafts(void **state)
{
    char *draft = path_in(*state, "draft");
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, "default { }\n");
    write_drop_in(*state, "a.conf", "user kim { tmout = 0 }\n");
    write_text(draft, "default { tmout = 5m }\nuser \"kim\" { }\n");
    assert_check(&place, *state, draft, TMOUTCTL_FINE, "@/draft: valid, 2 rules\n", "");
    assert_check(&place, *state, place.config, TMOUTCTL_NO, "",
                 "@/tmout.conf.d/a.conf:1: tmout = \"0\" is too short: the minimum is 1s (allowed: "
                 "duration, none)\ntmoutctl: @/tmout.conf: invalid: 1 error\n");

    assert_int_equal(chmod(draft, 0666), 0);
    assert_int_equal(verb_run(&verb_check, &place.context, draft, &captured), TMOUTCTL_FINE);
    assert_contains(captured.err, "/draft: would be rejected as the policy: it is writable by");
    assert_contains(captured.err, " (note)\n");
    captured_free(&captured);
    assert_check(&place, *state, *state, TMOUTCTL_NO, "",
                 "@: is not a regular file\ntmoutctl: @: invalid: 1 error\n");
    place_close(&place);
    free(draft);
}

/* What is beside the policy: missing where it is needed, valid, invalid, and as a draft. */
static void fleet(void **state)
{
    char *path = path_in(*state, "tmout-fleet.conf");
    struct verb_place place;

    place_open(&place, *state, "default { max_attempts = 3 fleet_attempts = 10 }\n");
    assert_check(&place, *state, NULL, TMOUTCTL_FINE, "@/tmout.conf: valid, 1 rule\n",
                 "@/tmout-fleet.conf: is missing, so fleet_attempts has no store: each host admits "
                 "fleet_fallback attempts (note)\n");
    write_text(path, "endpoints = {\"/run/valkey/socket\"}\n");
    assert_check(&place, *state, NULL, TMOUTCTL_FINE, "@/tmout.conf: valid, 1 rule\n", "");
    assert_check(&place, *state, path, TMOUTCTL_FINE, "@/tmout-fleet.conf: valid\n", "");
    write_text(path, "endpoint = {\"/run/valkey/socket\"}\n");
    assert_check(&place, *state, NULL, TMOUTCTL_NO, "",
                 "@/tmout-fleet.conf:1: unknown setting \"endpoint\"; did you mean "
                 "\"endpoints\"?\ntmoutctl: @/tmout-fleet.conf: invalid: 1 error\n");
    assert_check(&place, *state, path, TMOUTCTL_NO, "",
                 "@/tmout-fleet.conf:1: unknown setting \"endpoint\"; did you mean "
                 "\"endpoints\"?\ntmoutctl: @/tmout-fleet.conf: invalid: 1 error\n");
    write_text(place.config, "default { max_attempts = x }\n");
    assert_check(&place, *state, NULL, TMOUTCTL_NO, "",
                 "@/tmout-fleet.conf:1: unknown setting \"endpoint\"; did you mean "
                 "\"endpoints\"?\n@/tmout.conf:1: max_attempts = \"x\" is not a whole number "
                 "(allowed: 1 to 64, none)\ntmoutctl: @/tmout.conf: invalid: 2 errors\n");
    place_close(&place);
    free(path);
}

/* What cannot be read is neither valid nor invalid. */
static void unreadable(void **state)
{
    char *draft = path_in(*state, "draft");
    struct verb_place place;

    place_open(&place, *state, NULL);
    assert_check(&place, *state, NULL, TMOUTCTL_FAILURE, "",
                 "@/tmout.conf: is missing; for a policy without limits, write default { }\n");
    assert_check(&place, *state, draft, TMOUTCTL_FAILURE, "",
                 "@/draft: No such file or directory\n");
    place_close(&place);
    free(draft);
}

static void json(void **state)
{
    const struct verb_arguments none = {.operand = NULL};
    struct verb_place place;

    place_open(&place, *state, "default { tmout = 5m }\n");
    write_drop_in(*state, "a.conf", "default { tmout = 0 tmuot = 1 }\n");
    json_t *answer = verb_json(&verb_check, &place.context, &none);
    assert_true(json_is_false(json_object_get(answer, "valid")));
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "files"), 0)),
                        place.config);
    assert_int_equal(json_number_at(answer, "rules"), 1);
    assert_int_equal(json_number_at(answer, "errors"), 2);
    assert_int_equal(json_array_size(json_object_get(answer, "problems")), 2);
    json_decref(answer);

    write_drop_in(*state, "a.conf", "user kim { }\n");
    answer = verb_json(&verb_check, &place.context, &none);
    assert_true(json_is_true(json_object_get(answer, "valid")));
    assert_int_equal(json_number_at(answer, "errors"), 0);
    assert_int_equal(json_number_at(answer, "rules"), 2);
    json_decref(answer);
    place_close(&place);
}

/* Of very many errors a thousand are listed, and all are counted. */
static void very_many(void **state)
{
    const struct verb_arguments none = {.operand = NULL};
    struct verb_place place;
    struct captured captured;
    char *text = calloc(1, 64 * 1024);

    assert_non_null(text);
    char *at = text;
    at += sprintf(at, "default {\n");
    for (int i = 0; i < 1200; i++)
        at += sprintf(at, "no_such_setting_%d = 1\n", i);
    sprintf(at, "}\n");
    place_open(&place, *state, text);

    json_t *answer = verb_json(&verb_check, &place.context, &none);
    assert_int_equal(json_number_at(answer, "errors"), 1200);
    assert_int_equal(json_array_size(json_object_get(answer, "problems")), 1000);
    json_decref(answer);
    assert_int_equal(verb_run(&verb_check, &place.context, NULL, &captured), TMOUTCTL_NO);
    assert_contains(captured.err, "\n... and 200 more errors, not shown\ntmoutctl: ");
    assert_contains(captured.err, "invalid: 1200 errors\n");
    captured_free(&captured);
    free(text);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(valid),     WITH_DIRECTORY(every_error), WITH_DIRECTORY(drafts),
        WITH_DIRECTORY(fleet),     WITH_DIRECTORY(unreadable),  WITH_DIRECTORY(json),
        WITH_DIRECTORY(very_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
