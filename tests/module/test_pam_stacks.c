/*
 * tmoutctl's evaluator of PAM stacks against the real libpam: random stacks of
 * stub modules, with include, substack, @include, jumps, every action, missing
 * modules and malformed lines. Both must call the same lines in the same order
 * and return the same, in all calls of the API.
 *
 * SEED=N picks other stacks, STACKS=N more of them.
 */
#include "tests/module/no_conversation.h"
#include "tests/module/pam_stub.h"
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/pam/run.h"

#include <security/pam_appl.h>
#include <stdarg.h>
#include <stdlib.h>

/* Fewer stacks where each takes longer. */
enum { STACKS = 2200, STACKS_SLOW = 60, FILES = 5, LINES_MAX = 7 };

static const char *const types[] = {"auth", "account", "session"};
enum { AUTH, ACCOUNT, SESSION, TYPES };

/* --- random stacks ------------------------------------------------------- */

struct generator {
    const char *root; /* of the host that the evaluator sees */
    char *directory;  /* its /etc/pam.d */
    unsigned seed;
    int ids;
    bool has_at_include;  /* upstream's libpam does not know it */
    enum pam_call second; /* what the second call makes of jumps */
};

static unsigned any(struct generator *generator, unsigned below)
{
    return (unsigned)rand_r(&generator->seed) / 7 % below;
}

static const char *one_of(struct generator *generator, const char *const *words, unsigned count)
{
    return words[any(generator, count)];
}

/* Results that stacks treat in their own ways, and any other one that a module
 * may return. */
static int any_result(struct generator *generator)
{
    static const int usual[] = {PAM_SUCCESS,      PAM_SUCCESS, PAM_SUCCESS,         PAM_AUTH_ERR,
                                PAM_USER_UNKNOWN, PAM_IGNORE,  PAM_NEW_AUTHTOK_REQD};

    if (any(generator, 8) > 0)
        return usual[any(generator, COUNT_OF(usual))];
    return (int)any(generator, PAM_CONV_AGAIN);
}

static void write_control(struct generator *generator, FILE *out)
{
    static const char *const words[] = {"required", "requisite", "sufficient",
                                        "optional", "Required",  "[optional]"};
    static const char *const results[] = {"success",     "default",          "ignore",
                                          "auth_err",    "new_authtok_reqd", "user_unknown",
                                          "perm_denied", "module_unknown",   "default",
                                          "authtok_err", "session_err",      "success"};
    static const char *const actions[] = {"ok",     "done",  "bad",    "die",
                                          "ignore", "reset", "ignore", "ok"};

    if (any(generator, 2) == 0) {
        fputs(one_of(generator, words, COUNT_OF(words)), out);
        return;
    }
    fputc('[', out);
    for (unsigned i = 1 + any(generator, 4); i > 0; i--) {
        fprintf(out, "%s=", one_of(generator, results, COUNT_OF(results)));
        if (any(generator, 3) == 0)
            fprintf(out, "%u", 1 + any(generator, 4));
        else
            fputs(one_of(generator, actions, COUNT_OF(actions)), out);
        fputs(i > 1 ? any(generator, 4) == 0 ? "\t " : " " : "", out);
    }
    /* Sometimes nonsense, which turns every action into bad. */
    fputs(any(generator, 40) == 0 ? " nonsense]" : "]", out);
}

static void write_module(struct generator *generator, const char *type, FILE *out)
{
    fprintf(out, "%s%s%s", any(generator, 9) == 0 ? "-" : "", type,
            any(generator, 12) == 0 ? " \\\n\t" : "\t");
    write_control(generator, out);
    fprintf(out, " %s/pam_%s.so id=%d auth=%d cred=%d%s\n", TEST_BUILD,
            any(generator, 15) == 0 ? "absent" : "stub", ++generator->ids, any_result(generator),
            any_result(generator), any(generator, 12) == 0 ? " # why" : "");
}

/* The first file is the service's, the last one the fallback's. */
static const char *const names[FILES] = {"sshd", "one", "two", "three", "other"};

static char *service_path(const struct generator *generator, unsigned file)
{
    return path_in(generator->directory, names[file]);
}

/* A line of file number `file`, which may include those with higher numbers. */
static void write_pam_line(struct generator *generator, unsigned file, FILE *out)
{
    const char *type = any(generator, 3) > 0 ? types[AUTH] : types[any(generator, TYPES)];
    const unsigned kind = any(generator, 40);

    if (kind < 10 && file + 2 < FILES) {
        char *other = service_path(generator, file + 1 + any(generator, FILES - file - 2));
        if (kind == 0 && generator->has_at_include)
            fprintf(out, "@include %s\n", other);
        else
            fprintf(out, "%s %s %s\n", type, kind < 6 ? "substack" : "include", other);
        free(other);
    } else if (kind == 39 && any(generator, 3) == 0) {
        static const char *const broken[] = {"auth required\n", "auth\n",
                                             "auth substack /nowhere/at/all\n",
                                             "auth include /nowhere\n", "session sufficient\n"};
        fputs(one_of(generator, broken, COUNT_OF(broken)), out);
    } else if (kind == 38 && any(generator, 3) == 0) {
        fputs("nonsense ", out);
        write_control(generator, out);
        fputs(" x.so\n", out);
    } else if (kind == 37) {
        fputs(any(generator, 2) == 0 ? "\n" : "  # a comment \\\n", out);
    } else {
        write_module(generator, type, out);
    }
}

static void write_files(struct generator *generator)
{
    for (unsigned file = 0; file < FILES; file++) {
        char *path = service_path(generator, file);
        FILE *out = fopen(path, "we");
        assert_non_null(out);
        for (unsigned lines = any(generator, LINES_MAX); lines > 0; lines--)
            write_pam_line(generator, file, out);
        assert_int_equal(fclose(out), 0);
        free(path);
    }
}

/* --- what libpam does, and what the evaluator says ------------------------ */

struct outcome {
    int status;
    struct stub_calls calls;
};

/* Calls the functions that follow, up to NULL, on one handle. outcome has one
 * element for each. */
static void run_libpam(const struct generator *generator, struct outcome *outcome, ...)
{
    struct pam_conv conversation = {.conv = no_conversation};
    pam_handle_t *pamh = NULL;
    int (*function)(pam_handle_t *, int);
    va_list functions;

    assert_int_equal(
        pam_start_confdir(names[0], "nobody", &conversation, generator->directory, &pamh),
        PAM_SUCCESS);
    va_start(functions, outcome);
    while ((function = va_arg(functions, int (*)(pam_handle_t *, int))) != NULL) {
        *outcome = (struct outcome){0};
        conversation.appdata_ptr = &outcome->calls;
        assert_int_equal(pam_set_item(pamh, PAM_CONV, &conversation), PAM_SUCCESS);
        outcome->status = function(pamh, PAM_SILENT);
        outcome++;
    }
    va_end(functions);
    pam_end(pamh, PAM_SUCCESS);
}

static int argument(const struct pam_line *line, const char *name)
{
    size_t length;
    const char *value = pam_line_value(line, name, &length);

    return value != NULL ? atoi(value) : PAM_SUCCESS;
}

/* What the line returns, and noted as a call unless there is no module. */
static int call_line(const struct pam_line *line, const char *name, struct stub_calls *calls)
{
    if (line->kind == PAM_LINE_MUST_FAIL)
        return PAM_PERM_DENIED;
    if (!pam_line_is(line, "pam_stub.so"))
        return PAM_MODULE_UNKNOWN;
    calls->id[calls->count++] = argument(line, "id=");
    return argument(line, name);
}

/* The evaluator's outcome; results has the lines' results of the first call for
 * the second. */
static struct outcome evaluate(const struct pam_stack *stack, const char *name, int *results,
                               enum pam_call call)
{
    struct outcome outcome = {0};
    struct pam_run run;

    for (pam_run_start(stack, &run); run.at < stack->count;) {
        const size_t at = run.at;
        const int result = call_line(&stack->line[at], name, &outcome.calls);
        if (call == PAM_CALL_FIRST)
            results[at] = result;
        pam_run_return(stack, &run, call, results[at] >= 0 ? results[at] : result, result);
    }
    outcome.status = pam_run_status(stack, &run);
    return outcome;
}

static void print_files(const struct generator *generator)
{
    for (unsigned file = 0; file < FILES; file++) {
        char *path = service_path(generator, file);
        FILE *in = fopen(path, "re");
        assert_non_null(in);
        fprintf(stderr, "--- %s\n", names[file]);
        for (int c; (c = getc(in)) != EOF;)
            fputc(c, stderr);
        fclose(in);
        free(path);
    }
}

static void assert_same(const struct generator *generator, const char *call,
                        const struct outcome *real, const struct outcome *evaluated)
{
    if (real->status == evaluated->status && real->calls.count == evaluated->calls.count &&
        memcmp(real->calls.id, evaluated->calls.id,
               (size_t)real->calls.count * sizeof *real->calls.id) == 0)
        return;
    print_files(generator);
    fail_msg("%s: libpam returns %d after %d calls, the evaluator %d after %d", call, real->status,
             real->calls.count, evaluated->status, evaluated->calls.count);
}

/* Reads the stack as the evaluator does. */
static void read_type(const struct generator *generator, int type, struct pam_stack *stack,
                      int *results)
{
    const struct host host = {.root = generator->root};

    assert_int_equal(pam_stack_read(&host, names[0], types[type], stack), PAM_STACK_OK);
    for (size_t i = 0; i < stack->count; i++)
        results[i] = -1;
}

enum { RESULTS_MAX = STUB_CALLS_MAX };

static void compare_pair(const struct generator *generator, int type,
                         int (*first)(pam_handle_t *, int), int (*second)(pam_handle_t *, int))
{
    struct outcome real[2], alone, evaluated;
    int results[RESULTS_MAX];
    struct pam_stack stack;

    read_type(generator, type, &stack, results);
    assert_true(stack.count <= RESULTS_MAX);
    run_libpam(generator, &alone, second, NULL);
    evaluated = evaluate(&stack, "cred=", results, generator->second);
    assert_same(generator, "the second call alone", &alone, &evaluated);
    run_libpam(generator, real, first, second, NULL);
    evaluated = evaluate(&stack, "auth=", results, PAM_CALL_FIRST);
    assert_same(generator, types[type], &real[0], &evaluated);
    evaluated = evaluate(&stack, "cred=", results, generator->second);
    assert_same(generator, "the second call", &real[1], &evaluated);
    pam_stack_free(&stack);
}

static void compare_account(const struct generator *generator)
{
    struct outcome real, evaluated;
    int results[RESULTS_MAX];
    struct pam_stack stack;

    read_type(generator, ACCOUNT, &stack, results);
    run_libpam(generator, &real, pam_acct_mgmt, NULL);
    evaluated = evaluate(&stack, "auth=", results, PAM_CALL_FIRST);
    assert_same(generator, types[ACCOUNT], &real, &evaluated);
    pam_stack_free(&stack);
}

/* --- the tests ----------------------------------------------------------- */

static unsigned from_environment(const char *name, unsigned fallback)
{
    const char *text = getenv(name);

    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

/* What a call returns for a service of one line and a file that it may include. */
static int __attribute__((format(printf, 2, 0)))
probe(const struct generator *generator, const char *format, int (*function)(pam_handle_t *, int))
{
    char *service = service_path(generator, 0), *included = service_path(generator, 1);
    struct outcome outcome;
    FILE *out = fopen(service, "we");

    assert_non_null(out);
    fprintf(out, format, included);
    assert_int_equal(fclose(out), 0);
    write_text(included, "auth required pam_permit.so\n");
    run_libpam(generator, &outcome, function, NULL);
    free(included);
    free(service);
    return outcome.status;
}

/* In what this libpam differs from upstream's. */
static void probe_libpam(struct generator *generator)
{
    generator->has_at_include = probe(generator, "@include %s\n", pam_authenticate) == PAM_SUCCESS;
    generator->second = probe(generator,
                              "auth [default=1] pam_permit.so\n"
                              "auth optional pam_permit.so %s\n",
                              pam_setcred) == PAM_SUCCESS
                            ? PAM_CALL_SECOND
                            : PAM_CALL_SECOND_DEBIAN;
}

static void random_stacks(void **state)
{
    struct generator generator = {.root = *state, .seed = from_environment("SEED", 1)};
    const unsigned stacks = from_environment("STACKS", is_slow() ? STACKS_SLOW : STACKS);
    char *tmp = path_in(*state, "tmp");

    put(*state, "/etc/pam.d/other", "");
    generator.directory = path_in(*state, "etc/pam.d");
    /* The files that libpam includes are at the same place for the evaluator. */
    assert_int_equal(symlink("/tmp", tmp), 0);
    free(tmp);
    probe_libpam(&generator);
    for (unsigned i = 0; i < stacks; i++) {
        generator.ids = 0;
        write_files(&generator);
        compare_pair(&generator, AUTH, pam_authenticate, pam_setcred);
        compare_account(&generator);
        compare_pair(&generator, SESSION, pam_open_session, pam_close_session);
    }
    free(generator.directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {WITH_DIRECTORY(random_stacks)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
