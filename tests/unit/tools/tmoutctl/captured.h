/* Captures what code prints; and a policy and a state directory for verbs. */
#ifndef TMOUT_TESTS_UNIT_TMOUTCTL_CAPTURED_H
#define TMOUT_TESTS_UNIT_TMOUTCTL_CAPTURED_H

#include "tests/unit/temporary.h"

#include "tools/tmoutctl/cli.h"

#include <jansson.h>
#include <sys/mman.h>

struct captured {
    int out_fd, err_fd; /* in memory */
    int saved_out, saved_err;
    char *out, *err; /* what was printed; captured_free() frees it */
};

static inline void capture_begin(struct captured *captured)
{
    fflush(stdout);
    fflush(stderr);
    *captured = (struct captured){
        .out_fd = memfd_create("stdout", MFD_CLOEXEC),
        .err_fd = memfd_create("stderr", MFD_CLOEXEC),
        .saved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3),
        .saved_err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3),
    };
    assert_true(captured->out_fd >= 0 && captured->err_fd >= 0);
    assert_true(captured->saved_out >= 0 && captured->saved_err >= 0);
    assert_int_equal(dup2(captured->out_fd, STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(dup2(captured->err_fd, STDERR_FILENO), STDERR_FILENO);
}

static inline char *captured_text(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)st.st_size, 0), st.st_size);
    close(fd);
    return text;
}

static inline void capture_end(struct captured *captured)
{
    fflush(stdout);
    fflush(stderr);
    dup2(captured->saved_out, STDOUT_FILENO);
    dup2(captured->saved_err, STDERR_FILENO);
    close(captured->saved_out);
    close(captured->saved_err);
    captured->out = captured_text(captured->out_fd);
    captured->err = captured_text(captured->err_fd);
}

static inline void captured_free(struct captured *captured)
{
    free(captured->out);
    free(captured->err);
}

/* A policy file and a state directory in the test's own, and the files of a
 * host in the same tree. */
struct verb_place {
    struct tmoutctl_context context;
    char *config, *state;
};

static inline void place_open(struct verb_place *place, const char *directory, const char *policy)
{
    place->config = path_in(directory, "tmout.conf");
    place->state = path_in(directory, "state");
    place->context = (struct tmoutctl_context){
        .config_path = place->config, .state_dir = place->state, .host = {.root = directory}};
    if (policy != NULL)
        write_text(place->config, policy);
}

static inline void place_close(struct verb_place *place)
{
    free(place->config);
    free(place->state);
}

/* Runs a verb and captures what it prints. Returns its status. */
static inline int verb_run_with(const struct verb *verb, const struct tmoutctl_context *context,
                                const struct verb_arguments *arguments, struct captured *captured)
{
    capture_begin(captured);
    const int status = cli_run(verb, context, arguments);
    capture_end(captured);
    return status;
}

/* With an operand, or none, and without options of its own. */
static inline int verb_run(const struct verb *verb, const struct tmoutctl_context *context,
                           const char *operand, struct captured *captured)
{
    const struct verb_arguments arguments = {.operand = operand};

    return verb_run_with(verb, context, &arguments, captured);
}

/* It ends with this status and prints exactly this. */
static inline void assert_verb(const struct verb *verb, const struct tmoutctl_context *context,
                               const char *operand, int status, const char *out, const char *err)
{
    struct captured captured;

    const int got = verb_run(verb, context, operand, &captured);
    assert_string_equal(captured.err, err);
    assert_string_equal(captured.out, out);
    assert_int_equal(got, status);
    captured_free(&captured);
}

/* What it prints with --json, which the caller releases. */
static inline json_t *verb_json(const struct verb *verb, const struct tmoutctl_context *context,
                                const struct verb_arguments *arguments)
{
    struct tmoutctl_context with_json = *context;
    struct captured captured;

    with_json.json = true;
    verb_run_with(verb, &with_json, arguments, &captured);
    json_t *value = json_loads(captured.out, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        fail_msg("no JSON: %s%s", captured.out, captured.err);
    captured_free(&captured);
    return value;
}

/* The text at a key of an object; "null" for null. */
static inline const char *json_text_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL)
        fail_msg("no %s", key);
    return json_is_null(value) ? "null" : json_string_value(value);
}

static inline json_int_t json_number_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        fail_msg("%s is no integer", key);
    return json_integer_value(value);
}

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("no \"%s\" in: %s", (part), (text));                                          \
    } while (0)

#endif
