/* The list of logins on terminals of any width. */
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/sessions/text.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static struct session_row row_of(const char *user, const char *terminal, int64_t left_ms)
{
    struct session_row row = {.idle_ms = 5 * SECOND,
                              .limit_ms = left_ms == NEVER_MS ? NEVER_MS : 10 * MINUTE,
                              .left_ms = left_ms,
                              .setting = left_ms == NEVER_MS ? NULL : "disconnect",
                              .login = {.is_ssh = true}};

    snprintf(row.login.user, sizeof row.login.user, "%s", user);
    snprintf(row.login.address, sizeof row.login.address, "192.0.2.7");
    snprintf(row.login.service, sizeof row.login.service, "sshd");
    snprintf(row.terminal, sizeof row.terminal, "%s", terminal);
    return row;
}

static char *list_of(struct session_row *rows, size_t count, const struct session_layout *layout)
{
    const struct session_table table = {.row = rows, .count = count};
    struct captured captured;

    capture_begin(&captured);
    print_session_table(&table, layout);
    capture_end(&captured);
    free(captured.err);
    return captured.out;
}

static size_t longest_line(const char *text)
{
    size_t longest = 0;

    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");
        longest = length > longest ? length : longest;
        text += length + (text[length] == '\n');
    }
    return longest;
}

/* Whatever the width, nothing is wider, and who and where are there as long as they fit. */
static void every_width(void **state)
{
    static const char *const headings[] = {"user", "terminal", "left",  "idle",    "then",
                                           "from", "limit",    "since", "service", "found by"};
    struct session_row rows[] = {row_of("ann", "pts/0", 3 * MINUTE),
                                 row_of("a-user-with-a-long-name", "pts/100", NEVER_MS)};
    size_t shown_before = 0;

    (void)state;
    for (unsigned columns = 1; columns <= 160; columns++) {
        const struct session_layout layout = {.columns = columns, .line_end = "\n"};
        char *text = list_of(rows, COUNT_OF(rows), &layout);
        size_t shown = 0;
        text[strcspn(text, "\n")] = '\0'; /* the heading's line */
        for (size_t i = 0; i < COUNT_OF(headings); i++) {
            if (strstr(text, headings[i]) == NULL)
                break;
            shown++;
        }
        /* In the order of what they say, and none again disappears. */
        assert_true(shown >= shown_before);
        shown_before = shown;
        text[strlen(text)] = '\n';
        assert_true(longest_line(text) <= columns);
        if (columns >= 32)
            assert_contains(text, "pts/100");
        free(text);
    }
    assert_int_equal(shown_before, COUNT_OF(headings));
}

static void few_lines(void **state)
{
    struct session_row rows[10];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        rows[i] = row_of("ann", "pts/0", MINUTE);
    for (unsigned lines = 1; lines <= 14; lines++) {
        const struct session_layout layout = {.columns = 80, .rows = lines, .line_end = "\n"};
        char *text = list_of(rows, COUNT_OF(rows), &layout);
        size_t printed = 0;
        for (const char *c = text; *c != '\0'; c++)
            printed += *c == '\n';
        assert_true(printed <= (lines < 2 ? 2 : lines));
        assert_int_equal(strstr(text, "... and ") != NULL, printed < COUNT_OF(rows) + 1);
        free(text);
    }
}

static void colors_of_what_ends(void **state)
{
    struct session_row rows[] = {
        row_of("soon", "pts/0", MINUTE - 1), row_of("near", "pts/1", 5 * MINUTE - 1),
        row_of("late", "pts/2", 5 * MINUTE), row_of("never", "pts/3", NEVER_MS)};
    const struct session_layout layout = {.columns = 80, .has_color = true, .line_end = "\n"};
    const struct session_layout plain = {.columns = 80, .line_end = "\n"};

    (void)state;
    char *text = list_of(rows, COUNT_OF(rows), &layout);
    assert_contains(text, "\n\033[31msoon ");
    assert_contains(text, "\033[m\n\033[33mnear ");
    assert_contains(text, "\033[m\nlate ");
    assert_contains(text, "\nnever ");
    free(text);
    text = list_of(rows, COUNT_OF(rows), &plain);
    assert_null(strchr(text, '\033'));
    free(text);
}

/* What a client or a user has chosen. */
static void what_would_control_a_terminal(void **state)
{
    struct session_row rows[] = {row_of("a\033[2Jb", "pts/0\n", MINUTE)};
    const struct session_layout layout = {.columns = 0, .line_end = "\n"};

    (void)state;
    snprintf(rows[0].login.address, sizeof rows[0].login.address, "%s", "\xe2\x80\xae");
    snprintf(rows[0].login.service, sizeof rows[0].login.service, "%s", "");
    char *text = list_of(rows, COUNT_OF(rows), &layout);
    assert_contains(text, "\na?[2Jb       ???                  -        pts/0?   ");
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width),
        cmocka_unit_test(few_lines),
        cmocka_unit_test(colors_of_what_ends),
        cmocka_unit_test(what_would_control_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
